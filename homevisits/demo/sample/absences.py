"""Attendance of the sample district: a rate of absence for each child, a calendar with breaks. Pure.

Visits have no effect on it: the demo must not suggest a result that no district has shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from homevisits.demo.sample.district import District

CODES = (
    ("A", "Absent, unexcused", "Unexcused Absence", "1", "1.0"),
    ("E", "Absent, excused", "Excused Absence", "1", "1.0"),
    ("H", "Half a day absent", "Excused Absence", "1", "0.5"),
    ("T", "Late", "Tardy", "0", "0"),
)
HOLIDAYS = ((9, 7), (10, 12), (11, 11), (1, 18), (2, 15), (5, 31))


@dataclass(frozen=True)
class AttendanceRecord:
    """Attendance record: days of the year so far, whether school was held, absences, last year's totals."""

    calendar: tuple[tuple[date, bool], ...]
    absences: tuple[tuple[str, date, str], ...]
    prior: tuple[tuple[str, int, int], ...]


def make(district: District, begins: date, today: date) -> AttendanceRecord:
    """Return attendance from the day the school year `begins` to the day before `today`."""
    rng = Random(f"homevisits:absences:{district.seed}")  # noqa: S311 - a sample, nothing secret
    calendar = tuple(_calendar(begins, today))
    school_days = [day for day, held in calendar if held]
    absences: list[tuple[str, date, str]] = []
    prior: list[tuple[str, int, int]] = []
    for household in district.households:
        household_rate = rng.expovariate(1 / 0.035)
        for child in household.children:
            rate = min(0.01 + household_rate * 0.7 + rng.expovariate(1 / 0.02), 0.4)
            if child.grade != "KG":
                prior.append((child.number, 176, min(round(176 * rate * rng.uniform(0.7, 1.3)), 120)))
            absences.extend(_events_of_child(rng, child.number, rate, school_days))
    absences.sort()
    return AttendanceRecord(calendar, tuple(absences), tuple(prior))


def _calendar(begins: date, today: date) -> Iterator[tuple[date, bool]]:
    day = begins
    while day < min(today, begins + timedelta(days=285)):
        yield day, day.weekday() < 5 and not is_day_off(day)
        day += timedelta(days=1)


def is_day_off(day: date) -> bool:
    """Return whether school is closed on a day that is not a weekend."""
    thanksgiving = day.month == 11 and day.weekday() in (3, 4) and 22 <= day.day <= 29
    winter = (day.month == 12 and day.day >= 21) or (day.month == 1 and day.day <= 4)
    spring = day.month == 3 and 22 <= day.day <= 26
    return (day.month, day.day) in HOLIDAYS or thanksgiving or winter or spring


def _events_of_child(rng: Random, number: str, rate: float, days: list[date]) -> Iterator[tuple[str, date, str]]:
    for day in days:
        sample = rng.random()
        if sample < rate:
            yield number, day, rng.choices(("A", "E", "H"), (45, 45, 10))[0]
        elif sample > 0.985:
            yield number, day, "T"
