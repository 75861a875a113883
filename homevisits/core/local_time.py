"""Convert between UTC and the local time of a school's time zone. Pure functions."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def to_utc(day: date, at: time, zone: str) -> datetime | None:
    """Convert a local date and time in `zone` (IANA name) to UTC.

    Returns None for a time skipped by daylight saving. A repeated time at the end of daylight saving means the first of
    the two (PEP 495, `fold=0`).
    """
    wall_time = datetime.combine(day, at, tzinfo=ZoneInfo(zone))
    instant = wall_time.astimezone(UTC)
    if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != wall_time.replace(tzinfo=None):
        return None
    return instant


def to_local(at: datetime, zone: str) -> datetime:
    """Convert an aware datetime to the local time of `zone`."""
    return at.astimezone(ZoneInfo(zone))
