"""The rows of a roster as they were read: organisations, users, classes, enrolments, and where each stood. Pure."""

from dataclasses import dataclass
from datetime import date

from homevisits.people.importing.csv_reader import Finding, Row

PURE = True


@dataclass(frozen=True)
class Org:
    """A school, or another body of the district."""

    id: str
    name: str
    kind: str
    number: str
    row: Row


@dataclass(frozen=True)
class User:
    """A student, a caregiver or a member of staff. The file's password column is never read."""

    id: str
    role: str
    orgs: tuple[str, ...]
    given: str
    family: str
    number: str
    payroll: str
    email: str
    phones: tuple[tuple[str, str], ...]
    agents: tuple[str, ...]
    grade: str
    row: Row


@dataclass(frozen=True)
class Class:
    """A class or homeroom of one school."""

    id: str
    title: str
    kind: str
    grade: str
    school: str
    row: Row


@dataclass(frozen=True)
class Enrollment:
    """A student's or a member of staff's place in a class."""

    id: str
    class_id: str
    user: str
    role: str
    primary: bool
    begins: date | None
    ends: date | None
    row: Row


@dataclass(frozen=True)
class Roster:
    """A whole export, every reference in it resolved. ``links`` are (student, caregiver) pairs."""

    orgs: tuple[Org, ...]
    users: tuple[User, ...]
    classes: tuple[Class, ...]
    enrollments: tuple[Enrollment, ...]
    links: tuple[tuple[str, str], ...]
    schools: frozenset[str]
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
