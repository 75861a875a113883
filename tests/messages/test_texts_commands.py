"""The command `homevisits texts`, which needs neither settings nor a database."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from homevisits.cli.main import main
from homevisits.core import paths
from homevisits.core.languages import UI_LANGUAGES
from homevisits.messages.templates import catalog


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["texts", *arguments])


def run_json(*arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(*arguments, "--json").stdout)
    return document


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Copy of the templates that a test may change."""
    copy = tmp_path / "texts"
    shutil.copytree(paths.templates() / "texts", copy)
    monkeypatch.setattr(catalog, "_builtin_folder", lambda: copy)
    catalog.configure()
    yield copy
    monkeypatch.undo()
    catalog.configure()


def test_segments_command_counts_a_text() -> None:
    result = run("segments", "--json", "--", "Reunión a las 5 😀")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"encoding": "UCS-2", "segments": 1, "characters": 17}
    assert run("segments", "--", "--json").stdout == "GSM-7, 1 segment, 6 characters\n"
    assert run("segments").exit_code == 2


def test_check_finds_no_problem_in_the_shipped_texts() -> None:
    result = run_json("check")
    assert result["faults"] == []
    assert result["texts"] == sum(len(catalog.list_templates(language)) for language in catalog.list_languages())


def test_check_names_the_text_and_the_reason(folder: Path) -> None:
    (folder / "es" / "help.txt").write_text("Responda SÍ", encoding="utf-8")
    result = run("check", "--json")
    assert result.exit_code == 1
    problems = json.loads(result.stdout)["faults"]
    first, codes = problems[0], [problem["code"] for problem in problems]
    assert (first["language"], first["text"]) == ("es", "help")
    assert codes == ["asks_for_a_word", "other_digits", "drops_accents"]
    assert "Phone companies treat those as commands" in first["reason"]


def test_list_shows_languages_in_use_and_texts_awaiting_approval() -> None:
    languages = {language["language"]: language for language in run_json("list")["languages"]}
    assert {code for code, language in languages.items() if language["sent"]} == UI_LANGUAGES.keys()
    assert {row["state"] for row in languages["so"]["texts"] if row["needed"]} == {"waiting"}
    assert {row["parts"] for language in languages.values() for row in language["texts"]} == {1, 2}
    assert "Approved by" in run("list").stdout


def test_language_is_in_use_after_approval(folder: Path) -> None:
    result = run_json("approve", "so", "help", "--by", "Hodan A., interpreter")
    assert result == {"language": "so", "approved": ["help"], "sent": False, "folder": None}
    assert not catalog.is_approved("so", "help")
    assert run_json("approve", "so", "--by", "Hodan A., interpreter", "--note", "Read aloud to two parents.")["sent"]
    assert catalog.render("so", "invitation_call_me", {"school": "Cedar"}).startswith("Mahadsanid. Qof ka socda Cedar")


def test_text_with_a_problem_cannot_be_approved(folder: Path) -> None:
    (folder / "so" / "help.txt").write_text("Ku jawaab haa", encoding="utf-8")
    catalog.clear_cache()
    result = run("approve", "so", "--by", "Hodan A.")
    assert result.exit_code == 1
    assert "so/help" in result.stderr
    assert not (folder / "so" / "approvals.toml").exists()


def test_approvals_of_a_district_are_stored_in_its_own_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    district_folder = tmp_path / "own"
    district_folder.mkdir()
    monkeypatch.setenv("HOMEVISITS_TEXTS_FOLDER", str(district_folder))
    result = run_json("approve", "so", "--by", "Hodan A., interpreter")
    assert (result["sent"], result["folder"]) == (True, str(district_folder))
    assert not (folder / "so" / "approvals.toml").exists()
    assert "Approved by Hodan A., interpreter" in run("list").stdout
    assert "the district's own" in run("list").stdout
    monkeypatch.setenv("HOMEVISITS_TEXTS_FOLDER", str(tmp_path / "nowhere"))
    failure = run("list")
    assert failure.exit_code == 2
    assert "is not a folder" in failure.stderr


@pytest.mark.parametrize(
    "arguments",
    [("approve", "xx", "--by", "A"), ("approve", "so", "nothing", "--by", "A"), ("approve", "so", "--by", " ")],
)
def test_approval_needs_a_language_its_texts_and_a_name(folder: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
    assert not catalog.load_pack("so").is_ready
