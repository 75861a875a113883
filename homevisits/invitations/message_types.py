"""Messages about an invitation."""

from homevisits.core.languages import N_
from homevisits.messages.message_types import MessageType

PURE = True

_PLACEHOLDERS = frozenset({"school"})

MESSAGES = (
    MessageType(name="invitation", label=N_("Would you like a visit?"), placeholders=_PLACEHOLDERS),
    *(
        MessageType(name=name, label=label, placeholders=_PLACEHOLDERS, category="reply")
        for name, label in (
            ("invitation_yes", N_("They said yes")),
            ("invitation_other_time", N_("They asked for another time")),
            ("invitation_not_now", N_("They said not now")),
            ("invitation_call_me", N_("They asked for a call")),
            ("invitation_withdrawn", N_("They changed their mind")),
        )
    ),
)
