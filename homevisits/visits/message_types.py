"""Messages about a visit, to the family and to the pair. `notifications` plans them; `send_checks` checks them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

from homevisits.core.languages import N_
from homevisits.messages.message_types import MessageType

PURE = True

Purpose = Literal["announce_time", "remind", "cancel", "other"]


@dataclass(frozen=True, kw_only=True)
class VisitMessage(MessageType):
    """A message about a visit.

    purpose: what the family learns from it. A cancellation is also sent to a family that has left the district.
    states: of the visit, in which the message is true. Empty: a reply to the family, sent in every state.
    before_start: it is of no use once the visit has begun.
    needs_consent: it is sent only while the family's yes is valid.
    member_states: of the recipient in the pair, in which a message to staff is true. Empty: every state.
    """

    placeholders: frozenset[str] = frozenset({"school", "people", "day", "time"})
    purpose: Purpose = "other"
    states: frozenset[str] = frozenset()
    before_start: bool = False
    needs_consent: bool = False
    member_states: frozenset[str] = frozenset()


_SCHEDULED = frozenset({"scheduled"})
_CONFIRMED = frozenset({"confirmed"})
_ARRANGED = _SCHEDULED | _CONFIRMED
_PROPOSED = frozenset({"proposed"})
_CANCELLED_BY_EDUCATOR = frozenset({"cancelled_by_educator"})
_ASKED = frozenset({"asked"})
_COMING = frozenset({"coming"})

# Announces the time of the visit to the family and asks whether it suits.
_announcement = partial(VisitMessage, purpose="announce_time", states=_SCHEDULED, before_start=True, needs_consent=True)
_reminder = partial(VisitMessage, purpose="remind", before_start=True, needs_consent=True, can_be_switched_off=True)
_cancellation = partial(VisitMessage, purpose="cancel", states=_CANCELLED_BY_EDUCATOR, before_start=True)
_reply = partial(VisitMessage, category="reply")
_to_staff = partial(
    VisitMessage,
    category="staff",
    audience="staff",
    required=False,
    can_be_switched_off=True,
    placeholders=frozenset({"school", "partner", "day", "time", "visit"}),
)

# In the order of a visit's life, which is their order on the Texts page.
MESSAGES: tuple[VisitMessage, ...] = (
    _announcement(name="visit_confirm", label=N_("Does this time work for you?")),
    _reply(name="visit_confirmed", label=N_("They confirmed the visit"), states=_CONFIRMED, can_be_switched_off=True),
    _reminder(name="visit_reminder", label=N_("Reminder of the visit"), states=_ARRANGED),
    _reminder(name="visit_see_you", label=N_("Reminder of a confirmed visit"), states=_CONFIRMED, required=False),
    _announcement(name="visit_moved", label=N_("The visit has a new time")),
    _announcement(name="visit_now_at", label=N_("They answered about an old time"), category="reply"),
    _reply(
        name="visit_new_time_soon",
        label=N_("They answered about an old time, and there is no new time yet"),
        states=_PROPOSED,
    ),
    _cancellation(name="visit_cancelled", label=N_("The school cannot come")),
    _cancellation(name="visit_off", label=N_("The visit will not take place"), required=False),
    _reply(name="visit_other_time", label=N_("They asked for another time of a visit")),
    _reply(name="visit_ended_by_family", label=N_("They do not want a visit now")),
    _reply(name="visit_call_me", label=N_("They asked for a call about a visit")),
    VisitMessage(
        name="visit_thanks",
        label=N_("Thank you for the visit"),
        states=frozenset({"completed"}),
        needs_consent=True,
        required=False,
        can_be_switched_off=True,
    ),
    _to_staff(
        name="staff_asked",
        label=N_("A colleague invites you to a visit"),
        states=_PROPOSED,
        member_states=_ASKED,
        before_start=True,
    ),
    _to_staff(
        name="staff_reminder",
        label=N_("Reminder of your visit"),
        states=_ARRANGED,
        member_states=_COMING,
        before_start=True,
        needs_consent=True,
    ),
    _to_staff(
        name="staff_moved",
        label=N_("Your visit has a new time"),
        states=_PROPOSED,
        member_states=_ASKED,
        before_start=True,
    ),
    _to_staff(name="staff_stand_in", label=N_("Your partner cannot come"), states=_PROPOSED, member_states=_COMING),
    _to_staff(
        name="staff_cancelled",
        label=N_("Your visit will not take place"),
        states=_CANCELLED_BY_EDUCATOR | {"cancelled_by_family"},
    ),
)
BY_NAME: Mapping[str, VisitMessage] = MappingProxyType({message.name: message for message in MESSAGES})


def templates_with_purpose(purpose: Purpose) -> tuple[str, ...]:
    """Return the names of the templates with this purpose."""
    return tuple(message.name for message in MESSAGES if message.purpose == purpose)
