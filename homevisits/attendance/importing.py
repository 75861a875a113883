"""Import attendance files in a single transaction. Importing the same files again changes nothing."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Table, and_, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from homevisits.attendance import files
from homevisits.attendance.actions import refresh_report
from homevisits.attendance.models import Absence, AttendanceCode, PriorYear, SchoolDay
from homevisits.attendance.rules import is_absent
from homevisits.core.db import Base, Database, is_sqlite
from homevisits.people.importing.apply import ImportReport
from homevisits.people.importing.csv_reader import Finding
from homevisits.people.importing.package import Package, open_package
from homevisits.people.models import School, Student

BATCH_SIZE = 5_000


@dataclass(frozen=True)
class KnownData:
    """Students, schools, codes and school days that the files may refer to, by identifier."""

    students: Mapping[str, int]
    schools: Mapping[str, int]
    codes: Mapping[str, files.CodeDefinition]
    days: frozenset[date]


def import_attendance(database: Database, path: Path, now: datetime) -> ImportReport:
    """Import the attendance files of the folder, zip file or single file at `path`.

    Each of the four files is optional. The absences file replaces all stored absences from its first to its last day,
    for the schools that it names.
    """
    package = _open_package(path)
    export = files.parse_files(package.files)
    if package.errors or export.errors:
        return ImportReport(_count_rows(export), (*package.errors, *export.errors))
    with database.transaction() as session:
        known = _read_known_data(session, export)
        absences = list(_match_absences(export, known))
        years = list(_match_prior_years(export, known))
        errors = [item for item in (*absences, *years) if isinstance(item, Finding)]
        if errors:
            return ImportReport(_count_rows(export), tuple(errors))
        warnings = _warn_about_closed_days(export, known)
        rows, duplicate_warnings = _merge_duplicates(row for row in absences if isinstance(row, dict))
        _write(session, export, known, rows, [row for row in years if isinstance(row, dict)])
        refresh_report.refresh_report(session, now)
    return ImportReport(_count_rows(export), (), (*warnings, *duplicate_warnings))


def _open_package(path: Path) -> Package:
    if path.is_file() and path.suffix.lower() == ".csv":
        if path.name not in files.REQUIRED_COLUMNS:
            return Package({}, (Finding(path.name, None, None, "attendance_file_unknown"),))
        return Package({path.name: path.read_bytes()}, ())
    package = open_package(path, files.REQUIRED_COLUMNS)
    if not package.files and not package.errors:
        return Package({}, (Finding(path.name, None, None, "attendance_files_missing"),))
    return package


def _count_rows(export: files.Export) -> dict[str, int]:
    return {
        "school_days": sum(day.held for day in export.days),
        "attendance_codes": len(export.codes),
        "attendance_events": len(export.events),
        "prior_years": len(export.years),
    }


def _read_known_data(session: Session, export: files.Export) -> KnownData:
    """Read the database and add the codes and school days of the files."""
    students = session.execute(select(Student.identifier, Student.id).where(Student.identifier.is_not(None)))
    schools = session.execute(select(School.identifier, School.id).where(School.identifier.is_not(None)))
    # For a stored code, the portion of the day is already part of counts_as_absent.
    codes = {
        code.code: files.CodeDefinition(
            code.code, code.description, code.category, code.counts_as_absent, files.WHOLE_DAY
        )
        for code in session.scalars(select(AttendanceCode))
    }
    days = set(session.scalars(select(SchoolDay.day)))
    days -= {day.day for day in export.days if not day.held}
    days |= {day.day for day in export.days if day.held}
    return KnownData(
        {str(number): key for number, key in students},
        {str(number): key for number, key in schools},
        codes | {code.code: code for code in export.codes},
        frozenset(days),
    )


def _match_absences(export: files.Export, known: KnownData) -> Iterator[dict[str, Any] | Finding]:
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


def _match_prior_years(export: files.Export, known: KnownData) -> Iterator[dict[str, Any] | Finding]:
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


def _warn_about_closed_days(export: files.Export, known: KnownData) -> list[Finding]:
    """Warn about absences on days without school, which are skipped."""
    skipped = (event for event in export.events if event.day not in known.days)
    return [event.row.finding("att_date", "no_school_that_day", found=event.day.isoformat()) for event in skipped]


def _merge_duplicates(rows: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Keep a row per student and day, preferring an absence, and warn about the number of duplicates."""
    kept: dict[tuple[int, date], dict[str, Any]] = {}
    duplicates = 0
    for row in rows:
        key = row["student_id"], row["day"]
        duplicates += key in kept
        if key not in kept or (row["absent"] and not kept[key]["absent"]):
            kept[key] = row
    warnings = [Finding(files.EVENTS, None, None, "student_day_twice", {"number": duplicates})] if duplicates else []
    return list(kept.values()), warnings


def _write(
    session: Session, export: files.Export, known: KnownData, rows: list[dict[str, Any]], years: list[dict[str, Any]]
) -> None:
    _upsert(session, AttendanceCode, [_code_values(code) for code in export.codes])
    closed = [day.day for day in export.days if not day.held]
    for start in range(0, len(closed), 400):
        session.execute(delete(SchoolDay).where(SchoolDay.day.in_(closed[start : start + 400])))
    _upsert(session, SchoolDay, [{"day": day.day} for day in export.days if day.held])
    if export.events:
        session.execute(delete(Absence).where(_is_replaced(export, known)))
        _upsert(session, Absence, rows)
    _upsert(session, PriorYear, years)


def _code_values(code: files.CodeDefinition) -> dict[str, Any]:
    return {
        "code": code.code,
        "description": code.description,
        "category": code.category,
        "counts_as_absent": is_absent(code.counts, code.portion),
    }


def _is_replaced(export: files.Export, known: KnownData) -> Any:
    """Return the SQL condition for absences that the file replaces: its days, at its schools (all if it names none)."""
    days = [event.day for event in export.events]
    in_range = and_(Absence.day >= min(days), Absence.day <= max(days))
    schools = {known.schools[event.school] for event in export.events if event.school}
    if not schools:
        return in_range
    return and_(in_range, Absence.student_id.in_(select(Student.id).where(Student.school_id.in_(schools))))


def _upsert(session: Session, model: type[Base], rows: list[dict[str, Any]]) -> None:
    """Insert rows; overwrite existing rows with the same primary key."""
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
    for start in range(0, len(rows), BATCH_SIZE):
        session.execute(statement, rows[start : start + BATCH_SIZE])
