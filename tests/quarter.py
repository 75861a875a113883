"""A quarter to ask in: one school, twenty families in two grades, some with siblings, and two coordinators."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Grant, Role
from homevisits.core.db import Database
from homevisits.draws import actions as draws
from homevisits.draws.rules import Method
from homevisits.people.models import (
    Account,
    AccountGrant,
    Caregiver,
    District,
    Enrollment,
    Family,
    School,
    SchoolClass,
    Student,
)

NOW = datetime(2026, 10, 5, 15, 0, tzinfo=UTC)
ZONE = "America/Denver"


@dataclass(frozen=True)
class Quarter:
    """The quarter's ids, and who may ask there (and a coordinator of another school, who may not)."""

    database: Database
    school_id: int
    class_id: int
    coordinator: Actor
    stranger: Actor

    def draw(self, method: Method = Method.STRATIFIED, wanted: int | None = 6, **more: str) -> int:
        """A draw for the whole school; its id."""
        command = draws.Wanted(
            school_id=self.school_id,
            scope=more.pop("scope", "school"),
            scope_value=more.pop("scope_value", ""),
            method=method,
            wanted=wanted,
            seed=more.pop("seed", "2026 ñ"),
            **more,
        )
        with self.database.transaction() as session:
            return draws.draw(session, self.coordinator, command, NOW).id


def phone_of(number: int) -> str:
    """The phone of family `number`."""
    return f"+155555501{number:02}"


@pytest.fixture
def quarter(database: Database) -> Quarter:
    """The quarter, on each engine in turn."""
    with database.transaction() as session:
        session.add(District(source_id="d", name="District", timezone=ZONE))
        here = School(source_id="org_1", name="Lincoln Elementary", timezone=ZONE)
        there = School(source_id="org_2", name="Sunset High", timezone=ZONE)
        session.add_all([here, there])
        session.flush()
        room = SchoolClass(source_id="c1", school_id=here.id, title="3A")
        session.add(room)
        session.flush()
        for number in range(20):
            _family(session, number, here.id, there.id, room.id)
        return Quarter(
            database, here.id, room.id, _coordinator(session, "here", here.id), _coordinator(session, "there", there.id)
        )


def _coordinator(session: Session, name: str, school_id: int) -> Actor:
    row = Account(email=f"{name}@example.org", name=name)
    session.add(row)
    session.flush()
    session.add(AccountGrant(account_id=row.id, role=Role.SITE_COORDINATOR, school_id=school_id))
    return Actor(row.id, None, name, "en", frozenset({Grant(Role.SITE_COORDINATOR, school_id)}))


def _family(session: Session, number: int, here: int, there: int, room: int) -> None:
    """Families 0–9 have a child in grade 03 (and in the class), 10–19 in 04; every fifth has another elsewhere.

    Family 3 reads Haitian Creole, in which there is no text; family 4 has no phone; the rest read English or Spanish.
    """
    language = "ht" if number == 3 else "es" if number % 2 else "en"
    family = Family(key=f"F{number:02}", name=f"Family {number:02}", language=language)
    session.add(family)
    session.flush()
    session.add(
        Caregiver(
            source_id=f"g{number}",
            family_id=family.id,
            given_name="Ana",
            family_name=f"Family {number:02}",
            relation="mother",
            phone=None if number == 4 else phone_of(number),
        )
    )
    child = Student(
        source_id=f"s{number}",
        identifier=f"10{number:02}",
        family_id=family.id,
        school_id=here,
        given_name="Kid",
        family_name=f"Family {number:02}",
        grade="03" if number < 10 else "04",
    )
    session.add(child)
    session.flush()
    if number < 10:
        session.add(Enrollment(class_id=room, student_id=child.id))
    if number % 5 == 0:
        session.add(
            Student(
                source_id=f"s{number}b",
                identifier=f"11{number:02}",
                family_id=family.id,
                school_id=there,
                given_name="Sib",
                family_name=f"Family {number:02}",
                grade="09",
            )
        )
