"""What each text is, pure data: at what pace it leaves, before which others, and what to do when nobody knows of it."""

from dataclasses import dataclass
from types import MappingProxyType

PURE = True

PRIORITIES = MappingProxyType({"reply": 1, "urgent": 2, "written": 4, "automatic": 5, "staff": 5})
"""Which leaves first: an answer to what a family just wrote does not wait behind a thousand reminders."""
IN_ORDER = tuple(sorted(set(PRIORITIES.values())))

EXEMPT = frozenset({"reply", "urgent"})
"""Paces that leave at any hour: an answer to a family's own text, and what a named person let go for a reason."""
KEEPS_QUIET_DAYS = frozenset({"automatic", "staff"})
"""Paces that rest on a quiet day. What a person typed leaves: it was typed on that day."""
CAPPED = frozenset({"automatic"})
"""Paces of which a family gets only so many."""
ONCE = frozenset({"automatic", "staff"})
"""Paces in which the same words twice in a day are a fault of ours."""

_REPLIES = frozenset(
    {
        "help",
        "invitation_call_me",
        "invitation_not_now",
        "invitation_other_time",
        "invitation_yes",
        "nothing_to_answer",
        "polite_stop",
        "start_confirmed",
        "stop_confirmed",
        "unclear",
        "visit_call_me",
        "visit_confirmed",
        "visit_ended_by_family",
        "visit_new_time_soon",
        "visit_now_at",
        "visit_other_time",
        "which",
        "wrong_number_confirmed",
    }
)
WRITTEN = "written"
"""The name of a text that a person typed: it has no template."""


@dataclass(frozen=True)
class TextKind:
    """How a text is treated. ``on_unknown``: resend it once when the carrier has no trace of it, or hold it."""

    category: str = "automatic"
    on_unknown: str = "resend"
    capped: bool = True

    @property
    def priority(self) -> int:
        """1 leaves first."""
        return PRIORITIES[self.category]


_AUTOMATIC = TextKind()
_REPLY = TextKind("reply", capped=False)
_STAFF = TextKind("staff", capped=False)
_WRITTEN = TextKind("written", capped=False)


def of(template: str) -> TextKind:
    """How the text of this name is treated."""
    if template == WRITTEN:
        return _WRITTEN
    if template.startswith("staff_"):
        return _STAFF
    return _REPLY if template in _REPLIES else _AUTOMATIC


def priority(category: str) -> int:
    """Which place a text of this pace has in the queue."""
    return PRIORITIES[category]
