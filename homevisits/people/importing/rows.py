"""Parsed rows of a roster, each with its source row. Pure."""

from dataclasses import dataclass
from datetime import date

from homevisits.people.importing.csv_reader import Finding, Row

PURE = True


@dataclass(frozen=True)
class Org:
    """A school or another organization of the district."""

    id: str
    name: str
    kind: str
    number: str
    row: Row


@dataclass(frozen=True)
class User:
    """A student, caregiver or employee. The password column is never read."""

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
    """A class or homeroom of a school."""

    id: str
    title: str
    kind: str
    grade: str
    school: str
    row: Row


@dataclass(frozen=True)
class Enrollment:
    """Enrollment of a student or employee in a class."""

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
    """A complete export with valid references. `links` are (student, caregiver) pairs."""

    orgs: tuple[Org, ...]
    users: tuple[User, ...]
    classes: tuple[Class, ...]
    enrollments: tuple[Enrollment, ...]
    links: tuple[tuple[str, str], ...]
    schools: frozenset[str]
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
