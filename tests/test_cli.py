"""The command homevisits: text or JSON output, exit codes, and errors without a traceback."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from homevisits.cli.main import main
from homevisits.cli.output import catch_errors, problem_text
from homevisits.core.db import Database
from homevisits.web.problem_wording import SENTENCES

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command on an empty, migrated database."""
    monkeypatch.setenv("HOMEVISITS_DATABASE_URL", database_url)
    monkeypatch.setenv("HOMEVISITS_SECRET_KEY", "k" * 40)
    monkeypatch.setenv("HOMEVISITS_PUBLIC_URL", "http://127.0.0.1:8000")

    def run_command(*words: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(main, list(words), input=typed)

    return run_command


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def read_json(result: Result) -> dict[str, Any]:
    """Return the JSON object that a command printed."""
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def list_commands(group: Any = main, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the path of every command, such as ('texts', 'check')."""
    commands = []
    for name, command in group.commands.items():
        words = (*before, name)
        commands += list_commands(command, words) if hasattr(command, "commands") else [words]
    return commands


def test_commands_are_those_of_the_readme() -> None:
    assert set(main.commands) == {"demo", "serve", "worker", "migrate", "import", "draw", "export", "user", "texts"}


@pytest.mark.parametrize("words", list_commands(), ids=" ".join)
def test_every_command_has_help_and_json_output(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0
    assert "--json" in result.output
    assert result.output.splitlines()[2].strip()


@on_sqlite
def test_missing_settings_are_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOMEVISITS_SECRET_KEY")
    monkeypatch.setenv("HOMEVISITS_PROVIDER", "pigeon")
    result = run("serve", "--json")
    assert result.exit_code == 2
    reasons = "\n".join(read_json(result)["error"]["reasons"])
    assert "HOMEVISITS_SECRET_KEY" in reasons
    assert "pigeon" in reasons


@on_sqlite
def test_unknown_setting_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEVISITS_TYPO", "1")
    result = run("worker")
    assert result.exit_code == 2
    assert "typo" in result.stderr
    assert result.stdout == ""


def test_migrate_prints_the_revisions(run: Run) -> None:
    migrated = read_json(run("migrate", "--json"))
    assert migrated["from"] == migrated["to"]
    assert read_json(run("migrate", "--to", "base", "--json"))["to"] is None
    failed = run("user", "list", "--json")
    assert failed.exit_code == 1
    assert read_json(failed)["error"]["code"] == "migrations"
    assert read_json(run("migrate", "--json"))["to"] == migrated["to"]


@pytest.mark.parametrize("words", [("migrate",), ("serve",), ("worker",), ("user", "list")], ids=" ".join)
def test_database_at_an_unknown_revision_is_refused_in_one_sentence(
    run: Run, database_url: str, words: tuple[str, ...]
) -> None:
    database = Database(database_url)
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0004_text_evidence'"))
    database.dispose()
    failed = run(*words)
    assert failed.exit_code == 1
    assert failed.stdout == ""
    assert len(failed.stderr.splitlines()) == 1
    assert "another version of Homevisits (revision 0004_text_evidence)" in failed.stderr
    assert "HOMEVISITS_DATABASE_URL" in failed.stderr
    assert read_json(run(*words, "--json"))["error"]["code"] == "migrations"


def test_unreachable_database_is_a_clear_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEVISITS_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    result = run("user", "list")
    assert result.exit_code == 1
    assert "The database" in result.stderr
    assert "Traceback" not in result.output


def test_shared_roster_is_imported_twice_with_the_same_result(run: Run, shared: Path) -> None:
    path = str(shared / "data" / "district-1k" / "oneroster")
    first, second = run("import", "oneroster", path, "--json"), run("import", "oneroster", path, "--json")
    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    found = read_json(first)
    assert found.keys() == {"counts", "errors", "warnings"}
    assert found["counts"]["schools"] == 4
    assert found["counts"]["students"] == 1000
    assert {"households", "caregivers", "educators"} <= found["counts"].keys()
    assert found["errors"] == []
    assert read_json(second)["counts"] == found["counts"]


@on_sqlite
def test_roster_import_accepts_a_whole_delivery(run: Run, shared: Path) -> None:
    whole = str(shared / "data" / "district-1k")
    assert run("import", "oneroster", whole).exit_code == 0
    assert run("import", "supplement", whole).exit_code == 0
    attendance = run("import", "attendance", whole, "--json")
    assert attendance.exit_code == 0
    assert read_json(attendance)["counts"]["school_days"] == 180


@on_sqlite
def test_unreadable_roster_is_refused_with_its_position(run: Run, tmp_path: Path) -> None:
    (tmp_path / "orgs.csv").write_text("sourcedId,status\n1,active\n", encoding="utf-8")
    result = run("import", "oneroster", str(tmp_path), "--json")
    assert result.exit_code == 1
    found = read_json(result)
    assert found["errors"]
    for error in found["errors"]:
        assert error.keys() == {"file", "line", "column", "code", "message"}
        assert error["message"] != error["code"]
    words = run("import", "oneroster", str(tmp_path))
    assert words.exit_code == 1
    assert "Nothing was imported" in words.stderr


def test_second_draw_requires_a_reason(run: Run, shared: Path) -> None:
    run("import", "oneroster", str(shared / "data" / "district-1k" / "oneroster"))
    words = ("draw", "--school", "org_0001", "--method", "random", "--count", "20", "--seed", "7")
    created = run(*words, "--json")
    assert created.exit_code == 0
    assert read_json(created)["drawn"] == 20
    failed = run(*words, "--json")
    assert failed.exit_code == 1
    assert read_json(failed)["error"]["problems"]
    again = read_json(run(*words, "--reason", "The roster was corrected", "--json"))
    assert again["selected_sha256"] == read_json(created)["selected_sha256"]
    assert read_json(run("draw", "--school", "nowhere", "--json"))["error"]["code"] == "not_found"
    assert run("draw", "--school", "org_0001", "--grade", "01", "--class", "c").exit_code == 2


def test_accounts_are_created_listed_changed_and_closed(run: Run) -> None:
    created = read_json(run("user", "add", "Lee@Example.org", "--name", "Lee Ann", "--role", "district_lead", "--json"))
    assert len(created["password"]) >= 12
    assert run("user", "add", "lee@example.org", "--name", "Lee", "--role", "district_lead").exit_code == 1
    assert run("user", "grant", "lee@example.org", "--role", "union_coordinator").exit_code == 0
    assert run("user", "password", "lee@example.org", typed="a much longer sentence\n").exit_code == 0
    assert run("user", "password", "lee@example.org", typed="short\n").exit_code == 1
    listed = read_json(run("user", "list", "--json"))["accounts"]
    assert [row["grants"] for row in listed] == [["district_lead", "union_coordinator"]]
    assert run("user", "revoke", "lee@example.org", "--role", "union_coordinator").exit_code == 0
    assert run("user", "close", "lee@example.org").exit_code == 0
    assert read_json(run("user", "list", "--json"))["accounts"][0]["active"] is False
    assert run("user", "close", "nobody@example.org").exit_code == 1


@on_sqlite
def test_educator_account_requires_an_educator_of_the_roster(run: Run) -> None:
    result = run("user", "add", "a@b.org", "--name", "Ann", "--role", "educator", "--school", "s", "--json")
    assert result.exit_code == 1
    codes = {problem["code"] for problem in read_json(result)["error"]["problems"]}
    assert {"educator_missing", "school_unknown"} <= codes


def test_bug_is_reported_in_one_line_with_its_own_exit_code() -> None:
    answer = catch_errors(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    assert answer.exit_code == 70
    assert "ZeroDivisionError" in answer.text
    assert "\n" not in answer.text


def test_every_problem_sentence_is_available_in_the_terminal() -> None:
    import re

    for code, sentence in SENTENCES.items():
        names = re.findall(r"%\((\w+)\)", str(sentence))
        assert problem_text(code, dict.fromkeys(names, "x"))


@on_sqlite
@pytest.mark.parametrize("kind", ["oneroster", "supplement", "attendance", "demographics"])
def test_missing_path_is_an_error(run: Run, tmp_path: Path, kind: str) -> None:
    result = run("import", kind, str(tmp_path / "nothing.zip"), "--json")
    assert result.exit_code == 1
    found = read_json(result)
    assert [error["code"] for error in found["errors"]] == ["package_missing"]
    assert found["counts"] == {}
