"""What the association report may say: the numbers shown, small ones hidden, as one plain document. Pure.

The document holds shown numbers only, so that neither the stored snapshot nor the page can tell a hidden one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from homevisits.attendance import intervals
from homevisits.attendance.intervals import Interval, Sample, Share
from homevisits.demographics.rules import SMALLEST_CELL, hidden_cells

PURE = True

VERSION = 1


@dataclass(frozen=True)
class Group:
    """Students counted together: how many, how many chronically absent, their attendance rates (sums)."""

    n: int
    chronic: int
    rates: float
    squares: float

    @property
    def attendance(self) -> Sample:
        """The students' attendance rates."""
        return Sample.from_sums(self.n, self.rates, self.squares)


NOBODY = Group(0, 0, 0.0, 0.0)


def document(visited: Group, others: Group, first: date, last: date) -> dict[str, Any]:
    """The report of a period. ``state``: shown, or too_few (a group is too small to show anything of it)."""
    period = {"version": VERSION, "from": first.isoformat(), "to": last.isoformat()}
    if min(visited.n, others.n) < SMALLEST_CELL:
        return {**period, "state": "too_few"}
    return {
        **period,
        "state": "shown",
        "n": {"visited": visited.n, "others": others.n},
        "attendance": _attendance(visited, others),
        "chronic": _chronic(visited, others),
    }


def finding(shown: Mapping[str, Any]) -> str:
    """What a difference with its interval says: more, less, or unclear where the interval holds zero."""
    if shown["low"] > 0:
        return "more"
    return "less" if shown["high"] < 0 else "unclear"


def _attendance(visited: Group, others: Group) -> dict[str, Any]:
    a, b = visited.attendance, others.attendance
    difference = intervals.welch(a, b)
    return {
        "visited": _shown(a.mean, intervals.mean_interval(a)),
        "others": _shown(b.mean, intervals.mean_interval(b)),
        "difference": _shown(difference.difference, difference.interval),
    }


def _chronic(visited: Group, others: Group) -> dict[str, Any] | None:
    """Chronic absence, or None where a count is too small: with four cells, hiding one hides them all."""
    table = [[group.chronic, group.n - group.chronic] for group in (visited, others)]
    if hidden_cells(table):
        return None
    a, b = Share(visited.chronic, visited.n), Share(others.chronic, others.n)
    return {
        "visited": {"count": a.count, **_shown(a.rate, intervals.wilson(a))},
        "others": {"count": b.count, **_shown(b.rate, intervals.wilson(b))},
        "difference": _shown(a.rate - b.rate, intervals.newcombe(a, b)),
    }


def _shown(value: float, interval: Interval) -> dict[str, float]:
    return {"value": value, "low": interval.low, "high": interval.high}
