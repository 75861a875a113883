"""`school_fixture`: one small school with few people and few free hours, so that bookings often conflict.

The school is in Denver. Four educators are certified and have opted in (Grace teaches the only class), the certificate
of "Soon" expires soon, and "Out" has not opted in. Four families have been drawn and invited, three of them have
answered yes. The school has a coordinator.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from homevisits.availability.models import WeeklyHours
from homevisits.core import local_time
from homevisits.core.access import Actor, Grant, Role
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
from homevisits.policies.rules import Policy

ZONE = "America/Denver"
NOW = datetime(2026, 10, 5, 15, 0, tzinfo=UTC)  # Monday, 9 a.m. in Denver
POLICY = Policy(
    name="test",
    minimum_notice_hours=24,
    visit_minutes=45,
    travel_minutes=30,
    min_trained=2,
    certification_months=36,
    place_types=("home", "neutral", "video"),
    reminder_hours=(24, 2),
    booking_days_ahead=42,
    address_from_hours=48,
    address_until_hours=3,
    latest_log_days=30,
    text_from="09:00",
    text_until="20:00",
    text_sunday_from="12:00",
    text_sunday_until="20:00",
    texts_per_day=3,
    texts_per_week=8,
    texts_off=(),
    text_wording="plain",
    text_keep_days=400,
)
EDUCATORS = ("Grace", "Luis", "Amina", "Hoa", "Soon", "Out")
FAMILIES = ("Rivera", "Smith", "Nguyen", "Quiet")


@dataclass
class SchoolFixture:
    """Ids of the school's rows by name, and the signed-in users (actors) by name."""

    database: Database
    school_id: int
    educators: dict[str, int]
    families: dict[str, int]
    phones: dict[str, str]
    invitations: dict[str, int]
    caregivers: dict[str, int]
    draw_id: int
    training_id: int
    actors: dict[str, Actor]
    now: datetime = NOW
    policy: Policy = POLICY

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a writing session that commits at the end of the block."""
        with self.database.transaction() as session:
            yield session

    def time_at(self, day: int, hour: int, minute: int = 0, month: int = 10) -> datetime:
        """Return a local time of 2026 in the school's time zone as UTC."""
        instant = local_time.to_utc(date(2026, month, day), datetime(2026, 1, 1, hour, minute).time(), ZONE)
        assert instant is not None
        return instant

    def record_consent(self, session: Session, family: str, answer: str, how: str = "text") -> ConsentEntry:
        """Add a family's answer to the consent ledger."""
        entry = ConsentEntry(
            family_id=self.families[family],
            invitation_id=self.invitations[family],
            caregiver_id=self.caregivers[family],
            answer=answer,
            how=how,
            language="en",
            at=self.now,
            recorded_by=None if how == "text" else self.actors["coordinator"].account_id,
        )
        session.add(entry)
        session.flush()
        return entry

    def record_opt_in(self, session: Session, educator: str, answer: str) -> OptIn:
        """Add an educator's answer to the opt-in ledger."""
        entry = OptIn(educator_id=self.educators[educator], answer=answer, at=self.now)
        session.add(entry)
        session.flush()
        return entry


@pytest.fixture
def school_fixture(database: Database) -> SchoolFixture:
    """A small school, on each database engine in turn."""
    return build_school(database)


def build_school(database: Database) -> SchoolFixture:
    """Fill an empty database with the small school."""
    with database.transaction() as session:
        session.add(District(source_id="d", name="Test District", timezone=ZONE))
        school = School(source_id="s1", name="Lincoln Elementary", timezone=ZONE)
        session.add(school)
        session.flush()
        educators = {name: _add_educator(session, name, school.id) for name in EDUCATORS}
        training_id = _add_certifications(session, educators)
        for name, educator_id in educators.items():
            _add_weekly_hours(session, educator_id)
            if name != "Out":
                session.add(OptIn(educator_id=educator_id, answer="in", at=NOW - timedelta(days=30)))
        actors = {name: _add_account(session, name, educator_id, school.id) for name, educator_id in educators.items()}
        actors["coordinator"] = _add_account(session, "coordinator", None, school.id, Role.SITE_COORDINATOR)
        draw_id, families, phones, caregivers, invitations = _add_families(session, school.id, educators["Grace"])
    built = SchoolFixture(
        database=database,
        school_id=school.id,
        educators=educators,
        families=families,
        phones=phones,
        invitations=invitations,
        caregivers=caregivers,
        draw_id=draw_id,
        training_id=training_id,
        actors=actors,
    )
    with built.session() as session:
        for family in ("Rivera", "Smith", "Nguyen"):
            built.record_consent(session, family, "yes")
    return built


def _add_educator(session: Session, name: str, school_id: int) -> int:
    row = Educator(
        given_name=name,
        family_name="Test",
        email=f"{name.lower()}@example.org",
        languages="en es" if name == "Luis" else "en",
        source_id=f"e-{name}",
        payroll_id=f"P{name}",
        school_id=school_id,
        employee_group="licensed",
    )
    session.add(row)
    session.flush()
    return row.id


def _add_certifications(session: Session, educators: dict[str, int]) -> int:
    parent = Person(given_name="Pat", family_name="Parent")
    session.add(parent)
    session.flush()
    training = TrainingSession(
        title="Basics",
        held_on=date(2026, 8, 1),
        minutes=240,
        educator_trainer_id=educators["Grace"],
        parent_trainer_id=parent.id,
        recorded_at=NOW - timedelta(days=60),
    )
    session.add(training)
    session.flush()
    for name, educator_id in educators.items():
        until = date(2026, 10, 9) if name == "Soon" else date(2027, 8, 1)
        session.add(
            Certification(
                educator_id=educator_id, training_session_id=training.id, valid_from=date(2026, 8, 1), valid_until=until
            )
        )
    session.flush()
    return training.id


def _add_weekly_hours(session: Session, educator_id: int) -> None:
    for weekday in range(5):
        session.add(WeeklyHours(educator_id=educator_id, weekday=weekday, starts="16:00", ends="19:00"))


def _add_account(
    session: Session, name: str, educator_id: int | None, school_id: int, role: Role = Role.EDUCATOR
) -> Actor:
    row = Account(email=f"{name.lower()}@example.org", name=name, educator_id=educator_id)
    session.add(row)
    session.flush()
    session.add(AccountGrant(account_id=row.id, role=role, school_id=school_id))
    session.flush()
    return Actor(row.id, educator_id, name, "en", frozenset({Grant(role, school_id)}))


def _add_families(
    session: Session, school_id: int, teacher_id: int
) -> tuple[int, dict[str, int], dict[str, str], dict[str, int], dict[str, int]]:
    school_class = SchoolClass(source_id="c1", school_id=school_id, title="3A")
    draw = Draw(
        school_id=school_id,
        scope="school",
        scope_value="",
        method="everyone",
        seed="seed",
        sample_size=len(FAMILIES),
        roster_sha256="0",
        selected_sha256="0",
        allocation="{}",
        drawn_at=NOW - timedelta(days=3),
    )
    session.add_all([school_class, draw])
    session.flush()
    session.add(Teaching(class_id=school_class.id, educator_id=teacher_id))
    families, phones, caregivers, invitations = {}, {}, {}, {}
    for number, name in enumerate(FAMILIES, start=1):
        family = Family(
            key=f"f-{name}",
            name=name,
            language="es" if name == "Rivera" else "en",
            address=f"{number} Main Street",
        )
        session.add(family)
        session.flush()
        phone = f"+1555555010{number}"
        caregiver = Caregiver(
            source_id=f"g-{name}",
            family_id=family.id,
            given_name="Ana",
            family_name=name,
            relation="mother",
            phone=phone,
        )
        student = Student(
            source_id=f"st-{name}",
            family_id=family.id,
            school_id=school_id,
            given_name="Kid",
            family_name=name,
            grade="3",
        )
        session.add_all([caregiver, student])
        session.flush()
        session.add(Enrollment(class_id=school_class.id, student_id=student.id))
        session.add(
            DrawEntry(
                draw_id=draw.id,
                family_id=family.id,
                household_key=f"f-{name}",
                students="[]",
                stratum="",
                sha256=f"{number:064d}",
                position=number,
            )
        )
        session.flush()
        invitation = Invitation(
            family_id=family.id,
            school_id=school_id,
            draw_id=draw.id,
            asked_at=NOW - timedelta(days=2),
            how="text",
            language=family.language,
        )
        session.add(invitation)
        session.flush()
        families[name], phones[name] = family.id, phone
        caregivers[name], invitations[name] = caregiver.id, invitation.id
    return draw.id, families, phones, caregivers, invitations
