"""What counts as absent, and as chronically absent. Whole numbers, pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

PURE = True

MINIMUM_DAYS = 10
"""Students enrolled for fewer school days are not counted: one absence would make them chronically absent."""

CHRONIC_ABSENCE_PERCENT = 10
"""Share of the days enrolled from which on a student is chronically absent; queries.is_chronic uses it in SQL."""

HALF_A_DAY = Decimal("0.5")


def is_absent(counts_as_absent: bool, portion: Decimal) -> bool:
    """Whether a day counts as a day absent: a code that counts, and half the day or more missed.

    Excused, unexcused and suspended days count the same.
    """
    return counts_as_absent and portion >= HALF_A_DAY


def is_chronically_absent(days_absent: int, days_enrolled: int) -> bool | None:
    """Whether a student missed a tenth or more of the days enrolled; None when enrolled for too few days to count.

    In whole numbers, because 0.1 x 180 in floating point may be more than 18.
    """
    if days_enrolled < MINIMUM_DAYS:
        return None
    return 100 * days_absent >= CHRONIC_ABSENCE_PERCENT * days_enrolled


def days_enrolled(school_days: Sequence[date], spells: Iterable[tuple[date, date | None]]) -> int:
    """How many of `school_days` (sorted) fall into any of the spells (first day, last day or None: still enrolled).

    Spells may touch or overlap (a change of school, a class besides another): no day counts twice.
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
    """The school year a day belongs to, by the year it ends in: 2026 for 2025-26."""
    return day.year + (day.month >= 7)


def first_of_school_year(year: int) -> date:
    """The day a school year may begin on at the earliest."""
    return date(year - 1, 7, 1)
