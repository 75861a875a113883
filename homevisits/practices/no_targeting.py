"""Practice 3: families are invited all or by a fair draw, never by a trait; a family may request a visit itself."""

from collections.abc import Collection

from homevisits.core.problems import Problem
from homevisits.practices.check_inputs import Family

PURE = True


def check_fairly_selected(family: Family) -> list[Problem]:
    """Require that the family was selected by a recorded draw or requested a visit itself."""
    if family.draw_entry_id is None and family.request_id is None:
        return [Problem("not_fairly_asked", "family")]
    return []


def check_draw_order(position: int, still_waiting: Collection[int]) -> list[Problem]:
    """Require that no family before `position` in the draw is still waiting for its invitation."""
    if any(waiting < position for waiting in still_waiting):
        return [Problem("not_next_in_the_draw", "family", {"next": min(still_waiting)})]
    return []
