"""Error codes of the providers and how to handle them. Pure.

A code is Twilio's number ("21610"), an HTTP status if there is no other code ("503"), or an internal code
("no_answer"). The explanations for staff are in `homevisits.messages.labels`.
"""

from enum import StrEnum
from types import MappingProxyType

PURE = True


class ErrorClass(StrEnum):
    """How to handle an error code."""

    RETRY = "retry"  # certainly not sent: retry later, not counted as an attempt
    UNKNOWN = "unknown"  # outcome unknown: look it up at the provider
    OPTED_OUT = "opted_out"  # opted out at the provider: block for all senders
    BAD_NUMBER = "bad_number"  # phone cannot receive messages
    TRANSIENT = "transient"  # accepted, not delivered: retry once after 30 minutes
    QUEUE_FULL = "queue_full"  # the provider's queue is full: pause the sender
    DAILY_CAP = "daily_cap"  # daily cap: pause the sender until midnight Pacific time
    TOO_LATE = "too_late"  # validity period expired
    CONTENT = "content"  # filtered as spam
    ACCOUNT = "account"  # account or sender problem that staff must fix
    REJECTED = "rejected"  # any other permanent error


# All known codes.
ERROR_CLASSES = MappingProxyType(
    {
        **dict.fromkeys(("429", "20429", "no_connection"), ErrorClass.RETRY),
        **dict.fromkeys(("20500", "20503", "30410"), ErrorClass.UNKNOWN),
        **dict.fromkeys(("no_answer", "unreadable_answer", "worker_went_away", "provider_bug"), ErrorClass.UNKNOWN),
        "21610": ErrorClass.OPTED_OUT,
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
        # Kannel responses and report types.
        "kannel_busy": ErrorClass.RETRY,
        "kannel_undelivered": ErrorClass.TRANSIENT,
        **dict.fromkeys(("kannel_not_routable", "kannel_smsc_rejected", "kannel_refused"), ErrorClass.REJECTED),
    }
)
ACCOUNT_WIDE = frozenset({"20003", "20005", "30002", "401", "403"})  # affect all senders of the provider
NEEDS_REGISTRATION = frozenset({"30032", "30034"})  # the sender is not registered; only staff can correct it


def error_class(code: str) -> ErrorClass:
    """Classify `code`. HTTP statuses of 500 and above are UNKNOWN; unlisted codes are REJECTED."""
    if code not in ERROR_CLASSES and _is_server_error(code):
        return ErrorClass.UNKNOWN
    return ERROR_CLASSES.get(code, ErrorClass.REJECTED)


def is_known(code: str) -> bool:
    """Whether `code` is in the table. Unknown codes raise an alert."""
    return code in ERROR_CLASSES or _is_server_error(code)


def _is_server_error(code: str) -> bool:
    return len(code) == 3 and code.isascii() and code.isdigit() and code[0] == "5"
