"""Plan the rows of the people tables from a roster. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from homevisits.people import phones
from homevisits.people.importing.csv_reader import Finding
from homevisits.people.importing.households import Household, find_households
from homevisits.people.importing.oneroster import CAREGIVER_ROLES, STAFF_ROLES
from homevisits.people.importing.rows import Roster, User

PURE = True

EMPLOYEE_GROUPS = {
    "teacher": "licensed",
    "aide": "classified",
    "proctor": "classified",
    "administrator": "administrator",
}
Values = dict[str, Any]


@dataclass(frozen=True)
class ImportPlan:
    """Planned rows by source id. Rows refer to each other by source id (`school`, `class_id`, `family`)."""

    district: tuple[str, str] | None
    schools: Mapping[str, Values]
    educators: Mapping[str, Values]
    students: Mapping[str, Values]
    caregivers: Mapping[str, Values]
    households: tuple[Household, ...]
    family_names: Mapping[str, str]
    classes: Mapping[str, Values]
    enrolled: frozenset[tuple[str, str]]
    teaching: frozenset[tuple[str, str]]
    entries: int  # number of enrollments, including ended enrollments
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


def build_plan(roster: Roster, today: date) -> ImportPlan:
    """Plan all rows of `roster`, which must have no errors. Enrollments that ended before `today` are ignored."""
    errors: list[Finding] = []
    warnings: list[Finding] = []
    school_of = _find_schools_of_users(roster)
    districts = [org for org in roster.orgs if org.kind == "district"]
    errors.extend(org.row.finding("type", "second_district") for org in districts[1:])
    students = _plan_students(roster, school_of, errors)
    links = [(student, caregiver) for student, caregiver in roster.links if student in students]
    households = find_households(students, links)
    entries = [entry for entry in roster.enrollments if entry.ends is None or entry.ends >= today]
    educators = _plan_educators(roster, school_of, warnings)
    return ImportPlan(
        district=(districts[0].id, districts[0].name) if districts else None,
        schools={o.id: {"name": o.name, "identifier": o.number or None} for o in roster.orgs if o.id in roster.schools},
        educators=educators,
        students=students,
        caregivers=_plan_caregivers(roster, households, warnings),
        households=households,
        family_names={home.key: _family_name(home, students) for home in households},
        classes={found.id: {"school": found.school, "title": found.title} for found in roster.classes},
        enrolled=frozenset((e.class_id, e.user) for e in entries if e.user in students),
        teaching=frozenset((e.class_id, e.user) for e in entries if e.user in educators),
        entries=len(roster.enrollments),
        errors=tuple(errors),
        warnings=tuple(warnings),
    )


def _find_schools_of_users(roster: Roster) -> dict[str, str]:
    """Return the school of each user: the first school of its organizations, or that of its first class."""
    found = {user.id: org for user in roster.users for org in reversed(user.orgs) if org in roster.schools}
    class_school = {entry.id: entry.school for entry in roster.classes}
    for entry in roster.enrollments:
        found.setdefault(entry.user, class_school[entry.class_id])
    return found


def _plan_students(roster: Roster, school_of: Mapping[str, str], errors: list[Finding]) -> dict[str, Values]:
    begins: dict[str, list[date]] = {}
    ends: dict[str, list[date | None]] = {}
    for entry in roster.enrollments:
        ends.setdefault(entry.user, []).append(entry.ends)
        if entry.begins:
            begins.setdefault(entry.user, []).append(entry.begins)
    students: dict[str, Values] = {}
    for user in roster.users:
        if user.role != "student":
            continue
        if user.id not in school_of:
            errors.append(user.row.finding("orgSourcedIds", "student_without_school"))
            continue
        students[user.id] = {
            "school": school_of[user.id],
            "identifier": user.number or None,
            "given_name": user.given,
            "family_name": user.family,
            "grade": user.grade,
            "enrolled_from": min(begins[user.id]) if user.id in begins else None,
            "enrolled_to": _last_day(ends.get(user.id, [])),
        }
    return students


def _last_day(ends: list[date | None]) -> date | None:
    """Return the student's last day in any class, or None if a class has no end or there is no class."""
    known = [day for day in ends if day is not None]
    return max(known) if known and len(known) == len(ends) else None


def _plan_educators(roster: Roster, school_of: Mapping[str, str], warnings: list[Finding]) -> dict[str, Values]:
    staff = [user for user in roster.users if user.role in STAFF_ROLES]
    emails = Counter(user.email for user in staff)
    numbers = Counter(user.payroll or user.number for user in staff)
    educators: dict[str, Values] = {}
    for user in staff:
        if user.id not in school_of:
            warnings.append(user.row.finding("orgSourcedIds", "educator_without_school"))
            continue
        number = user.payroll or user.number
        if user.email and emails[user.email] > 1:
            warnings.append(user.row.finding("email", "email_shared", found=user.email))
        if number and numbers[number] > 1:
            warnings.append(user.row.finding("identifier", "payroll_shared", found=number))
        educators[user.id] = {
            "school": school_of[user.id],
            "given_name": user.given,
            "family_name": user.family,
            "email": user.email if user.email and emails[user.email] == 1 else None,
            "payroll_id": number if number and numbers[number] == 1 else None,
            "employee_group": EMPLOYEE_GROUPS[user.role],
        }
    return educators


def _plan_caregivers(roster: Roster, households: Iterable[Household], warnings: list[Finding]) -> dict[str, Values]:
    users = {user.id: user for user in roster.users}
    caregivers: dict[str, Values] = {}
    for home in households:
        if not home.caregivers:
            warnings.extend(users[student].row.finding("agentSourcedIds", "no_caregiver") for student in home.students)
        for place, key in enumerate(_order_caregivers(home, users), start=1):
            user = users[key]
            caregivers[key] = {
                "family": home.key,
                "given_name": user.given,
                "family_name": user.family,
                "relation": user.role,
                "phone": _choose_phone(user, warnings),
                "email": user.email or None,
                "contact_order": place,
            }
    alone = (user for user in roster.users if user.role in CAREGIVER_ROLES and user.id not in caregivers)
    warnings.extend(user.row.finding("agentSourcedIds", "caregiver_of_nobody") for user in alone)
    return caregivers


def _order_caregivers(home: Household, users: Mapping[str, User]) -> list[str]:
    """Order caregivers as in the students' rows; append those that only their own rows name, by id."""
    listed = (agent for student in home.students for agent in users[student].agents)
    return list(dict.fromkeys([*(agent for agent in listed if agent in home.caregivers), *home.caregivers]))


def _choose_phone(user: User, warnings: list[Finding]) -> str | None:
    """Return the first valid number of mobile and other phone."""
    valid: list[str] = []
    for column, typed in user.phones:
        number = phones.to_e164(typed)
        if number:
            valid.append(number)
        else:
            warnings.append(user.row.finding(column, "phone_unreadable"))
    return valid[0] if valid else None


def _family_name(home: Household, students: Mapping[str, Values]) -> str:
    """Join the distinct family names of the children: "Rivera", "Miller-White"."""
    return "-".join(dict.fromkeys(_names(home, students)))


def _names(home: Household, students: Mapping[str, Values]) -> Iterator[str]:
    for student in home.students:
        yield str(students[student]["family_name"])
