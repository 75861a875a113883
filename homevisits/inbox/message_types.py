"""Replies to incoming messages, and the quick replies that staff can choose in a conversation."""

from dataclasses import dataclass
from functools import partial

from homevisits.core.languages import N_
from homevisits.messages.message_types import MessageType

PURE = True

_PLACEHOLDERS = frozenset({"school"})


@dataclass(frozen=True, kw_only=True)
class Reply(MessageType):
    """An automatic reply. exempt_from_reply_limit: it is sent also to a phone that got too many replies."""

    placeholders: frozenset[str] = _PLACEHOLDERS
    exempt_from_reply_limit: bool = False


@dataclass(frozen=True, kw_only=True)
class QuickReply(MessageType):
    """A reply that staff choose. choice: English title in the conversation, marked for translation."""

    placeholders: frozenset[str] = _PLACEHOLDERS
    choice: str


_reply = partial(Reply, category="reply")
_confirmation = partial(_reply, sent_after_opt_out=True, exempt_from_reply_limit=True)
_quick_reply = partial(QuickReply, category="written", required=False)

REPLIES: tuple[Reply, ...] = (
    _reply(
        name="which",
        label=N_("Their answer could be about two things"),
        placeholders=_PLACEHOLDERS | {"choices"},
        required=False,
    ),
    _reply(name="unclear", label=N_("Their answer was not clear")),
    _reply(name="nothing_to_answer", label=N_("They answered, and no question was open"), required=False),
    _reply(name="polite_stop", label=N_("They asked politely for fewer texts")),
    _confirmation(name="wrong_number_confirmed", label=N_("The number belongs to someone else")),
    _reply(name="help", label=N_("They asked for help"), sent_after_opt_out=True),
    _confirmation(name="stop_confirmed", label=N_("They asked for no more texts")),
    _reply(name="start_confirmed", label=N_("They want texts again")),
    Reply(
        name="staff_reply",
        label=N_("You answered a text about your visits"),
        category="staff",
        audience="staff",
        required=False,
    ),
)
QUICK_REPLIES: tuple[QuickReply, ...] = (
    _quick_reply(
        name="canned_thanks",
        label=N_("Quick reply: thank you for telling us"),
        choice=N_("Thank you for telling us"),
    ),
    _quick_reply(name="canned_will_call", label=N_("Quick reply: we will call you"), choice=N_("We will call you")),
    _quick_reply(
        name="canned_what_time",
        label=N_("Quick reply: which days and times work for you?"),
        choice=N_("Which days and times work for you?"),
    ),
    _quick_reply(name="canned_who_comes", label=N_("Quick reply: who is coming"), choice=N_("Who is coming")),
    _quick_reply(
        name="canned_nothing_to_prepare",
        label=N_("Quick reply: there is nothing to prepare"),
        choice=N_("There is nothing to prepare"),
    ),
    _quick_reply(
        name="canned_your_place",
        label=N_("Quick reply: at home, or somewhere else"),
        choice=N_("At home, or somewhere else"),
    ),
    _quick_reply(name="canned_your_choice", label=N_("Quick reply: it is your choice"), choice=N_("It is your choice")),
)
MESSAGES: tuple[MessageType, ...] = (*REPLIES, *QUICK_REPLIES)
