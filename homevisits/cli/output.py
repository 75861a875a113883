"""What a command says: one answer, as lines for a person or as one JSON object, and an exit code that is true."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
import sqlalchemy as sa

from homevisits import migrate
from homevisits.core.db import Database
from homevisits.core.problems import NotFound, RulesBroken
from homevisits.core.settings import InvalidSettings, Settings, load_settings
from homevisits.messages.templates import catalog
from homevisits.people.importing.apply import ImportReport
from homevisits.people.importing.csv_reader import Finding
from homevisits.people.installation import check_database_purpose
from homevisits.web import problem_wording

SHOWN = 20
"""So many findings are shown to a person; JSON has them all."""


UNKNOWN_REVISION = (
    "The database was made by another version of Homevisits (revision {}): use that version,"
    " or set HOMEVISITS_DATABASE_URL to an empty database."
)


@dataclass(frozen=True)
class Answer:
    """What came of a command. ``then`` goes on after this was said, and may answer an exit code."""

    document: Mapping[str, Any] | None
    text: str = ""
    exit_code: int = 0
    then: Callable[[], object] | None = None

    @staticmethod
    def of_import(report: ImportReport) -> "Answer":
        """An import's counts and findings; exit code 1 when nothing went in."""
        errors = [_finding(found) for found in report.errors]
        warnings = [_finding(found) for found in report.warnings]
        lines = [f"{count:>9,}  {what}" for what, count in report.counts.items()]
        for word, found in (("warning", warnings), ("error", errors)):
            lines += [f"{word}: {_place(one)}: {one['message']}" for one in found[:SHOWN]]
            if len(found) > SHOWN:
                lines.append(f"... and {len(found) - SHOWN} more {word}s (--json lists them)")
        lines.append("Nothing was brought in. Correct the errors and import again." if errors else "All of it is in.")
        document = {"counts": dict(report.counts), "errors": errors, "warnings": warnings}
        return Answer(document, "\n".join(lines), 1 if errors else 0)

    @staticmethod
    def of_failure(code: str, message: str, exit_code: int = 1, **more: Any) -> "Answer":
        """What went wrong, in one sentence or a few lines."""
        return Answer({"error": {"code": code, "message": message, **more}}, message, exit_code)


class Failure(Exception):
    """A command cannot do what it was asked, for a reason a person can act on."""

    def __init__(self, code: str, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.answer = Answer.of_failure(code, message, exit_code)


@contextmanager
def house(**given: Any) -> Iterator[tuple[Settings, Database]]:
    """Settings and a database that this version can work with."""
    settings = load_settings(**given)
    catalog.use(settings.texts_folder, settings.policy.text_wording, settings.public_url)
    database = Database(settings.database_url)
    try:
        if not migrate.is_current(database):
            migrate.refuse_unknown_revision(database)
            raise Failure("migrations", "The database is not up to date. Run: homevisits migrate")
        check_database_purpose(database, settings)
        yield settings, database
    finally:
        database.dispose()


class Group(click.Group):
    """A group whose commands are listed in the order they were written."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own form
        """The names, in that order."""
        return list(self.commands)


def command(group: click.Group, name: str | None = None) -> Callable[[Callable[..., Answer]], click.Command]:
    """Make a function that returns an `Answer` a command of `group`, with --json."""

    def mark(function: Callable[..., Answer]) -> click.Command:
        @functools.wraps(function)
        def run(as_json: bool, **given: Any) -> None:
            answer = answered(lambda: function(**given))
            _say(answer, as_json=as_json)
            if answer.then is not None:
                answer = answered(functools.partial(_go_on, answer.then))
                _say(answer, as_json=as_json)
            if answer.exit_code:
                raise click.exceptions.Exit(answer.exit_code)

        flag = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
        return group.command(name or function.__name__)(flag(run))

    return mark


def answered(attempt: Callable[[], Answer]) -> Answer:
    """The answer of `attempt`; whatever it raises becomes an answer too, so that no traceback reaches a person."""
    try:
        return attempt()
    except Failure as failure:
        return failure.answer
    except InvalidSettings as wrong:
        text = "\n".join(["Homevisits cannot start:", *(f"  - {reason}" for reason in wrong.reasons)])
        return Answer.of_failure("settings", text, 2, reasons=wrong.reasons)
    except migrate.UnknownRevision as unknown:
        return Answer.of_failure("migrations", UNKNOWN_REVISION.format(unknown.revision))
    except RulesBroken as broken:
        problems = [{"code": p.code, "field": p.field, "message": plain(p.code, p.params)} for p in broken.problems]
        return Answer.of_failure("refused", "\n".join(str(p["message"]) for p in problems), problems=problems)
    except NotFound:
        return Answer.of_failure("not_found", "There is no such thing here. Check the name or the id.")
    except sa.exc.DBAPIError as error:
        return Answer.of_failure("database", f"The database did not do it: {str(error.orig).strip().splitlines()[0]}")
    except OSError as error:
        return Answer.of_failure("system", f"{error.filename or 'The system'}: {error.strerror or error}")
    except click.ClickException:
        raise
    except Exception as error:  # noqa: BLE001 - a bug: one line for the person, its place for whoever mends it
        return Answer.of_failure(
            "bug", f"This is a bug in Homevisits: {type(error).__name__}: {error} ({_where(error)})", 70
        )


def plain(code: str, params: Mapping[str, object]) -> str:
    """A problem's sentence in English, for the terminal."""
    return str(problem_wording.SENTENCES.get(code, code)) % {name: str(value) for name, value in params.items()}


def _go_on(then: Callable[[], object]) -> Answer:
    result = then()
    return Answer(None, exit_code=result if isinstance(result, int) else 0)


def _say(answer: Answer, *, as_json: bool) -> None:
    if answer.document is None:
        return
    if as_json:
        click.echo(json.dumps(answer.document, ensure_ascii=False, default=str))
    elif answer.text:
        click.echo(answer.text, err=answer.exit_code != 0)


def _finding(found: Finding) -> dict[str, Any]:
    message = plain(found.code, found.params)
    return {"file": found.file, "line": found.line, "column": found.column, "code": found.code, "message": message}


def _place(found: Mapping[str, Any]) -> str:
    return ", ".join(
        str(part) for part in (found["file"], found["line"] and f"line {found['line']}", found["column"]) if part
    )


def _where(error: Exception) -> str:
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return f"{last.tb_frame.f_globals.get('__name__')} line {last.tb_lineno}" if last else "?"
