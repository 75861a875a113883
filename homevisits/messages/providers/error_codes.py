"""What a carrier's code means for a text, its phone and its sender: one table, pure data.

Codes are text: Twilio's numbers ("21610"), HTTP statuses where there is nothing better ("503"), words of our own
("no_answer"). The words for people stand in `reasons.py`.
"""

from enum import StrEnum
from types import MappingProxyType

PURE = True


class ErrorClass(StrEnum):
    """What to do about a code."""

    RETRY = "retry"  # surely not taken: later again, not counted as a try
    UNKNOWN = "unknown"  # nobody knows: look for it at the carrier before anything else
    SAID_NO = "said_no"  # the person told the carrier to stop: no text from any sender
    BAD_NUMBER = "bad_number"  # no text will ever reach this phone
    TRANSIENT = "transient"  # taken, not delivered yet: once more, half an hour later
    QUEUE_FULL = "queue_full"  # the carrier's queue of this sender is full: the sender pauses
    DAILY_CAP = "daily_cap"  # the sender has had its share of the day: until midnight, Pacific time
    TOO_LATE = "too_late"  # it waited longer than it was good for
    CONTENT = "content"  # the words are taken for spam
    ACCOUNT = "account"  # account or sender: nothing is wrong with the text, a person must see to it
    REJECTED = "rejected"  # the rest: it will not be taken


KINDS = MappingProxyType(
    {
        **dict.fromkeys(("429", "20429", "no_connection"), ErrorClass.RETRY),
        **dict.fromkeys(("20500", "20503", "30410"), ErrorClass.UNKNOWN),
        **dict.fromkeys(("no_answer", "unreadable_answer", "worker_went_away", "carrier_bug"), ErrorClass.UNKNOWN),
        "21610": ErrorClass.SAID_NO,
        **dict.fromkeys(
            ("21211", "21214", "21604", "21614", "21635", "30005", "30006", "21612"), ErrorClass.BAD_NUMBER
        ),
        **dict.fromkeys(("30003", "30008", "30017", "30022"), ErrorClass.TRANSIENT),
        **dict.fromkeys(("21611", "30001"), ErrorClass.QUEUE_FULL),
        **dict.fromkeys(("30023", "30027", "63038"), ErrorClass.DAILY_CAP),
        "30036": ErrorClass.TOO_LATE,
        **dict.fromkeys(("30007", "30004", "21617", "21602"), ErrorClass.CONTENT),
        **dict.fromkeys(
            ("20003", "20005", "30002", "21606", "21703", "21705", "30032", "30034", "21408", "401", "403"),
            ErrorClass.ACCOUNT,
        ),
        # Kannel's own answers, and how a report of it ends.
        "kannel_busy": ErrorClass.RETRY,
        "kannel_undelivered": ErrorClass.TRANSIENT,
        **dict.fromkeys(("kannel_not_routable", "kannel_smsc_rejected", "kannel_refused"), ErrorClass.REJECTED),
    }
)
"""Every code there is a rule for."""
ACCOUNT_WIDE = frozenset({"20003", "20005", "30002", "401", "403"})
"""Nothing of this carrier works, whichever sender is taken."""
NEEDS_REGISTRATION = frozenset({"30032", "30034"})
"""The sender is not registered: only a person can change that, and trying again changes nothing."""


def error_class(code: str) -> ErrorClass:
    """What `code` means. Any HTTP status from 500 up is unknown; a code without a rule is a refusal."""
    if code not in KINDS and _server_error(code):
        return ErrorClass.UNKNOWN
    return KINDS.get(code, ErrorClass.REJECTED)


def known(code: str) -> bool:
    """Whether there is a rule for `code`. The first of each that has none is told to a person."""
    return code in KINDS or _server_error(code)


def _server_error(code: str) -> bool:
    return len(code) == 3 and code.isascii() and code.isdigit() and code[0] == "5"
