"""The action that brings attendance in: all of it or none; the same files again change nothing."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Table, and_, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from homevisits.attendance import actions, files
from homevisits.attendance.models import Absence, AttendanceCode, PriorYear, SchoolDay
from homevisits.attendance.rules import is_absent
from homevisits.core.db import Base, Database, is_sqlite
from homevisits.people.importing.apply import ImportReport
from homevisits.people.importing.csv_reader import Finding
from homevisits.people.importing.package import Package, open_package
from homevisits.people.models import School, Student

BATCH = 5_000


@dataclass(frozen=True)
class Known:
    """What the house knows already that the files may speak of."""

    students: Mapping[str, int]
    schools: Mapping[str, int]
    codes: Mapping[str, files.Code]
    days: frozenset[date]


def import_attendance(database: Database, path: Path, now: datetime) -> ImportReport:
    """Read the attendance files in the folder or zip at `path`, or the one file there, and bring them in.

    Any of the four may be missing. What the file of absences says about the days from its first to its last row, for
    the schools it names, replaces what was known: a corrected absence leaves no trace of the mistake.
    """
    package = _package(path)
    export = files.parse(package.files)
    if package.errors or export.errors:
        return ImportReport(_counts(export), (*package.errors, *export.errors))
    with database.transaction() as session:
        known = _known(session, export)
        wanted = list(_absences(export, known))
        errors = [found for found in wanted if isinstance(found, Finding)]
        years = list(_years(export, known))
        errors += [found for found in years if isinstance(found, Finding)]
        if errors:
            return ImportReport(_counts(export), tuple(errors))
        warnings = _doubtful(export, known)
        rows, twice = _one_a_day(row for row in wanted if isinstance(row, dict))
        _record(session, export, known, rows, [row for row in years if isinstance(row, dict)])
        actions.refresh(session, now)
    return ImportReport(_counts(export), (), (*warnings, *twice))


def _package(path: Path) -> Package:
    if path.is_file() and path.suffix.lower() == ".csv":
        if path.name not in files.REQUIRED:
            return Package({}, (Finding(path.name, None, None, "attendance_file_unknown"),))
        return Package({path.name: path.read_bytes()}, ())
    package = open_package(path, files.REQUIRED)
    if not package.files and not package.errors:
        return Package({}, (Finding(path.name, None, None, "attendance_files_missing"),))
    return package


def _counts(export: files.Export) -> dict[str, int]:
    return {
        "school_days": sum(day.held for day in export.days),
        "attendance_codes": len(export.codes),
        "attendance_events": len(export.events),
        "prior_years": len(export.years),
    }


def _known(session: Session, export: files.Export) -> Known:
    """What is in the database, with what the files add to it."""
    students = session.execute(select(Student.identifier, Student.id).where(Student.identifier.is_not(None)))
    schools = session.execute(select(School.identifier, School.id).where(School.identifier.is_not(None)))
    # A stored code has its portion of the day worked in already.
    codes = {
        code.code: files.Code(code.code, code.description, code.category, code.counts_as_absent, files.WHOLE)
        for code in session.scalars(select(AttendanceCode))
    }
    days = set(session.scalars(select(SchoolDay.day)))
    days -= {day.day for day in export.days if not day.held}
    days |= {day.day for day in export.days if day.held}
    return Known(
        {str(number): key for number, key in students},
        {str(number): key for number, key in schools},
        codes | {code.code: code for code in export.codes},
        frozenset(days),
    )


def _absences(export: files.Export, known: Known) -> Iterator[dict[str, Any] | Finding]:
    for event in export.events:
        code, student = known.codes.get(event.code), known.students.get(event.student)
        if student is None:
            yield event.row.finding("student_number", "student_unknown", found=event.student)
        if code is None:
            yield event.row.finding("att_code", "attendance_code_unknown", found=event.code)
        if event.school and event.school not in known.schools:
            yield event.row.finding("school_number", "school_number_unknown", found=event.school)
        if student is not None and code is not None and event.day in known.days:
            yield {"student_id": student, "day": event.day, "code": event.code, "absent": event.absent(code)}


def _years(export: files.Export, known: Known) -> Iterator[dict[str, Any] | Finding]:
    for year in export.years:
        student = known.students.get(year.student)
        if student is None:
            yield year.row.finding("student_number", "student_unknown", found=year.student)
        else:
            yield {
                "student_id": student,
                "school_year": year.school_year,
                "days_enrolled": year.enrolled,
                "days_absent": year.absent,
            }


def _doubtful(export: files.Export, known: Known) -> list[Finding]:
    """Rows left out although they can be read: absences on days without school."""
    found = (event for event in export.events if event.day not in known.days)
    return [event.row.finding("att_date", "no_school_that_day", found=event.day.isoformat()) for event in found]


def _one_a_day(rows: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Finding]]:
    """One row for each student and day: of several the one that counts as absent, and a word about it."""
    kept: dict[tuple[int, date], dict[str, Any]] = {}
    twice = 0
    for row in rows:
        key = row["student_id"], row["day"]
        twice += key in kept
        if key not in kept or (row["absent"] and not kept[key]["absent"]):
            kept[key] = row
    warning = [Finding(files.EVENTS, None, None, "student_day_twice", {"number": twice})] if twice else []
    return list(kept.values()), warning


def _record(
    session: Session, export: files.Export, known: Known, rows: list[dict[str, Any]], years: list[dict[str, Any]]
) -> None:
    _upsert(session, AttendanceCode, [_code_row(code) for code in export.codes])
    closed = [day.day for day in export.days if not day.held]
    for start in range(0, len(closed), 400):
        session.execute(delete(SchoolDay).where(SchoolDay.day.in_(closed[start : start + 400])))
    _upsert(session, SchoolDay, [{"day": day.day} for day in export.days if day.held])
    if export.events:
        session.execute(delete(Absence).where(_replaced(export, known)))
        _upsert(session, Absence, rows)
    _upsert(session, PriorYear, years)


def _code_row(code: files.Code) -> dict[str, Any]:
    return {
        "code": code.code,
        "description": code.description,
        "category": code.category,
        "counts_as_absent": is_absent(code.counts, code.portion),
    }


def _replaced(export: files.Export, known: Known) -> Any:
    """Which absences the file speaks for: its span of days, at the schools it names (all, if it names none)."""
    days = [event.day for event in export.events]
    span = and_(Absence.day >= min(days), Absence.day <= max(days))
    named = {known.schools[event.school] for event in export.events if event.school}
    if not named:
        return span
    return and_(span, Absence.student_id.in_(select(Student.id).where(Student.school_id.in_(named))))


def _upsert(session: Session, model: type[Base], rows: list[dict[str, Any]]) -> None:
    """Insert, or overwrite the row with the same key."""
    if not rows:
        return
    table = model.__table__
    assert isinstance(table, Table)
    keys = [column.name for column in table.primary_key]
    rest = [name for name in rows[0] if name not in keys]
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    statement: Any = insert(table)
    if rest:
        statement = statement.on_conflict_do_update(
            index_elements=keys, set_={name: statement.excluded[name] for name in rest}
        )
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    for start in range(0, len(rows), BATCH):
        session.execute(statement, rows[start : start + BATCH])
