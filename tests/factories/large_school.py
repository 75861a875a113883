"""`large_school`: a school with twenty families in two grades, for draws, invitations and replies."""

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
class LargeSchool:
    """Ids of the school's rows, its coordinator, and a coordinator of another school who has no access to it."""

    database: Database
    school_id: int
    class_id: int
    coordinator: Actor
    other_coordinator: Actor

    def create_draw(self, method: Method = Method.STRATIFIED, sample_size: int | None = 6, **more: str) -> int:
        """Draw families of the whole school, or of `scope`, and return the draw's id."""
        command = draws.DrawRequest(
            school_id=self.school_id,
            scope=more.pop("scope", "school"),
            scope_value=more.pop("scope_value", ""),
            method=method,
            sample_size=sample_size,
            seed=more.pop("seed", "2026 ñ"),
            **more,
        )
        with self.database.transaction() as session:
            return draws.draw_families(session, self.coordinator, command, NOW).id


def family_phone(number: int) -> str:
    """Return the phone number of family `number`."""
    return f"+155555501{number:02}"


@pytest.fixture
def large_school(database: Database) -> LargeSchool:
    """A school with twenty families, on each database engine in turn."""
    with database.transaction() as session:
        session.add(District(source_id="d", name="District", timezone=ZONE))
        school = School(source_id="org_1", name="Lincoln Elementary", timezone=ZONE)
        other_school = School(source_id="org_2", name="Sunset High", timezone=ZONE)
        session.add_all([school, other_school])
        session.flush()
        school_class = SchoolClass(source_id="c1", school_id=school.id, title="3A")
        session.add(school_class)
        session.flush()
        for number in range(20):
            _add_family(session, number, school.id, other_school.id, school_class.id)
        return LargeSchool(
            database,
            school.id,
            school_class.id,
            _add_coordinator(session, "here", school.id),
            _add_coordinator(session, "there", other_school.id),
        )


def _add_coordinator(session: Session, name: str, school_id: int) -> Actor:
    row = Account(email=f"{name}@example.org", name=name)
    session.add(row)
    session.flush()
    session.add(AccountGrant(account_id=row.id, role=Role.SITE_COORDINATOR, school_id=school_id))
    return Actor(row.id, None, name, "en", frozenset({Grant(Role.SITE_COORDINATOR, school_id)}))


def _add_family(session: Session, number: int, school_id: int, other_school_id: int, class_id: int) -> None:
    """Add family `number` with a child in grade 03 and the class (0-9) or in grade 04 (10-19).

    Every fifth family has a second child at the other school. Family 3 reads Haitian Creole, a language without message
    texts; family 4 has no phone; the others read English or Spanish.
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
            phone=None if number == 4 else family_phone(number),
        )
    )
    child = Student(
        source_id=f"s{number}",
        identifier=f"10{number:02}",
        family_id=family.id,
        school_id=school_id,
        given_name="Kid",
        family_name=f"Family {number:02}",
        grade="03" if number < 10 else "04",
    )
    session.add(child)
    session.flush()
    if number < 10:
        session.add(Enrollment(class_id=class_id, student_id=child.id))
    if number % 5 == 0:
        session.add(
            Student(
                source_id=f"s{number}b",
                identifier=f"11{number:02}",
                family_id=family.id,
                school_id=other_school_id,
                given_name="Sib",
                family_name=f"Family {number:02}",
                grade="09",
            )
        )
