"""Read OneRoster 1.1 CSV files into organizations, users, classes, enrollments and caregiver links. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from homevisits.people.importing.csv_reader import Finding, Row, Table, read_csv
from homevisits.people.importing.rows import Class, Enrollment, Org, Roster, User

PURE = True

REQUIRED_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "orgs.csv": ("sourcedId", "name", "type"),
    "users.csv": ("sourcedId", "orgSourcedIds", "role", "givenName", "familyName"),
    "classes.csv": ("sourcedId", "title", "schoolSourcedId"),
    "enrollments.csv": ("sourcedId", "classSourcedId", "schoolSourcedId", "userSourcedId", "role"),
}
MANIFEST = "manifest.csv"
FILE_NAMES = (MANIFEST, *REQUIRED_COLUMNS)

CAREGIVER_ROLES = frozenset({"parent", "guardian", "relative"})
STAFF_ROLES = frozenset({"teacher", "aide", "administrator", "proctor"})
ROLES = CAREGIVER_ROLES | STAFF_ROLES | {"student"}
GRADES = frozenset({"IT", "PR", "PK", "TK", "KG", "PS", "UG", "Other", *(f"{number:02}" for number in range(1, 14))})
_PAYROLL = re.compile(r"\{\s*payroll\s*:\s*([^}]+?)\s*\}", re.IGNORECASE)


def read_roster(files: Mapping[str, bytes]) -> Roster:
    """Read the export in `files` (bytes by file name). If it has errors, do not use its rows."""
    errors: list[Finding] = []
    warnings: list[Finding] = []
    _check_manifest(files, errors, warnings)
    tables: dict[str, tuple[Row, ...]] = {}
    for name, columns in REQUIRED_COLUMNS.items():
        if name not in files:
            errors.append(Finding(name, None, None, "file_missing"))
            tables[name] = ()
            continue
        table: Table = read_csv(name, files[name], columns)
        errors.extend(table.errors)
        tables[name] = tuple(_active_rows(table.rows, errors, warnings))
    orgs = tuple(_parse_orgs(tables["orgs.csv"], errors))
    users = tuple(_parse_users(tables["users.csv"], errors, warnings))
    classes = tuple(_parse_classes(tables["classes.csv"], errors))
    enrollments = tuple(_parse_enrollments(tables["enrollments.csv"], errors))
    if not errors:
        _check_references(orgs, users, classes, enrollments, errors)
        enrollments = tuple(_matching_enrollments(enrollments, users, warnings))
    links = tuple(sorted(set(_find_caregiver_links(users, warnings)))) if not errors else ()
    schools = frozenset({o.id for o in orgs if o.kind == "school"} | {c.school for c in classes})
    return Roster(
        orgs=orgs,
        users=users,
        classes=classes,
        enrollments=enrollments,
        links=links,
        schools=schools,
        errors=tuple(errors),
        warnings=tuple(warnings),
    )


def _check_manifest(files: Mapping[str, bytes], errors: list[Finding], warnings: list[Finding]) -> None:
    if MANIFEST not in files:
        warnings.append(Finding(MANIFEST, None, None, "manifest_missing"))
        return
    table = read_csv(MANIFEST, files[MANIFEST], ("propertyName", "value"))
    errors.extend(table.errors)
    for row in table.rows:
        name, value = row["propertyName"], row["value"]
        if name == "oneroster.version" and value != "1.1":
            errors.append(row.finding("value", "manifest_version", found=value))
        if not name.startswith("file."):
            continue
        file = name.removeprefix("file.") + ".csv"
        if value not in ("bulk", "delta", "absent"):
            errors.append(row.finding("value", "manifest_value", found=value))
        elif file in REQUIRED_COLUMNS and value == "delta":
            errors.append(row.finding("value", "manifest_delta", about=file))
        elif file in REQUIRED_COLUMNS and value == "bulk" and file not in files:
            errors.append(row.finding("value", "manifest_promises", about=file))


def _active_rows(rows: Iterable[Row], errors: list[Finding], warnings: list[Finding]) -> Iterator[Row]:
    """Yield rows with a unique id that are not marked as deleted."""
    seen: dict[str, int] = {}
    for row in rows:
        key, status = row["sourcedId"], row["status"].lower()
        if not key:
            errors.append(row.finding("sourcedId", "value_missing"))
        elif key in seen:
            errors.append(row.finding("sourcedId", "id_twice", id=key, first=seen[key]))
        elif status not in ("", "active", "tobedeleted", "inactive"):
            errors.append(row.finding("status", "value_unknown", found=row["status"]))
        elif status in ("tobedeleted", "inactive"):
            warnings.append(row.finding("status", "row_deleted"))
        else:
            yield row
        seen.setdefault(key, row.line)


def _has_values(row: Row, columns: Iterable[str], errors: list[Finding]) -> bool:
    empty = [column for column in columns if not row[column]]
    errors.extend(row.finding(column, "value_missing") for column in empty)
    return not empty


def _parse_orgs(rows: Iterable[Row], errors: list[Finding]) -> Iterator[Org]:
    for row in rows:
        if _has_values(row, ("name", "type"), errors):
            yield Org(row["sourcedId"], row["name"], row["type"].lower(), row["identifier"], row)


def _parse_users(rows: Iterable[Row], errors: list[Finding], warnings: list[Finding]) -> Iterator[User]:
    for row in rows:
        role, grades = row["role"].lower(), row.split_values("grades")
        if not _has_values(row, ("orgSourcedIds", "role", "givenName", "familyName"), errors):
            continue
        if role not in ROLES:
            errors.append(row.finding("role", "value_unknown", found=row["role"]))
            continue
        unknown_grades = [grade for grade in grades if grade not in GRADES]
        if role == "student" and unknown_grades:
            errors.append(row.finding("grades", "value_unknown", found=unknown_grades[0]))
            continue
        if role == "student" and not grades:
            warnings.append(row.finding("grades", "grade_missing"))
        if not _check_boolean(row, "enabledUser", errors):
            continue
        yield _build_user(row, role, grades[0] if grades else "")


def _build_user(row: Row, role: str, grade: str) -> User:
    payroll = _PAYROLL.search(row["userIds"])
    return User(
        id=row["sourcedId"],
        role=role,
        orgs=row.split_values("orgSourcedIds"),
        given=row["givenName"],
        family=row["familyName"],
        number=row["identifier"],
        payroll=payroll.group(1) if payroll else "",
        email=row["email"].lower(),
        phones=tuple((column, row[column]) for column in ("sms", "phone") if row[column]),
        agents=row.split_values("agentSourcedIds"),
        grade=grade,
        row=row,
    )


def _parse_classes(rows: Iterable[Row], errors: list[Finding]) -> Iterator[Class]:
    for row in rows:
        if _has_values(row, ("title", "schoolSourcedId"), errors):
            grades = row.split_values("grades")
            kind = "homeroom" if row["classType"].lower() == "homeroom" else "scheduled"
            yield Class(
                id=row["sourcedId"],
                title=row["title"],
                kind=kind,
                grade=grades[0] if grades else "",
                school=row["schoolSourcedId"],
                row=row,
            )


def _parse_enrollments(rows: Iterable[Row], errors: list[Finding]) -> Iterator[Enrollment]:
    for row in rows:
        if not _has_values(row, ("classSourcedId", "schoolSourcedId", "userSourcedId", "role"), errors):
            continue
        role = row["role"].lower()
        if role not in STAFF_ROLES | {"student"}:
            errors.append(row.finding("role", "value_unknown", found=row["role"]))
            continue
        begins, ends = _parse_date(row, "beginDate", errors), _parse_date(row, "endDate", errors)
        if begins and ends and ends < begins:
            errors.append(row.finding("endDate", "ends_before_begin"))
        primary = row["primary"].lower() == "true"
        _check_boolean(row, "primary", errors)
        yield Enrollment(
            id=row["sourcedId"],
            class_id=row["classSourcedId"],
            user=row["userSourcedId"],
            role=role,
            primary=primary,
            begins=begins,
            ends=ends,
            row=row,
        )


def _parse_date(row: Row, column: str, errors: list[Finding]) -> date | None:
    if not row[column]:
        return None
    try:
        if len(row[column]) != len("2026-09-01"):
            raise ValueError
        return date.fromisoformat(row[column])
    except ValueError:
        errors.append(row.finding(column, "date_unreadable", found=row[column]))
        return None


def _check_boolean(row: Row, column: str, errors: list[Finding]) -> bool:
    if row[column].lower() in ("", "true", "false"):
        return True
    errors.append(row.finding(column, "value_unknown", found=row[column]))
    return False


def _check_references(
    orgs: Iterable[Org],
    users: Iterable[User],
    classes: Iterable[Class],
    enrollments: Iterable[Enrollment],
    errors: list[Finding],
) -> None:
    org_ids = {org.id for org in orgs}
    user_ids = {user.id for user in users}
    school_of = {found.id: found.school for found in classes}

    def known(row: Row, column: str, values: Iterable[str], ids: Iterable[str]) -> None:
        errors.extend(row.finding(column, "id_unknown", found=value) for value in values if value not in ids)

    for org in orgs:
        known(org.row, "parentSourcedId", org.row.split_values("parentSourcedId"), org_ids)
    for user in users:
        known(user.row, "orgSourcedIds", user.orgs, org_ids)
        known(user.row, "agentSourcedIds", user.agents, user_ids)
    for found in classes:
        known(found.row, "schoolSourcedId", (found.school,), org_ids)
    for entry in enrollments:
        known(entry.row, "classSourcedId", (entry.class_id,), school_of)
        known(entry.row, "userSourcedId", (entry.user,), user_ids)
        if entry.row["schoolSourcedId"] != school_of.get(entry.class_id, entry.row["schoolSourcedId"]):
            errors.append(entry.row.finding("schoolSourcedId", "school_not_of_class"))


def _matching_enrollments(
    enrollments: Iterable[Enrollment], users: Iterable[User], warnings: list[Finding]
) -> Iterator[Enrollment]:
    """Yield enrollments with a role that matches the user's role; warn about the others."""
    is_student = {user.id: user.role == "student" for user in users}
    for entry in enrollments:
        if is_student.get(entry.user) == (entry.role == "student"):
            yield entry
        else:
            warnings.append(entry.row.finding("role", "role_does_not_fit", found=entry.role))


def _find_caregiver_links(users: Iterable[User], warnings: list[Finding]) -> Iterator[tuple[str, str]]:
    """Yield (student, caregiver) links, which the row of either person may contain."""
    by_id = {user.id: user for user in users}
    for user in users:
        for agent in user.agents:
            other = by_id[agent]
            for student, caregiver in ((user, other), (other, user)):
                if student.role == "student" and caregiver.role in CAREGIVER_ROLES:
                    yield student.id, caregiver.id
                    break
            else:
                warnings.append(user.row.finding("agentSourcedIds", "agent_no_caregiver", found=agent))
