"""Print the result of a command, as text or as a JSON object, and turn errors into messages and exit codes."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
import sqlalchemy as sa

from homevisits import all_messages, migrate
from homevisits.core import log_config
from homevisits.core.db import Database
from homevisits.core.problems import NotFound, RulesBroken
from homevisits.core.settings import InvalidSettings, Settings, load_settings
from homevisits.people.importing.apply import ImportReport
from homevisits.people.importing.csv_reader import Finding
from homevisits.people.installation import check_database_purpose
from homevisits.web import problem_wording

MAX_FINDINGS_SHOWN = 20  # in the text output; the JSON output has all findings


UNKNOWN_REVISION = (
    "The database was made by another version of Homevisits (revision {}): use that version,"
    " or set HOMEVISITS_DATABASE_URL to an empty database."
)


@dataclass(frozen=True)
class CommandResult:
    """The result of a command. `then` is called after it was printed and may return an exit code."""

    document: Mapping[str, Any] | None
    text: str = ""
    exit_code: int = 0
    then: Callable[[], object] | None = None

    @staticmethod
    def from_import(report: ImportReport) -> "CommandResult":
        """Describe an import with its counts and findings. The exit code is 1 if it was refused."""
        errors = [_finding_values(finding) for finding in report.errors]
        warnings = [_finding_values(finding) for finding in report.warnings]
        lines = [f"{count:>9,}  {table}" for table, count in report.counts.items()]
        for level, findings in (("warning", warnings), ("error", errors)):
            for finding in findings[:MAX_FINDINGS_SHOWN]:
                lines.append(f"{level}: {_format_position(finding)}: {finding['message']}")
            if len(findings) > MAX_FINDINGS_SHOWN:
                lines.append(f"... and {len(findings) - MAX_FINDINGS_SHOWN} more {level}s (--json lists them)")
        lines.append("Nothing was imported. Correct the errors and import again." if errors else "Import complete.")
        document = {"counts": dict(report.counts), "errors": errors, "warnings": warnings}
        return CommandResult(document, "\n".join(lines), 1 if errors else 0)

    @staticmethod
    def from_failure(code: str, message: str, exit_code: int = 1, **more: Any) -> "CommandResult":
        """Describe an error, in a sentence or a few lines."""
        return CommandResult({"error": {"code": code, "message": message, **more}}, message, exit_code)


class CommandError(Exception):
    """An error with a message that the user can act on."""

    def __init__(self, code: str, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.answer = CommandResult.from_failure(code, message, exit_code)


@contextmanager
def open_application(**options: Any) -> Iterator[tuple[Settings, Database]]:
    """Load the settings and open the database. Raises CommandError if the database is not up to date."""
    settings = load_settings(**options)
    all_messages.apply_settings(settings)
    database = Database(settings.database_url)
    try:
        if not migrate.is_current(database):
            migrate.refuse_unknown_revision(database)
            raise CommandError("migrations", "The database is not up to date. Run: homevisits migrate")
        check_database_purpose(database, settings)
        yield settings, database
    finally:
        database.dispose()


class Group(click.Group):
    """A command group that lists its commands in the order of their definition."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own form
        """Return the names in the order of definition."""
        return list(self.commands)


def command(group: click.Group, name: str | None = None) -> Callable[[Callable[..., CommandResult]], click.Command]:
    """Decorate a function that returns a CommandResult as a command of `group` with the option --json."""

    def mark(function: Callable[..., CommandResult]) -> click.Command:
        @functools.wraps(function)
        def run(as_json: bool, **options: Any) -> None:
            log_config.configure_command_logging()
            answer = catch_errors(lambda: function(**options))
            _print(answer, as_json=as_json)
            if answer.then is not None:
                answer = catch_errors(functools.partial(_continue, answer.then))
                _print(answer, as_json=as_json)
            if answer.exit_code:
                raise click.exceptions.Exit(answer.exit_code)

        flag = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
        return group.command(name or function.__name__)(flag(run))

    return mark


def catch_errors(attempt: Callable[[], CommandResult]) -> CommandResult:
    """Call `attempt` and convert every exception into a CommandResult, so that users never see a traceback."""
    try:
        return attempt()
    except CommandError as failure:
        return failure.answer
    except InvalidSettings as wrong:
        text = "\n".join(["Homevisits cannot start:", *(f"  - {reason}" for reason in wrong.reasons)])
        return CommandResult.from_failure("settings", text, 2, reasons=wrong.reasons)
    except migrate.UnknownRevision as unknown:
        return CommandResult.from_failure("migrations", UNKNOWN_REVISION.format(unknown.revision))
    except RulesBroken as broken:
        problems = [
            {"code": p.code, "field": p.field, "message": problem_text(p.code, p.params)} for p in broken.problems
        ]
        return CommandResult.from_failure("refused", "\n".join(str(p["message"]) for p in problems), problems=problems)
    except NotFound:
        return CommandResult.from_failure("not_found", "There is no such thing here. Check the name or the id.")
    except sa.exc.DBAPIError as error:
        return CommandResult.from_failure(
            "database", f"The database did not do it: {str(error.orig).strip().splitlines()[0]}"
        )
    except OSError as error:
        return CommandResult.from_failure("system", f"{error.filename or 'The system'}: {error.strerror or error}")
    except click.ClickException:
        raise
    except Exception as error:  # noqa: BLE001 - a bug: one line for the person, its place for whoever mends it
        return CommandResult.from_failure(
            "bug", f"This is a bug in Homevisits: {type(error).__name__}: {error} ({_format_origin(error)})", 70
        )


def problem_text(code: str, params: Mapping[str, object]) -> str:
    """Return the English message of a problem, for the terminal."""
    return str(problem_wording.SENTENCES.get(code, code)) % {name: str(value) for name, value in params.items()}


def _continue(then: Callable[[], object]) -> CommandResult:
    result = then()
    return CommandResult(None, exit_code=result if isinstance(result, int) else 0)


def _print(answer: CommandResult, *, as_json: bool) -> None:
    if answer.document is None:
        return
    if as_json:
        click.echo(json.dumps(answer.document, ensure_ascii=False, default=str))
    elif answer.text:
        click.echo(answer.text, err=answer.exit_code != 0)


def _finding_values(found: Finding) -> dict[str, Any]:
    message = problem_text(found.code, found.params)
    return {"file": found.file, "line": found.line, "column": found.column, "code": found.code, "message": message}


def _format_position(found: Mapping[str, Any]) -> str:
    return ", ".join(
        str(part) for part in (found["file"], found["line"] and f"line {found['line']}", found["column"]) if part
    )


def _format_origin(error: Exception) -> str:
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return f"{last.tb_frame.f_globals.get('__name__')} line {last.tb_lineno}" if last else "?"
