"""Parse the Retry-After header."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from homevisits.core import clock

MAX_WAIT_SECONDS = 3600.0


def parse_retry_after(retry_after: str, answered: str = "") -> float | None:
    """Return the seconds of a Retry-After header, at most an hour; None if it is invalid.

    It is a number of seconds or a date (RFC 9110, 10.2.3); a date is taken by the provider's own clock, `answered`.
    """
    asked = retry_after.strip()
    if asked.isascii() and asked.isdigit():
        return min(float(asked), MAX_WAIT_SECONDS)
    until = _moment(asked)
    if until is None:
        return None
    return min(max((until - (_moment(answered) or clock.now())).total_seconds(), 0.0), MAX_WAIT_SECONDS)


def _moment(header: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(header)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
