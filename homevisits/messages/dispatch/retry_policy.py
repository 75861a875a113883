"""Retry policy: how often a message is tried, how long to wait, and when to look for an unconfirmed attempt."""

import secrets
from datetime import timedelta

from homevisits.messages.providers.error_codes import ErrorClass

PURE = True

MAX_ATTEMPTS = 6


MAX_BACKOFF_SECONDS = 900.0


LOOKUP_DELAYS = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
"""Delays of the lookups at the provider after an attempt became unclear."""


POLL_INTERVAL = timedelta(hours=1)


RESEND_AFTER = timedelta(minutes=30)


UNCOUNTED_ERRORS = frozenset({ErrorClass.RETRY, ErrorClass.ACCOUNT, ErrorClass.QUEUE_FULL, ErrorClass.DAILY_CAP})
"""Errors unrelated to the message, which do not count as attempts."""


SENDER_ERRORS = frozenset({ErrorClass.ACCOUNT, ErrorClass.QUEUE_FULL, ErrorClass.DAILY_CAP})
"""Errors of the sender: another sender may send the message at once."""


def backoff_seconds(tries: int) -> float:
    """Return seconds to wait: exponential backoff with full jitter."""
    return secrets.randbelow(int(min(MAX_BACKOFF_SECONDS, 2.0 * 2.0 ** min(tries, 12)) * 1000) + 1) / 1000
