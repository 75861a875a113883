"""A district's attendance exports, read into plain rows: codes, school days, absences, last year's totals. Pure."""

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
PRIOR = "prior_year_summary.csv"
REQUIRED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        CALENDAR: ("date", "school_day"),
        CODES: ("code", "counts_as_absent", "portion_of_day"),
        EVENTS: ("student_number", "att_date", "att_code"),
        PRIOR: ("student_number", "school_year", "days_enrolled", "days_absent"),
    }
)
YES = frozenset({"y", "yes", "1", "true", "t"})
NO = frozenset({"n", "no", "0", "false", "f"})
LONGEST_YEAR = 366
WHOLE = Decimal(1)

Read = TypeVar("Read")


@dataclass(frozen=True)
class Code:
    """A code of the district's system: whether it counts as absent, and how much of the day it usually means."""

    code: str
    description: str
    category: str
    counts: bool
    portion: Decimal


@dataclass(frozen=True)
class Day:
    """A day of the calendar and whether school was held."""

    day: date
    held: bool
    row: Row


@dataclass(frozen=True, slots=True)
class Event:
    """An exception to presence. ``portion`` is the row's own, where it gives one."""

    student: str
    school: str
    day: date
    code: str
    portion: Decimal | None
    row: Row

    def absent(self, code: Code) -> bool:
        """Whether the day counts as a day absent."""
        return is_absent(code.counts, code.portion if self.portion is None else self.portion)


@dataclass(frozen=True)
class Year:
    """A student's totals of an earlier year."""

    student: str
    school_year: int
    enrolled: int
    absent: int
    row: Row


@dataclass(frozen=True)
class Export:
    """Everything the files say, and what is wrong with them. ``given``: the names of the files that were there."""

    codes: tuple[Code, ...]
    days: tuple[Day, ...]
    events: tuple[Event, ...]
    years: tuple[Year, ...]
    given: frozenset[str]
    errors: tuple[Finding, ...]


class _Wrong(Exception):
    """A field that cannot be read; carries its finding."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding


def parse(files: Mapping[str, bytes]) -> Export:
    """Read the files by name. Each wrong row is a finding; the rows that can be read are returned all the same."""
    errors: list[Finding] = []
    return Export(
        tuple(_each(files, CODES, _code, errors)),
        tuple(_each(files, CALENDAR, _day, errors)),
        tuple(_each(files, EVENTS, _event, errors)),
        tuple(_each(files, PRIOR, _year, errors)),
        frozenset(files),
        tuple(errors),
    )


def _each(files: Mapping[str, bytes], name: str, make: Callable[[Row], Read], errors: list[Finding]) -> Iterator[Read]:
    if name not in files:
        return
    table = read_csv(name, files[name], REQUIRED[name])
    errors.extend(table.errors)
    for row in table.rows:
        try:
            yield make(row)
        except _Wrong as wrong:
            errors.append(wrong.finding)


def _code(row: Row) -> Code:
    portion = _portion(row, "portion_of_day")
    return Code(
        _text(row, "code"),
        row["description"],
        row["category"],
        _yes(row, "counts_as_absent"),
        WHOLE if portion is None else portion,
    )


def _day(row: Row) -> Day:
    return Day(_date(row, "date"), _yes(row, "school_day"), row)


def _event(row: Row) -> Event:
    return Event(
        _text(row, "student_number"),
        row["school_number"],
        _date(row, "att_date"),
        _text(row, "att_code"),
        _portion(row, "portion_absent"),
        row,
    )


def _year(row: Row) -> Year:
    enrolled, absent = _count(row, "days_enrolled", LONGEST_YEAR), _count(row, "days_absent", LONGEST_YEAR)
    if absent > enrolled:
        raise _Wrong(row.finding("days_absent", "more_absent_than_enrolled"))
    return Year(_text(row, "student_number"), _count(row, "school_year", 9999), enrolled, absent, row)


def _text(row: Row, column: str) -> str:
    if not row[column]:
        raise _Wrong(row.finding(column, "value_missing"))
    return row[column]


def _date(row: Row, column: str) -> date:
    text = _text(row, column)
    try:
        if len(text) != len("2026-10-06"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise _Wrong(row.finding(column, "date_unreadable", found=text)) from None


def _yes(row: Row, column: str) -> bool:
    text = _text(row, column).lower()
    if text not in YES | NO:
        raise _Wrong(row.finding(column, "yes_or_no", found=text))
    return text in YES


def _portion(row: Row, column: str) -> Decimal | None:
    text = row[column]
    if not text:
        return None
    try:
        portion = Decimal(text)
    except InvalidOperation:
        portion = Decimal(-1)
    if not portion.is_finite() or not 0 <= portion <= 1:
        raise _Wrong(row.finding(column, "portion_of_day", found=text))
    return portion


def _count(row: Row, column: str, most: int) -> int:
    text = _text(row, column)
    if not (text.isascii() and text.isdigit()) or int(text) > most:
        raise _Wrong(row.finding(column, "days_not_a_number", found=text))
    return int(text)
