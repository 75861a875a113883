"""The command `homevisits`. Each command loads the settings, opens the database and calls a function of a feature."""

import json
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from homevisits import migrate
from homevisits.cli.output import CommandError, CommandResult, Group, command, open_application
from homevisits.cli.texts import texts
from homevisits.cli.users import user
from homevisits.core import clock
from homevisits.core.db import Database
from homevisits.core.settings import Settings, load_settings
from homevisits.people.importing.apply import ImportReport
from homevisits.people.importing.csv_reader import Finding

# Not exists=True: the import reports a missing path itself, as JSON with --json.
PATH_TYPE = click.Path(path_type=Path)
DAY_TYPE = click.DateTime(["%Y-%m-%d"])


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="homevisits")
def main() -> None:
    """Relational home visits: for a district, its teachers' union and its families.

    Settings come from config/defaults.toml, the file named by HOMEVISITS_CONFIG, and HOMEVISITS_* in the environment.
    """


@command(main)
@click.option("--port", default=8077, show_default=True, help="Where to serve, on this machine only.")
@click.option("--reset", is_flag=True, help="Start over with a new sample district.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo-data"), show_default=True)
def demo(port: int, reset: bool, folder: Path) -> CommandResult:
    """Run a sample district on this machine: website, worker, a family's phone and an adjustable clock."""
    from homevisits.demo import run  # loads the generator and every page: heavy

    quiet = click.get_current_context().params["as_json"]
    document = {"address": f"http://127.0.0.1:{port}/", "folder": str(folder)}
    print_line = partial(click.echo, err=quiet)
    return CommandResult(document, then=lambda: run.start(folder, port, reset=reset, print_line=print_line))


@command(main)
@click.option("--bind", help="Host and port; overrides the setting.")
def serve(bind: str | None) -> CommandResult:
    """Serve the website with gunicorn, using the processes and threads from the settings."""
    from homevisits.server import serve as run  # gunicorn and every page: heavy

    with open_application(**({"bind": bind} if bind else {})) as (settings, _database):
        return CommandResult(
            {"serving": settings.bind, "public_url": settings.public_url},
            f"Serving {settings.public_url} on {settings.bind}",
            then=lambda: run(settings),
        )


@command(main)
def worker() -> CommandResult:
    """Run the background worker: send texts that are due, create pay lines. One is enough; several can run."""
    from homevisits.worker import run  # the scheduler and the carriers: heavy

    with open_application() as (settings, _database):
        return CommandResult(
            {"working": True, "carrier": settings.provider},
            f"Worker running (provider: {settings.provider})",
            then=lambda: run(settings),
        )


@command(main, name="migrate")
@click.option("--to", default="head", show_default=True, help="A revision; `base` removes every table.")
def migrate_database(to: str) -> CommandResult:
    """Upgrade the database schema to this version."""
    database = Database(load_settings().database_url)
    try:
        before = migrate.current_revision(database)
        (migrate.downgrade if to == "base" else migrate.upgrade)(database, to)
        after = migrate.current_revision(database)
    finally:
        database.dispose()
    message = f"The database is at {after}." if before == after else f"The database went from {before} to {after}."
    return CommandResult({"from": before, "to": after}, message)


@main.group(cls=Group, name="import")
def import_files() -> None:
    """Import the district's files. A file is imported completely or not at all."""


def _find_folder(path: Path, name: str) -> Path:
    """Return `path`, or its subfolder `name` if `path` holds all folders of a district."""
    has_subfolder = path.is_dir() and (path / name).is_dir() and not any(path.glob("*.csv"))
    return path / name if has_subfolder else path


def _run_import(path: Path, import_data: Callable[[Database, Settings], Any]) -> CommandResult:
    if not path.exists():
        return CommandResult.from_import(ImportReport({}, (Finding(str(path), None, None, "package_missing"),)))
    with open_application() as (settings, database):
        report = import_data(database, settings)
    return CommandResult.from_import(report)


@command(import_files)
@click.argument("path", type=PATH_TYPE)
def oneroster(path: Path) -> CommandResult:
    """Import a roster: a folder or zip file of OneRoster 1.1 CSV files."""
    from homevisits.people.importing.apply import import_oneroster

    return _run_import(
        path,
        lambda database, s: import_oneroster(
            database, _find_folder(path, "oneroster"), clock.now(), timezone=s.timezone
        ),
    )


@command(import_files)
@click.argument("path", type=PATH_TYPE)
def supplement(path: Path) -> CommandResult:
    """Import home languages and addresses, for which OneRoster has no columns."""
    from homevisits.people.importing.supplement import import_supplement

    return _run_import(path, lambda database, _s: import_supplement(database, _find_folder(path, "supplement")))


@command(import_files)
@click.argument("path", type=PATH_TYPE)
def attendance(path: Path) -> CommandResult:
    """Import attendance: codes, school days, absences, last year's totals."""
    from homevisits.attendance.importing import import_attendance

    return _run_import(
        path, lambda database, _s: import_attendance(database, _find_folder(path, "attendance"), clock.now())
    )


@command(import_files)
@click.argument("path", type=PATH_TYPE)
def demographics(path: Path) -> CommandResult:
    """Import demographics for the fairness test: demographics.csv, or the supplement's English learners."""
    from homevisits.demographics.importing import import_demographics

    return _run_import(path, lambda database, _s: import_demographics(database, _find_folder(path, "oneroster")))


@command(main)
@click.option("--school", required=True, help="The school's id in the roster.")
@click.option("--grade", help="Only this grade.")
@click.option("--class", "class_", help="Only this class, by its id in the roster.")
@click.option(
    "--method", type=click.Choice(["everyone", "random", "stratified"]), default="everyone", show_default=True
)
@click.option("--count", type=click.IntRange(min=1), help="How many households to draw.")
@click.option("--seed", default="", help="Seed drawn in public, for example with dice. Default: a random seed.")
@click.option("--reason", default="", help="Why you draw again. Required if there is already a draw.")
def draw(
    *, school: str, grade: str | None, class_: str | None, method: str, count: int | None, seed: str, reason: str
) -> CommandResult:
    """Draw the order in which families are asked, for a school, a grade or a class."""
    from homevisits.draws import actions, queries
    from homevisits.draws.rules import Method

    if grade and class_:
        raise CommandError("usage", "Choose a grade or a class, not both.", exit_code=2)
    with open_application() as (_settings, database), database.transaction() as session:
        school_id, scope, value = queries.find_scope_by_source_ids(session, school, grade, class_)
        request = actions.DrawRequest(
            school_id=school_id,
            scope=scope,
            scope_value=value,
            method=Method(method),
            sample_size=count,
            seed=seed,
            reason=reason,
        )
        made = actions.draw_families(session, None, request, clock.now())
        document = {
            "draw": made.id,
            "seed": made.seed,
            "method": made.method,
            "drawn": made.sample_size,
            "roster_sha256": made.roster_sha256,
            "selected_sha256": made.selected_sha256,
            "allocation": json.loads(made.allocation),
            "households": queries.list_drawn_households(session, made.id),
        }
    return CommandResult(
        document, f"Draw {made.id}: {made.sample_size} households with seed {made.seed}. {made.selected_sha256}"
    )


@main.group(cls=Group)
def export() -> None:
    """Export files for other systems."""


@command(export)
@click.option("--from", "first", type=DAY_TYPE, required=True, help="First day, as 2026-10-01.")
@click.option("--to", "last", type=DAY_TYPE, required=True, help="Last day.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write. Default: print the file.")
def payroll(first: datetime, last: datetime, out: Path | None) -> CommandResult:
    """Export the payroll file of a period: approved lines only. Exporting a period again gives an identical file."""
    from homevisits.pay.export_payroll import export_payroll

    with open_application() as (_settings, database), database.transaction() as session:
        made = export_payroll(session, None, first.date(), last.date(), clock.now())
        content, sha256, number = made.content, made.sha256, made.id
    if out:
        out.write_bytes(content)
    document = {"export": number, "sha256": sha256, "bytes": len(content), "file": str(out) if out else None}
    if not out:
        document["content"] = content.decode("utf-8")
    return CommandResult(
        document, f"{out}: {len(content)} bytes, {sha256}" if out else content.decode("utf-8").rstrip("\r\n")
    )


main.add_command(user)
main.add_command(texts)
