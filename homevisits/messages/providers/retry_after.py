"""Parse the Retry-After header."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from homevisits.core import clock

MAX_WAIT_SECONDS = 3600.0


def parse_retry_after(retry_after: str, response_date: str = "") -> float | None:
    """Return the seconds of a Retry-After header, at most an hour; None if it is invalid.

    The header is a number of seconds or a date (RFC 9110, 10.2.3). A date is relative to the provider's clock:
    response_date is the Date header of the response.
    """
    value = retry_after.strip()
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_WAIT_SECONDS)
    until = _parse_date(value)
    if until is None:
        return None
    return min(max((until - (_parse_date(response_date) or clock.now())).total_seconds(), 0.0), MAX_WAIT_SECONDS)


def _parse_date(header: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
