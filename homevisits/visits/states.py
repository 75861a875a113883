"""The life of a visit, purely: which step may follow which. Anything else is an illegal jump and refused."""

from collections.abc import Mapping
from types import MappingProxyType

from homevisits.core.problems import Problem

PURE = True

LIVE = frozenset({"proposed", "scheduled", "confirmed"})
"""A visit that is still ahead of somebody: it holds two people's time."""
ENDED = frozenset({"completed", "cancelled_by_family", "cancelled_by_educator", "family_away", "not_held"})
ARRANGED = frozenset({"scheduled", "confirmed"})
"""Both said they come; the family was told."""

MAY_FOLLOW: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "accept": frozenset({"proposed"}),
        "decline": frozenset({"proposed"}),
        "confirm": frozenset({"scheduled", "confirmed"}),
        "move": LIVE,
        "cancel": LIVE,
        "cannot_come": LIVE,
        "not_held": LIVE,
        "replace": frozenset({"proposed"}),
        "on_the_way": ARRANGED,
        "attest": ARRANGED,
    }
)
"""Each verb, and the states in which it makes sense."""


def may(verb: str, state: str) -> list[Problem]:
    """Whether `verb` can be done to a visit in `state`."""
    return [] if state in MAY_FOLLOW[verb] else [Problem("visit_moved_on", None, {"state": state})]


def when_answered(coming: int, seats: int) -> str:
    """The state of a visit once `coming` of its `seats` people said they come."""
    return "scheduled" if coming >= seats else "proposed"
