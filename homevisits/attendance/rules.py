"""Definitions of absence, chronic absence, days enrolled and school year. Integers only."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

PURE = True

MINIMUM_DAYS = 10  # with fewer days enrolled, a single absence would make a student chronically absent
CHRONIC_ABSENCE_PERCENT = 10  # of the days enrolled; queries.is_chronic uses it in SQL

MIN_ABSENT_PORTION = Decimal("0.5")


def is_absent(counts_as_absent: bool, portion: Decimal) -> bool:
    """Return whether a day counts as absent: a code that counts, and at least half the day missed.

    Excused, unexcused and suspended days count alike.
    """
    return counts_as_absent and portion >= MIN_ABSENT_PORTION


def is_chronically_absent(days_absent: int, days_enrolled: int) -> bool | None:
    """Return whether a student missed at least a tenth of the days enrolled; None below MINIMUM_DAYS.

    Integers avoid rounding errors: 0.1 * 180 in floating point may be more than 18.
    """
    if days_enrolled < MINIMUM_DAYS:
        return None
    return 100 * days_absent >= CHRONIC_ABSENCE_PERCENT * days_enrolled


def count_days_enrolled(school_days: Sequence[date], spells: Iterable[tuple[date, date | None]]) -> int:
    """Count the `school_days` (sorted) within any of the spells (first day; last day, or None if still enrolled).

    Spells may overlap, for instance after a change of school. No day counts twice.
    """
    count, reached = 0, 0
    for begin, end in sorted(spells, key=lambda spell: spell[0]):
        first = max(bisect_left(school_days, begin), reached)
        last = len(school_days) if end is None else bisect_right(school_days, end)
        if last > first:
            count += last - first
            reached = last
    return count


def school_year(day: date) -> int:
    """Return the school year of a day, named by the year it ends in: 2026 for 2025-26."""
    return day.year + (day.month >= 7)


def first_day_of_school_year(year: int) -> date:
    """Return the earliest day on which a school year may start."""
    return date(year - 1, 7, 1)
