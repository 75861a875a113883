"""Load the reference district: its roster with the importer, its visits with raw SQL."""

import csv
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from sqlalchemy import select

from homevisits.core.db import Database
from homevisits.people.importing.apply import import_oneroster
from homevisits.people.models import Educator, School, Student
from tests.database_constraints import raw_sql
from tests.database_constraints.raw_sql import RawConnection

IMPORTED_AT = datetime(2026, 6, 30, 18, 0, tzinfo=UTC)


def import_roster(database: Database, shared: Path) -> None:
    """Import the roster of the reference district."""
    report = import_oneroster(database, shared / "data" / "district-1k" / "oneroster", IMPORTED_AT)
    assert report.errors == ()


def record_visits(database: Database, shared: Path) -> None:
    """Insert every first visit of the reference district, completed by the same two educators."""
    with database.reading() as session:
        family_of = dict(session.execute(select(Student.identifier, Student.family_id)).all())
        pair = session.scalars(select(Educator.id).order_by(Educator.id).limit(2)).all()
        school = session.scalars(select(School.id).order_by(School.id)).first()
    assert school is not None
    days: dict[int, date] = {}
    with (shared / "data" / "district-1k" / "program" / "visits.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            family = family_of[row["student_numbers"].split()[0]]
            days[family] = min(date.fromisoformat(row["date"]), days.get(family, date.max))
    connection = RawConnection(database.engine.url.render_as_string(hide_password=False))
    try:
        _create_program(connection, school, pair, sorted(days))
        for number, (family, day) in enumerate(sorted(days.items()), start=1):
            _create_visit(connection, number, family=family, school=school, pair=pair, day=day)
        connection.commit()
    finally:
        connection.close()


def _create_program(connection: RawConnection, school: int, pair: Sequence[int], families: list[int]) -> None:
    connection.insert("person", id=90_000, kind="person", given_name="Parent", family_name="Trainer")
    connection.insert(
        "training_session", id=1, title="Fall", held_on="2025-08-01", minutes=180, educator_trainer_id=pair[0],
        parent_trainer_id=90_000, recorded_at="2025-08-01 12:00:00.000000",
    )  # fmt: skip
    for educator in pair:
        connection.insert("opt_in", id=educator, educator_id=educator, answer="in", at="2025-08-02 12:00:00.000000")
        connection.insert(
            "certification", id=educator, educator_id=educator, training_session_id=1, valid_from="2025-08-01"
        )  # fmt: skip
    connection.insert(
        "draw", id=1, school_id=school, scope="school", scope_value="", method="everyone", seed="x",
        sample_size=len(families), roster_sha256="0", selected_sha256="0", allocation="{}",
        drawn_at="2025-08-03 12:00:00.000000",
    )  # fmt: skip
    for position, family in enumerate(families, start=1):
        connection.insert(
            "draw_entry", draw_id=1, family_id=family, household_key=f"f{family}", students="[]", stratum="",
            sha256=str(family), position=position,
        )  # fmt: skip


def _create_visit(
    connection: RawConnection, number: int, *, family: int, school: int, pair: Sequence[int], day: date
) -> None:
    raw_sql.create_invitation(connection, family, school_id=school, asked_at="2025-08-04 12:00:00.000000")
    caregiver = connection.run(
        "SELECT min(id) FROM caregiver WHERE family_id = ? AND NOT restricted AND left_on IS NULL", family
    ).fetchone()[0]
    raw_sql.record_answer(connection, family, family, "yes", at="2025-08-05 12:00:00.000000", caregiver_id=caregiver)
    # The two educators make all visits, so every visit gets a time of its own.
    begin = datetime.combine(day, time(), UTC) + timedelta(minutes=20 * number)
    start, end = (f"{m:%Y-%m-%d %H:%M:%S.%f}" for m in (begin, begin + timedelta(minutes=15)))
    for place, educator in enumerate(pair):
        raw_sql.create_commitment(connection, number * 10 + place, educator, number, start=start, end=end)
    raw_sql.create_visit_row(
        connection, number, family_id=family, school_id=school, invitation_id=family, consent_id=family,
        lead_id=pair[0], partner_id=pair[1], local_date=day.isoformat(), starts_at=start, ends_at=end,
    )  # fmt: skip
    for place, (educator, role) in enumerate(zip(pair, ("lead", "partner"), strict=True)):
        raw_sql.create_member(connection, number, educator, role, number * 10 + place)
    connection.run("UPDATE visit_member SET state = 'coming' WHERE visit_id = ?", number)
    connection.run("UPDATE visit SET state = 'scheduled' WHERE id = ?", number)
    attestation = number * 10 + 1
    raw_sql.create_attestation(connection, attestation, number, pair[0], started_at=start, ended_at=end, at=end)
    raw_sql.create_attestation(
        connection, attestation + 1, number, pair[1], agrees_with=attestation, started_at=start, ended_at=end, at=end
    )
    connection.run(
        "UPDATE visit SET state = 'completed', attestation_id = ?, closed_at = ?, updated_at = ? WHERE id = ?",
        attestation, end, end, number,
    )  # fmt: skip
