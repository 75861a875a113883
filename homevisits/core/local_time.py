"""Conversion between moments (aware, UTC) and the wall time of a school's zone. Pure."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def moment(day: date, at: time, zone: str) -> datetime | None:
    """The moment at which clocks in `zone` (IANA name) show `day` `at`, in UTC; None for an hour that does not exist.

    An hour that comes twice (the end of summer time) means its first pass, as PEP 495 has it with ``fold=0``.
    """
    local = datetime.combine(day, at, tzinfo=ZoneInfo(zone))
    found = local.astimezone(UTC)
    if found.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local.replace(tzinfo=None):
        return None
    return found


def local(at: datetime, zone: str) -> datetime:
    """`at` as clocks in `zone` show it (aware)."""
    return at.astimezone(ZoneInfo(zone))
