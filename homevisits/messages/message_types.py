"""Registry of message types: what each message is and how it is treated.

Every feature declares its messages in its own `messages.py`; `homevisits.all_messages` registers them. Everything else
(priorities, limits, labels, required templates) derives from the declarations.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

PURE = True

Category = Literal["reply", "urgent", "written", "automatic", "staff"]

# Priority by category, 1 first: a reply to a family does not wait behind reminders.
PRIORITIES: Mapping[str, int] = MappingProxyType({"reply": 1, "urgent": 2, "written": 4, "automatic": 5, "staff": 5})
IN_ORDER = tuple(sorted(set(PRIORITIES.values())))

EXEMPT = frozenset({"reply", "urgent"})  # from quiet hours
QUIET_DAY_CATEGORIES = frozenset({"automatic", "staff"})  # messages written by staff are sent on quiet days
CAPPED = frozenset({"automatic"})  # limited to a number per day and week
DEDUPLICATED = frozenset({"automatic", "staff"})  # an identical message within a day is a duplicate

WRITTEN = "written"  # template name of a message written by staff, which has no template
QUICK_REPLY_PREFIX = "canned_"  # a district can add quick replies of its own


class UnknownMessageType(LookupError):
    """No message type is registered under this name."""


@dataclass(frozen=True, kw_only=True)
class MessageType:
    """A message with a template. Features extend this class with what only they need.

    label: English title on the pages, marked for translation with `N_`.
    placeholders: names of the values that its template may use, besides `site`.
    required: a language is used only if this template is approved. Otherwise a person can do without the message.
    can_be_switched_off: the policy key `texts_off` may name it.
    sent_after_opt_out: it confirms an opt-out or answers HELP.
    on_unknown: whether to send it once more if the provider does not know a message with an unknown outcome.
    """

    name: str
    label: str
    placeholders: frozenset[str] = frozenset()
    category: Category = "automatic"
    audience: Literal["family", "staff"] = "family"
    required: bool = True
    can_be_switched_off: bool = False
    sent_after_opt_out: bool = False
    on_unknown: Literal["resend", "hold"] = "resend"

    @property
    def is_quick_reply(self) -> bool:
        """Whether staff choose it in a conversation."""
        return self.name.startswith(QUICK_REPLY_PREFIX)


_WRITTEN_TYPE = MessageType(name=WRITTEN, label="", category="written", required=False)
_types: Mapping[str, MessageType] = MappingProxyType({})


def register(types: Iterable[MessageType]) -> None:
    """Set the message types of this process. Called once, by `homevisits.all_messages`.

    Raises ValueError if two have the same name.
    """
    global _types
    registered: dict[str, MessageType] = {}
    for message_type in types:
        if message_type.name in registered or message_type.name == WRITTEN:
            raise ValueError(f"the message type {message_type.name} is declared twice")
        registered[message_type.name] = message_type
    _types = MappingProxyType(registered)


def all_types() -> tuple[MessageType, ...]:
    """Return the message types that have a template, in the order of their registration."""
    if not _types:
        raise RuntimeError("no message types are registered: import homevisits.all_messages")
    return tuple(_types.values())


def find(name: str) -> MessageType | None:
    """Return the message type of a template; None if there is none."""
    if name == WRITTEN:
        return _WRITTEN_TYPE
    if not _types:
        raise RuntimeError("no message types are registered: import homevisits.all_messages")
    if name not in _types and name.startswith(QUICK_REPLY_PREFIX):
        return MessageType(name=name, label=name, category="written", required=False)
    return _types.get(name)


def get(name: str) -> MessageType:
    """Return the message type of a template. Raises `UnknownMessageType`."""
    message_type = find(name)
    if message_type is None:
        raise UnknownMessageType(name)
    return message_type


def names_sent_after_opt_out() -> frozenset[str]:
    """Return the templates that are sent even after an opt-out: its confirmation and the HELP reply."""
    return frozenset(message_type.name for message_type in all_types() if message_type.sent_after_opt_out)


def switch_off_problems(names: Iterable[str]) -> list[str]:
    """Return a sentence for each of `names` that the policy cannot switch off."""
    allowed = {message_type.name for message_type in all_types() if message_type.can_be_switched_off}
    known = {message_type.name for message_type in all_types()}
    choices = f"only these can: {', '.join(sorted(allowed))}"
    return [
        f"texts_off: {name} cannot be switched off; {choices}"
        if name in known
        else f"texts_off: there is no message {name} to switch off; {choices}"
        for name in sorted(set(names) - allowed)
    ]


def priority(category: str) -> int:
    """Return the priority of a category."""
    return PRIORITIES[category]
