"""Message categories: priority, exemptions from limits, policy for unknown outcome. Pure."""

from dataclasses import dataclass
from types import MappingProxyType

PURE = True

PRIORITIES = MappingProxyType({"reply": 1, "urgent": 2, "written": 4, "automatic": 5, "staff": 5})
"""Priority by category, 1 first: a reply to a family does not wait behind reminders."""
IN_ORDER = tuple(sorted(set(PRIORITIES.values())))

EXEMPT = frozenset({"reply", "urgent"})
"""Categories exempt from quiet hours."""
KEEPS_QUIET_DAYS = frozenset({"automatic", "staff"})
"""Categories that are not sent on quiet days. Messages written by staff are sent."""
CAPPED = frozenset({"automatic"})
"""Categories with a limit per day and week."""
ONCE = frozenset({"automatic", "staff"})
"""Categories in which an identical message within a day is a duplicate."""

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
"""Template name of a message written by staff, which has no template."""


@dataclass(frozen=True)
class TextKind:
    """Settings of a message. on_unknown: resend once if the provider does not know the message, or hold."""

    category: str = "automatic"
    on_unknown: str = "resend"
    capped: bool = True

    @property
    def priority(self) -> int:
        """Priority; 1 is sent first."""
        return PRIORITIES[self.category]


_AUTOMATIC = TextKind()
_REPLY = TextKind("reply", capped=False)
_STAFF = TextKind("staff", capped=False)
_WRITTEN = TextKind("written", capped=False)


def of(template: str) -> TextKind:
    """Return the settings of a template."""
    if template == WRITTEN:
        return _WRITTEN
    if template.startswith("staff_"):
        return _STAFF
    return _REPLY if template in _REPLIES else _AUTOMATIC


def priority(category: str) -> int:
    """Return the priority of a category."""
    return PRIORITIES[category]
