"""Build a district for benchmarks: a teacher with a class, and any number of valid past visits."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.orm import Session

from homevisits.availability.models import Commitment, WeeklyHours
from homevisits.calendars.actions import hash_token
from homevisits.calendars.models import FeedToken
from homevisits.core.access import Role
from homevisits.core.db import Database
from homevisits.draws.models import Draw, DrawEntry
from homevisits.invitations.models import ConsentEntry, Invitation
from homevisits.people.models import (
    Account,
    AccountGrant,
    Caregiver,
    Certification,
    District,
    Educator,
    Enrollment,
    Family,
    OptIn,
    Person,
    School,
    SchoolClass,
    Student,
    Teaching,
    TrainingSession,
)
from homevisits.people.sign_in.attempts import hash_password
from homevisits.visits.models import Attestation, Visit, VisitMember

ZONE = "America/Denver"
NOW = datetime(2026, 10, 5, 15, 0, tzinfo=UTC)
"""The time of every benchmark: a Monday morning of the school year."""
LONG_AGO = NOW - timedelta(days=4 * 365)
EMAIL, PASSWORD, TOKEN = "teacher@example.org", "a sentence that is long", "benchmark"
TEACHER, PARTNER = 1, 2
EDUCATORS, FAMILIES, CLASS = 60, 1200, 25
RECENT = 40
"""Visits in the teacher's feed, independent of the number of past visits."""
BATCH = 400


@dataclass(frozen=True)
class PastVisit:
    """A completed visit: its pair, family and time, and its number among the family's visits."""

    id: int
    family_id: int
    lead_id: int
    partner_id: int
    starts_at: datetime
    turn: int


def build(database: Database, visits: int) -> None:
    """Fill an empty database with people, the recent weeks, and `visits` older visits."""
    with database.transaction() as session:
        _people(session)
        _families(session)
    past = list(_past_visits(visits))
    for turn in sorted({visit.turn for visit in past}):
        batch = [visit for visit in past if visit.turn == turn]
        for start in range(0, len(batch), BATCH):
            with database.transaction() as session:
                _complete(session, batch[start : start + BATCH])
    with database.transaction() as session:
        if database.engine.dialect.name == "postgresql":
            for table in ("visit", "commitment", "attestation", "invitation", "consent_ledger"):
                session.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 1000000)"))
    # A running database does this by itself. Without statistics the planner assumes empty tables.
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def _people(session: Session) -> None:
    session.add(District(source_id="d", name="District", timezone=ZONE))
    session.add_all([School(id=n, source_id=f"s{n}", name=f"School {n}", timezone=ZONE) for n in (1, 2, 3, 4)])
    session.flush()
    for number in range(1, EDUCATORS + 1):
        session.add(
            Educator(
                id=number,
                given_name="Given",
                family_name=f"Educator{number}",
                source_id=f"e{number}",
                school_id=1 + number % 4 if number > PARTNER else 1,
                employee_group="licensed",
                languages="en",
            )
        )
    parent = Person(id=9001, given_name="Parent", family_name="Trainer")
    session.add(parent)
    session.flush()
    training = TrainingSession(
        id=1, title="Basics", held_on=LONG_AGO.date(), minutes=240, educator_trainer_id=3, parent_trainer_id=9001,
        recorded_at=LONG_AGO,
    )  # fmt: skip
    session.add(training)
    session.flush()
    everyone = range(1, EDUCATORS + 1)
    session.execute(
        insert(Certification),
        [
            {"id": n, "educator_id": n, "training_session_id": 1, "valid_from": LONG_AGO.date(), "valid_until": None}
            for n in everyone
        ],
    )
    session.execute(insert(OptIn), [{"id": n, "educator_id": n, "answer": "in", "at": LONG_AGO} for n in everyone])
    session.execute(
        insert(WeeklyHours),
        [{"educator_id": n, "weekday": day, "starts": "15:00", "ends": "19:00"} for n in everyone for day in range(5)],
    )
    session.add(Account(id=1, email=EMAIL, name="Teacher", educator_id=TEACHER, password_hash=hash_password(PASSWORD)))
    session.flush()
    session.add(AccountGrant(account_id=1, role=Role.EDUCATOR, school_id=1))
    session.add(FeedToken(person_id=TEACHER, sha256=hash_token(TOKEN), created_at=LONG_AGO, last_fetched_at=NOW))


def _families(session: Session) -> None:
    session.add(SchoolClass(id=1, source_id="c1", school_id=1, title="3A"))
    draw = {"scope": "school", "scope_value": "", "method": "everyone", "seed": "s", "sample_size": FAMILIES}
    sums = {"roster_sha256": "0", "selected_sha256": "0", "allocation": "{}", "drawn_at": LONG_AGO}
    session.execute(insert(Draw), [{"id": n, "school_id": n, **draw, **sums} for n in (1, 2, 3, 4)])
    session.add(Teaching(class_id=1, educator_id=TEACHER))
    numbers = range(1, FAMILIES + 1)
    school = {n: 1 if n <= CLASS else 1 + n % 4 for n in numbers}
    session.execute(
        insert(Family),
        [{"id": n, "key": f"f{n}", "name": f"Family {n}", "address": f"{n} Main Street"} for n in numbers],
    )
    session.execute(
        insert(Caregiver),
        [
            {
                "id": n, "source_id": f"g{n}", "family_id": n, "given_name": "Ana", "family_name": f"Family {n}",
                "relation": "mother", "phone": f"+1303555{n:04}",
            }
            for n in numbers
        ],
    )  # fmt: skip
    session.execute(
        insert(Student),
        [
            {
                "id": n, "source_id": f"st{n}", "family_id": n, "school_id": school[n], "given_name": "Kid",
                "family_name": f"Family {n}", "grade": "03",
            }
            for n in numbers
        ],
    )  # fmt: skip
    session.execute(insert(Enrollment), [{"class_id": 1, "student_id": n} for n in range(1, CLASS + 1)])
    session.execute(
        insert(DrawEntry),
        [
            {
                "draw_id": school[n], "family_id": n, "household_key": f"f{n}", "students": "[]", "stratum": "",
                "sha256": f"{n:064}", "position": n,
            }
            for n in numbers
        ],
    )  # fmt: skip
    invitation = {"asked_at": LONG_AGO, "how": "text", "language": "en"}
    session.execute(
        insert(Invitation),
        [{"id": n, "family_id": n, "school_id": school[n], "draw_id": school[n], **invitation} for n in numbers],
    )
    yes = {"answer": "yes", "how": "text", "language": "en", "at": LONG_AGO}
    session.execute(
        insert(ConsentEntry),
        [{"id": n, "family_id": n, "invitation_id": n, "caregiver_id": n, **yes} for n in numbers],
    )


def _past_visits(visits: int) -> Iterator[PastVisit]:
    """Yield the teacher's recent visits, then older visits, of which every fortieth is the teacher's."""
    number = itertools.count(1)
    turns: dict[int, int] = {}

    def make_visit(family: int, lead: int, partner: int, starts_at: datetime) -> PastVisit:
        turns[family] = turns.get(family, 0) + 1
        return PastVisit(next(number), family, lead, partner, starts_at, turns[family])

    for index in range(visits):
        # Each pair has a visit a day, going back from 100 days ago, so that visits do not overlap.
        day, pair = divmod(index, EDUCATORS // 2)
        starts_at = NOW - timedelta(days=100 + day, minutes=(pair % 3) * 90)
        lead = 1 + 2 * pair
        is_teachers = lead == TEACHER
        family = 1 + (day % (CLASS - 5)) if is_teachers else CLASS + 1 + (index % (FAMILIES - CLASS))
        yield make_visit(family, lead, lead + 1, starts_at)
    for index in range(RECENT):
        family = 1 + index % (CLASS - 5)
        yield make_visit(family, TEACHER, PARTNER, NOW - timedelta(days=2 + index, minutes=60))


def _complete(session: Session, visits: list[PastVisit]) -> None:
    """Insert visits and move them to completed, in statements for all of them; the triggers check each."""
    held = (Visit.kind == "first", Visit.state == "completed", Visit.family_id.in_([v.family_id for v in visits]))
    firsts = dict(session.execute(select(Visit.family_id, Visit.id).where(*held)).tuples().all())
    session.execute(insert(Visit), [_visit_row(v, firsts.get(v.family_id)) for v in visits])
    session.execute(insert(Commitment), [_commitment_row(v, position) for v in visits for position in (0, 1)])
    session.execute(insert(VisitMember), [_member_row(v, position) for v in visits for position in (0, 1)])
    ids = [{"number": v.id, "attestation": v.id * 2} for v in visits]
    connection = session.connection()
    number = Visit.__table__.c.id == bindparam("number")
    for state in ("scheduled", "confirmed"):
        connection.execute(update(Visit.__table__).where(number).values(state=state), ids)
    session.execute(insert(Attestation), [_attestation_row(v, 0, None) for v in visits])
    session.execute(insert(Attestation), [_attestation_row(v, 1, v.id * 2) for v in visits])
    done = {"state": "completed", "attestation_id": bindparam("attestation"), "closed_at": NOW - timedelta(days=1)}
    connection.execute(update(Visit.__table__).where(number).values(**done), ids)


def _visit_row(visit: PastVisit, first: int | None) -> dict[str, Any]:
    day: date = visit.starts_at.date()
    return {
        "id": visit.id, "uid": f"past-{visit.id}", "family_id": visit.family_id, "school_id": 1,
        "kind": "second" if first else "first", "state": "proposed", "invitation_id": visit.family_id,
        "consent_id": visit.family_id, "first_visit_id": first, "lead_id": visit.lead_id,
        "partner_id": visit.partner_id, "min_trained": 2, "policy": "default", "local_date": day,
        "local_start": f"{visit.starts_at:%H:%M}", "timezone": ZONE, "starts_at": visit.starts_at,
        "ends_at": visit.starts_at + timedelta(minutes=45), "place_type": "home",
        "booked_at": visit.starts_at - timedelta(days=5), "updated_at": visit.starts_at,
    }  # fmt: skip


def _educator_id(visit: PastVisit, position: int) -> int:
    return (visit.lead_id, visit.partner_id)[position]


def _commitment_row(visit: PastVisit, position: int) -> dict[str, Any]:
    return {
        "id": visit.id * 2 + position, "person_id": _educator_id(visit, position), "starts_at": visit.starts_at,
        "ends_at": visit.starts_at + timedelta(minutes=75), "active": True, "subject": f"visit:{visit.id}",
    }  # fmt: skip


def _member_row(visit: PastVisit, position: int) -> dict[str, Any]:
    person = _educator_id(visit, position)
    return {
        "visit_id": visit.id, "educator_id": person, "role": ("lead", "partner")[position], "state": "coming",
        "opt_in_id": person, "certification_id": person, "commitment_id": visit.id * 2 + position,
        "asked_at": visit.starts_at - timedelta(days=5),
    }  # fmt: skip


def _attestation_row(visit: PastVisit, position: int, agrees_with: int | None) -> dict[str, Any]:
    return {
        "id": visit.id * 2 + position, "visit_id": visit.id, "educator_id": _educator_id(visit, position),
        "outcome": "met", "both_went": True, "started_at": visit.starts_at,
        "ended_at": visit.starts_at + timedelta(minutes=45), "place_type": "home", "kind": "first",
        "agrees_with_id": agrees_with, "at": visit.starts_at + timedelta(hours=1),
    }  # fmt: skip
