"""Quiet hours and quiet days in the family's time zone, with daylight saving time. Pure.

A message may be sent while the local time is in the window, on a day that is not quiet. A repeated hour (end of
daylight saving time) counts twice; a skipped hour does not exist.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

PURE = True

SUNDAY = 6
MAX_DAYS_SEARCHED = 400
"""Maximum number of days to search for the next window."""
MARGIN = timedelta(seconds=30)
"""Margin before the end of the window, so that the message is also delivered within it."""
MIN_VALIDITY_SECONDS, MAX_VALIDITY_SECONDS = 60, 36_000
"""Bounds of the validity period in seconds."""


class TextHours(Protocol):
    """The district's settings for sending hours, as times such as "09:00"."""

    @property
    def text_from(self) -> str: ...
    @property
    def text_until(self) -> str: ...
    @property
    def text_sunday_from(self) -> str: ...
    @property
    def text_sunday_until(self) -> str: ...
    @property
    def texts_per_day(self) -> int: ...
    @property
    def texts_per_week(self) -> int: ...


@dataclass(frozen=True)
class Limits:
    """Sending hours (start included, end excluded) and the maximum number of messages per phone."""

    from_: time = time(9)
    until: time = time(20)
    sunday_from: time = time(12)
    sunday_until: time = time(20)
    per_day: int = 3
    per_week: int = 8

    @classmethod
    def of(cls, policy: TextHours) -> "Limits":
        """Return the limits of a district's policy."""
        return cls(
            from_=time.fromisoformat(policy.text_from),
            until=time.fromisoformat(policy.text_until),
            sunday_from=time.fromisoformat(policy.text_sunday_from),
            sunday_until=time.fromisoformat(policy.text_sunday_until),
            per_day=policy.texts_per_day,
            per_week=policy.texts_per_week,
        )

    def window(self, day: date) -> tuple[time, time]:
        """Return the sending hours of `day`."""
        sunday = day.weekday() == SUNDAY
        return (self.sunday_from, self.sunday_until) if sunday else (self.from_, self.until)


def next_opening(at: datetime, zone: str, limits: Limits, quiet_days: Collection[date] = ()) -> datetime | None:
    """Return when the next window opens (UTC, to the minute); None if `at` is in a window."""
    if _is_open(at, zone, limits, quiet_days):
        return None
    first = at.astimezone(ZoneInfo(zone)).date()
    for days in range(MAX_DAYS_SEARCHED):
        day = first + timedelta(days=days)
        if day in quiet_days:
            continue
        openings = (when for when in _instants(day, limits.window(day)[0], zone) if when > at)
        opening = next((when for when in openings if _is_open(when, zone, limits, quiet_days)), None)
        if opening is not None:
            return opening
    return at + timedelta(days=MAX_DAYS_SEARCHED)


def next_closing(at: datetime, zone: str, limits: Limits, quiet_days: Collection[date] = ()) -> datetime:
    """Return the end of the window that contains `at` (UTC); `at` itself if there is none."""
    if not _is_open(at, zone, limits, quiet_days):
        return at
    day = at.astimezone(ZoneInfo(zone)).date()
    from_, until = limits.window(day)
    # At the end of daylight saving time the clock may be set back to before the window.
    closings = [*_instants(day, until, zone), *_instants(day, from_, zone)]
    return min(when for when in closings if when > at and not _is_open(when, zone, limits, quiet_days))


def valid_for(now: datetime, window_end: datetime | None, expires_at: datetime) -> int:
    """Return the validity period in seconds, until the window ends or the message expires."""
    until = expires_at if window_end is None else min(window_end - MARGIN, expires_at)
    return max(MIN_VALIDITY_SECONDS, min(MAX_VALIDITY_SECONDS, int((until - now).total_seconds())))


def _is_open(at: datetime, zone: str, limits: Limits, quiet_days: Collection[date]) -> bool:
    shown = at.astimezone(ZoneInfo(zone))
    from_, until = limits.window(shown.date())
    return shown.date() not in quiet_days and from_ <= shown.time() < until


def _instants(day: date, at: time, zone: str) -> Iterator[datetime]:
    """Yield the instant of a local time; at a clock change, each minute between its two readings."""
    local = datetime.combine(day, at, tzinfo=ZoneInfo(zone))
    first, last = sorted(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    while first <= last:
        yield first
        first += timedelta(minutes=1)
