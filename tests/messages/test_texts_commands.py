"""`homevisits texts`: counts, checks, lists and approves, with no settings and no database."""

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


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["texts", *words])


def document(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*words, "--json").stdout)
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the texts, to be changed."""
    copy = tmp_path / "texts"
    shutil.copytree(paths.templates() / "texts", copy)
    monkeypatch.setattr(catalog, "_builtin_folder", lambda: copy)
    catalog.configure()
    yield copy
    monkeypatch.undo()
    catalog.configure()


def test_a_text_is_counted() -> None:
    said = run("segments", "--json", "--", "Reunión a las 5 😀")
    assert said.exit_code == 0
    assert json.loads(said.stdout) == {"encoding": "UCS-2", "segments": 1, "characters": 17}
    assert run("segments", "--", "--json").stdout == "GSM-7, 1 segment, 6 characters\n"
    assert run("segments").exit_code == 2


def test_all_texts_keep_the_rules() -> None:
    found = document("check")
    assert found["faults"] == []
    assert found["texts"] == sum(len(catalog.list_templates(language)) for language in catalog.list_languages())


def test_a_text_that_breaks_a_rule_is_named_with_the_reason(folder: Path) -> None:
    (folder / "es" / "help.txt").write_text("Responda SÍ", encoding="utf-8")
    said = run("check", "--json")
    assert said.exit_code == 1
    (first, *_), codes = json.loads(said.stdout)["faults"], [one["code"] for one in json.loads(said.stdout)["faults"]]
    assert (first["language"], first["text"]) == ("es", "help")
    assert codes == ["asks_for_a_word", "other_digits", "drops_accents"]
    assert "Phone companies treat those as commands" in first["reason"]


def test_the_list_says_what_is_sent_and_what_awaits_approval() -> None:
    found = {one["language"]: one for one in document("list")["languages"]}
    assert {language for language, one in found.items() if one["sent"]} == UI_LANGUAGES.keys()
    assert {row["state"] for row in found["so"]["texts"] if row["needed"]} == {"waiting"}
    assert {row["parts"] for one in found.values() for row in one["texts"]} == {1, 2}
    assert "Approved by" in run("list").stdout


def test_a_speakers_approval_makes_a_language_sent(folder: Path) -> None:
    part = document("approve", "so", "help", "--by", "Hodan A., interpreter")
    assert part == {"language": "so", "approved": ["help"], "sent": False, "folder": None}
    assert not catalog.is_approved("so", "help")
    assert document("approve", "so", "--by", "Hodan A., interpreter", "--note", "Read aloud to two parents.")["sent"]
    assert catalog.render("so", "invitation_call_me", {"school": "Cedar"}).startswith("Mahadsanid. Qof ka socda Cedar")


def test_words_that_break_a_rule_cannot_be_approved(folder: Path) -> None:
    (folder / "so" / "help.txt").write_text("Ku jawaab haa", encoding="utf-8")
    catalog.clear_cache()
    said = run("approve", "so", "--by", "Hodan A.")
    assert said.exit_code == 1
    assert "so/help" in said.stderr
    assert not (folder / "so" / "approvals.toml").exists()


def test_a_district_s_approvals_go_into_its_own_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("HOMEVISITS_TEXTS_FOLDER", str(own))
    said = document("approve", "so", "--by", "Hodan A., interpreter")
    assert (said["sent"], said["folder"]) == (True, str(own))
    assert not (folder / "so" / "approvals.toml").exists()
    assert "Approved by Hodan A., interpreter" in run("list").stdout
    assert "the district's own" in run("list").stdout
    monkeypatch.setenv("HOMEVISITS_TEXTS_FOLDER", str(tmp_path / "nowhere"))
    said_no = run("list")
    assert said_no.exit_code == 2
    assert "is not a folder" in said_no.stderr


@pytest.mark.parametrize(
    "words", [("approve", "xx", "--by", "A"), ("approve", "so", "nothing", "--by", "A"), ("approve", "so", "--by", " ")]
)
def test_an_approval_needs_a_language_its_texts_and_a_name(folder: Path, words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2
    assert not catalog.load_pack("so").is_ready
