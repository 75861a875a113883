"""Parse a district's attendance exports: codes, school days, absences, totals of earlier years."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import TypeVar

from homevisits.attendance.rules import is_absent
from homevisits.people.importing.csv_reader import Finding, Row, read_csv

PURE = True

CALENDAR = "calendar.csv"
CODES = "attendance_codes.csv"
EVENTS = "attendance_events.csv"
PRIOR_YEARS = "prior_year_summary.csv"
REQUIRED_COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        CALENDAR: ("date", "school_day"),
        CODES: ("code", "counts_as_absent", "portion_of_day"),
        EVENTS: ("student_number", "att_date", "att_code"),
        PRIOR_YEARS: ("student_number", "school_year", "days_enrolled", "days_absent"),
    }
)
TRUE_VALUES = frozenset({"y", "yes", "1", "true", "t"})
FALSE_VALUES = frozenset({"n", "no", "0", "false", "f"})
MAX_DAYS = 366
WHOLE_DAY = Decimal(1)

Record = TypeVar("Record")


@dataclass(frozen=True)
class CodeDefinition:
    """An attendance code of the district: whether it counts as absent, and its usual portion of the day."""

    code: str
    description: str
    category: str
    counts: bool
    portion: Decimal


@dataclass(frozen=True)
class CalendarDay:
    """A day of the calendar and whether school was held."""

    day: date
    held: bool
    row: Row


@dataclass(frozen=True, slots=True)
class AbsenceEvent:
    """An attendance code of a student on a day. `portion` overrides the portion of the code."""

    student: str
    school: str
    day: date
    code: str
    portion: Decimal | None
    row: Row

    def absent(self, code: CodeDefinition) -> bool:
        """Return whether the day counts as absent."""
        return is_absent(code.counts, code.portion if self.portion is None else self.portion)


@dataclass(frozen=True)
class PriorYearTotals:
    """A student's totals of an earlier school year."""

    student: str
    school_year: int
    enrolled: int
    absent: int
    row: Row


@dataclass(frozen=True)
class Export:
    """The parsed files and their errors."""

    codes: tuple[CodeDefinition, ...]
    days: tuple[CalendarDay, ...]
    events: tuple[AbsenceEvent, ...]
    years: tuple[PriorYearTotals, ...]
    errors: tuple[Finding, ...]


class _InvalidField(Exception):
    """A field that cannot be parsed, with its finding."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding


def parse_files(files: Mapping[str, bytes]) -> Export:
    """Parse the files, given by name. Every invalid row adds an error; the valid rows are returned anyway."""
    errors: list[Finding] = []
    return Export(
        codes=tuple(_parse_file(files, CODES, _parse_code, errors)),
        days=tuple(_parse_file(files, CALENDAR, _parse_day, errors)),
        events=tuple(_parse_file(files, EVENTS, _parse_event, errors)),
        years=tuple(_parse_file(files, PRIOR_YEARS, _parse_year, errors)),
        errors=tuple(errors),
    )


def _parse_file(
    files: Mapping[str, bytes], name: str, make: Callable[[Row], Record], errors: list[Finding]
) -> Iterator[Record]:
    if name not in files:
        return
    table = read_csv(name, files[name], REQUIRED_COLUMNS[name])
    errors.extend(table.errors)
    for row in table.rows:
        try:
            yield make(row)
        except _InvalidField as invalid:
            errors.append(invalid.finding)


def _parse_code(row: Row) -> CodeDefinition:
    portion = _read_portion(row, "portion_of_day")
    return CodeDefinition(
        _read_text(row, "code"),
        row["description"],
        row["category"],
        _read_flag(row, "counts_as_absent"),
        WHOLE_DAY if portion is None else portion,
    )


def _parse_day(row: Row) -> CalendarDay:
    return CalendarDay(_read_date(row, "date"), _read_flag(row, "school_day"), row)


def _parse_event(row: Row) -> AbsenceEvent:
    return AbsenceEvent(
        student=_read_text(row, "student_number"),
        school=row["school_number"],
        day=_read_date(row, "att_date"),
        code=_read_text(row, "att_code"),
        portion=_read_portion(row, "portion_absent"),
        row=row,
    )


def _parse_year(row: Row) -> PriorYearTotals:
    enrolled, absent = _read_count(row, "days_enrolled", MAX_DAYS), _read_count(row, "days_absent", MAX_DAYS)
    if absent > enrolled:
        raise _InvalidField(row.finding("days_absent", "more_absent_than_enrolled"))
    return PriorYearTotals(
        _read_text(row, "student_number"), _read_count(row, "school_year", 9999), enrolled, absent, row
    )


def _read_text(row: Row, column: str) -> str:
    if not row[column]:
        raise _InvalidField(row.finding(column, "value_missing"))
    return row[column]


def _read_date(row: Row, column: str) -> date:
    text = _read_text(row, column)
    try:
        if len(text) != len("2026-10-06"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise _InvalidField(row.finding(column, "date_unreadable", found=text)) from None


def _read_flag(row: Row, column: str) -> bool:
    text = _read_text(row, column).lower()
    if text not in TRUE_VALUES | FALSE_VALUES:
        raise _InvalidField(row.finding(column, "yes_or_no", found=text))
    return text in TRUE_VALUES


def _read_portion(row: Row, column: str) -> Decimal | None:
    text = row[column]
    if not text:
        return None
    try:
        portion = Decimal(text)
    except InvalidOperation:
        portion = Decimal(-1)
    if not portion.is_finite() or not 0 <= portion <= 1:
        raise _InvalidField(row.finding(column, "portion_of_day", found=text))
    return portion


def _read_count(row: Row, column: str, most: int) -> int:
    text = _read_text(row, column)
    if not (text.isascii() and text.isdigit()) or int(text) > most:
        raise _InvalidField(row.finding(column, "days_not_a_number", found=text))
    return int(text)
