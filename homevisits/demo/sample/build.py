"""Build the demo database: import the sample district, then replay its history."""

import gc
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, TextIO

from sqlalchemy import event, func, insert, select

from homevisits import all_messages, migrate
from homevisits.attendance.importing import import_attendance
from homevisits.core import local_time
from homevisits.core.db import Database
from homevisits.core.settings import Settings
from homevisits.demo import accounts
from homevisits.demo.progress import Progress
from homevisits.demo.sample import absences, files, history, names, pay_periods, program_setup
from homevisits.demo.sample import district as sample
from homevisits.demo.sample.timeline import Timeline
from homevisits.demo.settings import DemoFolder, load_demo_settings
from homevisits.messages.models import OutgoingMessage
from homevisits.messages.senders import sync
from homevisits.people.importing.apply import ImportReport, import_oneroster
from homevisits.people.importing.supplement import import_supplement
from homevisits.people.models import District
from homevisits.visits.models import Visit

SEED = "cottonwood"
STUDENTS = 1000


@dataclass(frozen=True)
class SchoolYear:
    """The start of the sample's school year, and the current date."""

    starts_on: date
    today: date


def current_school_year(today: date) -> SchoolYear:
    """Return the demo's school year, which began two to four months ago to provide recent history."""
    autumn = date(today.year, 8, 24)
    if 52 <= (today - autumn).days <= 130:
        return SchoolYear(autumn, today)
    some_weeks_ago = today - timedelta(days=90)
    return SchoolYear(some_weeks_ago - timedelta(days=some_weeks_ago.weekday()), today)


def make(
    folder: DemoFolder,
    port: int,
    now: datetime,
    print_line: Callable[[str], None],
    *,
    seed: str = SEED,
    students: int = STUDENTS,
    terminal: TextIO | None = None,
) -> None:
    """Build the demo database completely, or leave none behind."""
    for ending in ("", "-wal", "-shm"):
        folder.unfinished_database.with_name(folder.unfinished_database.name + ending).unlink(missing_ok=True)
    settings = load_demo_settings(folder, port, database=folder.unfinished_database)
    all_messages.apply_settings(settings)
    database = Database(settings.database_url)
    event.listen(database.engine, "connect", _disable_sync)
    thresholds = gc.get_threshold()
    try:
        progress = Progress(print_line, terminal)
        # To save time, exclude everything loaded so far from garbage collection and collect less often.
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        progress.update(0, "preparing the database")
        migrate.upgrade(database)
        _fill(database, folder, settings, now=now, progress=progress, district=sample.make(seed, students))
    finally:
        gc.set_threshold(*thresholds)
        database.dispose()
    folder.unfinished_database.replace(folder.database)


def _fill(
    database: Database,
    folder: DemoFolder,
    settings: Settings,
    *,
    now: datetime,
    progress: Progress,
    district: sample.District,
) -> None:
    zone = settings.timezone
    year = current_school_year(local_time.to_local(now, zone).date())
    shutil.rmtree(folder.sample, ignore_errors=True)
    files.write(district, folder.sample, year.starts_on)
    _create_district(database, zone)
    with database.transaction() as session:
        sync.sync_senders(session, settings)
    report = _require_complete(import_oneroster(database, folder.sample / "oneroster", now, timezone=zone))
    _require_complete(import_supplement(database, folder.sample / "supplement"))
    counts = ("schools", "students", "households", "caregivers", "educators")
    progress.print_line("  roster: " + ", ".join(f"{report.counts[name]:,} {name}" for name in counts))
    timeline = Timeline(
        database=database,
        policy=settings.policy,
        zone=zone,
        random=Random(f"homevisits:past:{district.seed}"),  # noqa: S311 - a sample, nothing secret
        starts_on=year.starts_on,
        now=now,
        progress=progress,
    )
    _replay(timeline)
    with database.reading() as session:
        held = session.scalar(select(func.count()).where(Visit.state == "completed"))
        texts = session.scalar(select(func.count()).select_from(OutgoingMessage))
    progress.print_line(f"  their year so far: {held:,} visits held, {texts:,} texts")
    record = absences.make(district, year.starts_on, year.today)
    files.write_attendance(district, record, folder.sample / "attendance", year.starts_on)
    report = _require_complete(import_attendance(database, folder.sample / "attendance", now))
    progress.print_line(f"  attendance: {report.counts['school_days']} school days")


def _create_district(database: Database, zone: str) -> None:
    """Mark the database as a demo before any other data is written."""
    with database.transaction() as session:
        key, name = names.DISTRICT
        session.execute(insert(District), [{"source_id": key, "name": name, "timezone": zone, "purpose": "demo"}])


def _replay(timeline: Timeline) -> None:
    with timeline.database.transaction() as session:
        accounts.make_accounts(session)
    with timeline.database.transaction() as session:
        timeline.actors = accounts.actors(session)
        program_setup.begin(session, timeline)
    with timeline.database.reading() as session:
        for class_history in history.load_classes(session, timeline):
            class_history.plan()
        pay_periods.plan(session, timeline)
    timeline.run()


def _require_complete(report: ImportReport) -> ImportReport:
    """Require that the sample was imported without any problem; otherwise fail."""
    if report.errors:
        raise RuntimeError(f"the sample district was refused: {report.errors[:3]}")
    return report


def _disable_sync(connection: Any, _record: Any) -> None:
    # The file is renamed only when it is complete, so a partial file need not survive a power failure.
    connection.execute("PRAGMA synchronous=OFF")
