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
SCHOOL_YEAR_START = date(2026, 8, 24)
EMAIL_DOMAIN = "example.org"
COORDINATOR, UNION, LEAD = (f"{who}@{EMAIL_DOMAIN}" for who in ("coordinator", "union", "lead"))


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
class StoryFamily:
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
    families: dict[int, StoryFamily]


def run_command(
    application: RunningApplication, *arguments: str, stdin: str = "", fails: bool = False
) -> dict[str, Any]:
    """Run `homevisits …` and return its JSON."""
    environment = {
        "HOMEVISITS_DATABASE_URL": application.settings.database_url,
        "HOMEVISITS_SECRET_KEY": application.settings.secret_key,
        "HOMEVISITS_PUBLIC_URL": application.settings.public_url,
    }
    result = CliRunner().invoke(main, [*arguments, "--json"], env=environment, input=stdin, catch_exceptions=False)
    assert (result.exit_code != 0) == fails, result.output
    output: dict[str, Any] = json.loads(result.stdout)
    return output


def export_files(folder: Path) -> sample.District:
    """Write the district's files as its student information system would."""
    district = sample.make(SEED, STUDENTS)
    files.write(district, folder, SCHOOL_YEAR_START)
    return district


def export_attendance(district: sample.District, folder: Path, today: date) -> None:
    """Write the district's attendance until yesterday."""
    files.write_attendance(district, absences.make(district, SCHOOL_YEAR_START, today), folder, SCHOOL_YEAR_START)


def import_district(application: RunningApplication, folder: Path) -> StoryPeople:
    """Import the roster and the supplement, and make the accounts."""
    result = run_command(application, "import", "oneroster", str(folder / "oneroster"))
    assert result["counts"]["schools"] == len(names.SCHOOLS)
    assert result["counts"]["students"] == STUDENTS
    assert not result["errors"]
    run_command(application, "import", "supplement", str(folder / "supplement"))
    with application.database.reading() as session:
        people = _read_people(session)
    for colleague in (people.teacher, people.partner, people.stand_in):
        grant_options = ["--school", people.school_source, "--educator", colleague.source_id]
        _create_account(application, colleague.email, colleague.name, "educator", *grant_options)
    _create_account(application, COORDINATOR, "Marisol Treviño", "site_coordinator", "--school", people.school_source)
    _create_account(application, UNION, "Lorraine Okafor", "union_coordinator")
    _create_account(application, LEAD, "Daniel Reyes-Hart", "district_lead")
    return people


def _create_account(application: RunningApplication, email: str, name: str, role: str, *options: str) -> None:
    arguments = ["user", "add", email, "--name", name, "--role", role, *options, "--password-stdin"]
    run_command(application, *arguments, stdin=PASSWORD + "\n")


def _read_people(session: Session) -> StoryPeople:
    """Return the elementary class with the most families, its teacher and two colleagues of the school."""
    school_class, school = session.execute(
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
        .order_by((Teaching.class_id == school_class.id).desc().nulls_last(), Educator.source_id)
    ).all()
    teacher, partner, stand_in = (
        Colleague(
            person.id, person.source_id, f"{person.given_name} {person.family_name}", person.given_name,
            person.payroll_id or "", f"{email_name}@{EMAIL_DOMAIN}",
        )
        for person, email_name in zip(staff[:3], ("teacher", "partner", "stand-in"), strict=True)
    )  # fmt: skip
    families = _read_families(session, school_class.id)
    return StoryPeople(
        school.name,
        school.source_id,
        school_class.id,
        school_class.source_id,
        school_class.title,
        teacher,
        partner,
        stand_in,
        families,
    )


def _read_families(session: Session, class_id: int) -> dict[int, StoryFamily]:
    query = (
        select(Family)
        .join(Student, Student.family_id == Family.id)
        .join(Enrollment, Enrollment.student_id == Student.id)
        .where(Enrollment.class_id == class_id)
        .distinct()
        .order_by(Family.id)
    )
    return {
        family.id: StoryFamily(family.id, family.name, family.language, _find_phone(session, family.id), family.address)
        for family in session.scalars(query)
    }


def _find_phone(session: Session, family_id: int) -> str | None:
    return session.scalar(
        select(Caregiver.phone)
        .where(Caregiver.family_id == family_id, Caregiver.phone.is_not(None))
        .order_by(Caregiver.contact_order, Caregiver.id)
        .limit(1)
    )
