"""The district of the end-to-end test: generated, then imported with the command line."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from homevisits.cli.main import main
from homevisits.demo.sample import absences, files, names
from homevisits.demo.sample import district as sample
from homevisits.people.models import (
    Caregiver,
    Educator,
    Enrollment,
    Family,
    School,
    SchoolClass,
    Student,
    Teaching,
)
from tests.browser.application import RunningApplication
from tests.browser.browser_user import PASSWORD

SEED = "from start to end"
STUDENTS = 400
BEGINS = date(2026, 8, 24)
MAIL = "example.org"
COORDINATOR, UNION, LEAD = (f"{who}@{MAIL}" for who in ("coordinator", "union", "lead"))


@dataclass(frozen=True)
class Colleague:
    """An educator of the school who visits."""

    id: int
    source_id: str
    name: str
    first_name: str
    payroll_id: str
    email: str


@dataclass(frozen=True)
class Home:
    """A family of the class, with its phone."""

    id: int
    name: str
    language: str
    phone: str | None
    address: str | None

    @property
    def number(self) -> str:
        """The family's phone; fails if there is none."""
        assert self.phone is not None
        return self.phone

    @property
    def is_texted(self) -> bool:
        """Whether the family gets texts: it has a phone and a language with templates."""
        return self.phone is not None and self.language in ("en", "es")


@dataclass(frozen=True)
class StoryPeople:
    """A class, its teacher, a partner, a substitute partner, and the families of the class."""

    school: str
    school_source: str
    class_id: int
    class_source: str
    class_title: str
    teacher: Colleague
    partner: Colleague
    stand_in: Colleague
    homes: dict[int, Home]


def run_command(house: RunningApplication, *words: str, typed: str = "", fails: bool = False) -> dict[str, Any]:
    """Run `homevisits …` and return its JSON."""
    environment = {
        "HOMEVISITS_DATABASE_URL": house.settings.database_url,
        "HOMEVISITS_SECRET_KEY": house.settings.secret_key,
        "HOMEVISITS_PUBLIC_URL": house.settings.public_url,
    }
    result = CliRunner().invoke(main, [*words, "--json"], env=environment, input=typed, catch_exceptions=False)
    assert (result.exit_code != 0) == fails, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def export_files(folder: Path) -> sample.District:
    """Write the district's files as its student information system would."""
    district = sample.make(SEED, STUDENTS)
    files.write(district, folder, BEGINS)
    return district


def export_attendance(district: sample.District, folder: Path, today: date) -> None:
    """Write the district's attendance until yesterday."""
    files.write_attendance(district, absences.make(district, BEGINS, today), folder, BEGINS)


def import_district(house: RunningApplication, folder: Path) -> StoryPeople:
    """Import the roster and the supplement, and make the accounts."""
    made = run_command(house, "import", "oneroster", str(folder / "oneroster"))
    assert made["counts"]["schools"] == len(names.SCHOOLS)
    assert made["counts"]["students"] == STUDENTS
    assert not made["errors"]
    run_command(house, "import", "supplement", str(folder / "supplement"))
    with house.database.reading() as session:
        cast = _read_people(session)
    for colleague in (cast.teacher, cast.partner, cast.stand_in):
        place = ["--school", cast.school_source, "--educator", colleague.source_id]
        _create_account(house, colleague.email, colleague.name, "educator", *place)
    _create_account(house, COORDINATOR, "Marisol Treviño", "site_coordinator", "--school", cast.school_source)
    _create_account(house, UNION, "Lorraine Okafor", "union_coordinator")
    _create_account(house, LEAD, "Daniel Reyes-Hart", "district_lead")
    return cast


def _create_account(house: RunningApplication, email: str, name: str, role: str, *more: str) -> None:
    words = ["user", "add", email, "--name", name, "--role", role, *more, "--password-stdin"]
    run_command(house, *words, typed=PASSWORD + "\n")


def _read_people(session: Session) -> StoryPeople:
    """Return the elementary class with the most families, its teacher and two colleagues of the school."""
    room, school = session.execute(
        select(SchoolClass, School)
        .join(School, School.id == SchoolClass.school_id)
        .join(Enrollment, Enrollment.class_id == SchoolClass.id)
        .where(School.source_id.in_([names.SCHOOLS[0][0], names.SCHOOLS[1][0]]))
        .group_by(SchoolClass.id, School.id)
        .order_by(func.count().desc(), SchoolClass.source_id)
        .limit(1)
    ).one()
    staff = session.scalars(
        select(Educator)
        .outerjoin(Teaching, Teaching.educator_id == Educator.id)
        .where(Educator.school_id == school.id, Educator.employee_group == "licensed")
        .order_by((Teaching.class_id == room.id).desc().nulls_last(), Educator.source_id)
    ).all()
    teacher, partner, stand_in = (
        Colleague(
            one.id, one.source_id, f"{one.given_name} {one.family_name}", one.given_name, one.payroll_id or "",
            f"{part}@{MAIL}",
        )
        for one, part in zip(staff[:3], ("teacher", "partner", "stand-in"), strict=True)
    )  # fmt: skip
    homes = _read_homes(session, room.id)
    return StoryPeople(
        school.name, school.source_id, room.id, room.source_id, room.title, teacher, partner, stand_in, homes
    )


def _read_homes(session: Session, class_id: int) -> dict[int, Home]:
    families = (
        select(Family)
        .join(Student, Student.family_id == Family.id)
        .join(Enrollment, Enrollment.student_id == Student.id)
        .where(Enrollment.class_id == class_id)
        .distinct()
        .order_by(Family.id)
    )
    return {
        one.id: Home(one.id, one.name, one.language, _find_phone(session, one.id), one.address)
        for one in session.scalars(families)
    }


def _find_phone(session: Session, family_id: int) -> str | None:
    return session.scalar(
        select(Caregiver.phone)
        .where(Caregiver.family_id == family_id, Caregiver.phone.is_not(None))
        .order_by(Caregiver.contact_order, Caregiver.id)
        .limit(1)
    )
