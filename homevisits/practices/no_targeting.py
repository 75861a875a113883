"""Practice 3: everyone, or a fair cross-section, is asked. Never picked for any trait; a family may ask for itself."""

from collections.abc import Collection

from homevisits.core.problems import Problem
from homevisits.practices.facts import Family

PURE = True


def fairly_asked(family: Family) -> list[Problem]:
    """The family was drawn in a recorded draw, or asked for a visit itself. There is no third way in."""
    if family.draw_entry_id is None and family.request_id is None:
        return [Problem("not_fairly_asked", "family")]
    return []


def asked_in_order(position: int, still_waiting: Collection[int]) -> list[Problem]:
    """Families of a draw are asked in the order drawn: nobody who still waits stands before `position`."""
    if any(waiting < position for waiting in still_waiting):
        return [Problem("not_next_in_the_draw", "family", {"next": min(still_waiting)})]
    return []
