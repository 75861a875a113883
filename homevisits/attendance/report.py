"""The association report: the figures of visited and of other students as one plain document, small ones hidden. Pure.

It holds no difference between the groups: families who say yes to a visit differ from others, so a difference would
not show what visits do. It holds shown numbers only, so that a hidden one is neither in the snapshot nor on the page.
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


NO_HOUSEHOLDS = HouseholdSums(0, 0, 0.0, 0.0, 0.0, 0.0)
NOBODY = Group(NO_HOUSEHOLDS, NO_HOUSEHOLDS)


def document(visited: Group, others: Group, first: date, last: date) -> dict[str, Any]:
    """Return the report of a period. ``state``: shown, or too_few (a group has too few households to show anything)."""
    period = {"version": VERSION, "from": first.isoformat(), "to": last.isoformat()}
    # Each household counted has a student counted: where ten households are, ten students are.
    if min(visited.households, others.households) < MIN_CELL_COUNT:
        return {**period, "state": "too_few"}
    return {
        **period,
        "state": "shown",
        "n": {"visited": visited.n, "others": others.n},
        "attendance": {
            "visited": _shown(visited.rates, mean_interval(visited.rates)),
            "others": _shown(others.rates, mean_interval(others.rates)),
        },
        "chronic": _chronic(visited, others),
    }


def _chronic(visited: Group, others: Group) -> dict[str, Any] | None:
    """Return chronic absence, or None where a count is too small: with four cells, hiding one hides them all."""
    table = [[group.chronic_count, group.n - group.chronic_count] for group in (visited, others)]
    if find_hidden_cells(table):
        return None
    return {
        name: {"count": group.chronic_count, **_shown(group.chronic, share_interval(group.chronic))}
        for name, group in (("visited", visited), ("others", others))
    }


def _shown(sums: HouseholdSums, interval: Interval) -> Mapping[str, float]:
    return {"value": sums.mean, "low": interval.low, "high": interval.high}
