"""The attendance report: figures of visited students and of all others as a document without small numbers.

The report has no difference between the groups. Families who agree to a visit differ from other families, so a
difference would not show the effect of visits. Hidden numbers are left out of the document, not only off the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from homevisits.attendance.intervals import HouseholdSums, Interval, mean_interval, share_interval
from homevisits.demographics.rules import MIN_CELL_COUNT, find_hidden_cells

PURE = True

VERSION = 2  # 1 had differences between the groups, and intervals that were not clustered


@dataclass(frozen=True)
class Group:
    """Students counted together: their attendance rates, and whether each is chronically absent (zero or one)."""

    rates: HouseholdSums
    chronic: HouseholdSums

    @property
    def n(self) -> int:
        """Number of students."""
        return self.rates.students

    @property
    def households(self) -> int:
        """Number of their households."""
        return self.rates.households

    @property
    def chronic_count(self) -> int:
        """Number of students chronically absent."""
        return round(self.chronic.total)


NO_HOUSEHOLDS = HouseholdSums(households=0, students=0, squared_students=0.0, total=0.0, squared_total=0.0, product=0.0)
EMPTY_GROUP = Group(NO_HOUSEHOLDS, NO_HOUSEHOLDS)


def build_document(visited: Group, others: Group, first: date, last: date) -> dict[str, Any]:
    """Build the report of a period. Its state is "shown", or "too_few" if a group has too few households."""
    period = {"version": VERSION, "from": first.isoformat(), "to": last.isoformat()}
    # Every counted household has a counted student, so this also ensures enough students.
    if min(visited.households, others.households) < MIN_CELL_COUNT:
        return {**period, "state": "too_few"}
    return {
        **period,
        "state": "shown",
        "n": {"visited": visited.n, "others": others.n},
        "attendance": {
            "visited": _build_measure(visited.rates, mean_interval(visited.rates)),
            "others": _build_measure(others.rates, mean_interval(others.rates)),
        },
        "chronic": _build_chronic(visited, others),
    }


def _build_chronic(visited: Group, others: Group) -> dict[str, Any] | None:
    """Return chronic absence, or None if a count is too small: each of the four counts follows from the others."""
    table = [[group.chronic_count, group.n - group.chronic_count] for group in (visited, others)]
    if find_hidden_cells(table):
        return None
    return {
        name: {"count": group.chronic_count, **_build_measure(group.chronic, share_interval(group.chronic))}
        for name, group in (("visited", visited), ("others", others))
    }


def _build_measure(sums: HouseholdSums, interval: Interval) -> Mapping[str, float]:
    return {"value": sums.mean, "low": interval.low, "high": interval.high}
