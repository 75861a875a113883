"""State machine of a visit: the states in which each action is allowed. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from homevisits.core.problems import Problem

PURE = True

LIVE = frozenset({"proposed", "scheduled", "confirmed"})  # not ended; holds commitments of two educators
ENDED = frozenset({"completed", "cancelled_by_family", "cancelled_by_educator", "family_away", "not_held"})
ARRANGED = frozenset({"scheduled", "confirmed"})  # both educators accepted; the family knows the time
OUT_STATES = ("declined", "unable", "withdrawn")  # of a team member who no longer comes

# Action -> states of the visit in which it is allowed.
ALLOWED_STATES: Mapping[str, frozenset[str]] = MappingProxyType(
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


def check_transition(verb: str, state: str) -> list[Problem]:
    """Check that the action `verb` is allowed in `state`."""
    return [] if state in ALLOWED_STATES[verb] else [Problem("visit_moved_on", None, {"state": state})]


def state_after_answers(coming: int, team_size: int) -> str:
    """Return the state of a visit once `coming` of its `team_size` educators have accepted."""
    return "scheduled" if coming >= team_size else "proposed"
