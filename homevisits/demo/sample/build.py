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
from homevisits.demo.sample import absences, files, first_days, history, names, pay_periods
from homevisits.demo.sample import district as sample
from homevisits.demo.sample.timeline import Past
from homevisits.demo.settings import Folder, settings_of
from homevisits.messages.models import OutgoingMessage
from homevisits.messages.senders import sync
from homevisits.people.importing.apply import ImportReport, import_oneroster
from homevisits.people.importing.supplement import import_supplement
from homevisits.people.models import District
from homevisits.visits.models import Visit

SEED = "cottonwood"
STUDENTS = 1000


@dataclass(frozen=True)
class Calendar:
    """The start of the sample's school year, and the current date."""

    begins: date
    today: date


def calendar(today: date) -> Calendar:
    """Return the demo's school year, which began two to four months ago to provide recent history."""
    autumn = date(today.year, 8, 24)
    if 52 <= (today - autumn).days <= 130:
        return Calendar(autumn, today)
    some_weeks_ago = today - timedelta(days=90)
    return Calendar(some_weeks_ago - timedelta(days=some_weeks_ago.weekday()), today)


def make(
    folder: Folder,
    port: int,
    now: datetime,
    say: Callable[[str], None],
    seed: str = SEED,
    students: int = STUDENTS,
    terminal: TextIO | None = None,
) -> None:
    """Build the demo database completely, or leave none behind."""
    for ending in ("", "-wal", "-shm"):
        folder.making.with_name(folder.making.name + ending).unlink(missing_ok=True)
    settings = settings_of(folder, port, database=folder.making)
    all_messages.apply_settings(settings)
    database = Database(settings.database_url)
    event.listen(database.engine, "connect", _hurry)
    try:
        progress = Progress(say, terminal)
        gc.freeze()  # exclude everything loaded so far from garbage collection, to save time
        progress.update(0, "preparing the database")
        migrate.upgrade(database)
        _fill(database, folder, settings, now, progress, sample.make(seed, students))
    finally:
        database.dispose()
    folder.making.replace(folder.database)


def _fill(
    database: Database,
    folder: Folder,
    settings: Settings,
    now: datetime,
    progress: Progress,
    district: sample.District,
) -> None:
    zone = settings.timezone
    days = calendar(local_time.to_local(now, zone).date())
    shutil.rmtree(folder.sample, ignore_errors=True)
    files.write(district, folder.sample, days.begins)
    _mark(database, zone)
    with database.transaction() as session:
        sync.sync_senders(session, settings)
    report = _all_in(import_oneroster(database, folder.sample / "oneroster", now, timezone=zone))
    _all_in(import_supplement(database, folder.sample / "supplement"))
    counts = ("schools", "students", "households", "caregivers", "educators")
    progress.say("  roster: " + ", ".join(f"{report.counts[name]:,} {name}" for name in counts))
    past = Past(database, settings.policy, zone, Random(f"homevisits:past:{district.seed}"), days.begins, now, progress)  # noqa: S311
    _live(past)
    with database.reading() as session:
        held = session.scalar(select(func.count()).where(Visit.state == "completed"))
        texts = session.scalar(select(func.count()).select_from(OutgoingMessage))
    progress.say(f"  their year so far: {held:,} visits held, {texts:,} texts")
    record = absences.make(district, days.begins, days.today)
    files.write_attendance(district, record, folder.sample / "attendance", days.begins)
    report = _all_in(import_attendance(database, folder.sample / "attendance", now))
    progress.say(f"  attendance: {report.counts['school_days']} school days")


def _mark(database: Database, zone: str) -> None:
    """Mark the database as a demo before any other data is written."""
    with database.transaction() as session:
        key, name = names.DISTRICT
        session.execute(insert(District), [{"source_id": key, "name": name, "timezone": zone, "purpose": "demo"}])


def _live(past: Past) -> None:
    with past.database.transaction() as session:
        accounts.make_accounts(session)
    with past.database.transaction() as session:
        past.actors = accounts.actors(session)
        first_days.begin(session, past)
    with past.database.reading() as session:
        for room in history.rooms(session, past):
            history.plan(past, room)
        pay_periods.plan(session, past)
    past.live()


def _all_in(report: ImportReport) -> ImportReport:
    """Require that the sample was imported without any problem; otherwise fail."""
    if report.errors:
        raise RuntimeError(f"the sample district was refused: {report.errors[:3]}")
    return report


def _hurry(connection: Any, _record: Any) -> None:
    # The file is renamed only when it is complete, so a partial file need not survive a power failure.
    connection.execute("PRAGMA synchronous=OFF")
