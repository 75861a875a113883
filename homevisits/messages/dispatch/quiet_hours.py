"""When a text may leave, pure: the hours of a day on the family's own clock, quiet days, and both ends of summer time.

The rule is about what a clock on the family's wall shows: a text may leave while it shows a time of the window, on a
day that is not quiet. An hour that comes twice counts twice; one that is left out counts not at all.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

PURE = True

SUNDAY = 6
FAR = 400
"""Days to look ahead for an hour: longer than any summer."""
MARGIN = timedelta(seconds=30)
"""A text is let go so long before the window ends: it must arrive inside it, not leave inside it."""
SHORTEST, LONGEST = 60, 36_000
"""Seconds a carrier may be told that a text is good for."""


class TextHours(Protocol):
    """What a district's policy says about hours, as clock times such as "09:00"."""

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
    """The hours of a day, later ones on Sunday (from included, until excluded), and how many texts a phone gets."""

    from_: time = time(9)
    until: time = time(20)
    sunday_from: time = time(12)
    sunday_until: time = time(20)
    per_day: int = 3
    per_week: int = 8

    @classmethod
    def of(cls, policy: TextHours) -> "Limits":
        """The limits a district's policy sets."""
        return cls(
            time.fromisoformat(policy.text_from),
            time.fromisoformat(policy.text_until),
            time.fromisoformat(policy.text_sunday_from),
            time.fromisoformat(policy.text_sunday_until),
            policy.texts_per_day,
            policy.texts_per_week,
        )

    def window(self, day: date) -> tuple[time, time]:
        """The hours of `day`."""
        sunday = day.weekday() == SUNDAY
        return (self.sunday_from, self.sunday_until) if sunday else (self.from_, self.until)


def opens(at: datetime, zone: str, limits: Limits, quiet_days: Collection[date] = ()) -> datetime | None:
    """None when a text may leave at `at`; otherwise the next moment it may (UTC, to the minute)."""
    if _open(at, zone, limits, quiet_days):
        return None
    first = at.astimezone(ZoneInfo(zone)).date()
    for ahead in range(FAR):
        day = first + timedelta(days=ahead)
        if day in quiet_days:
            continue
        begins = (when for when in _moments(day, limits.window(day)[0], zone) if when > at)
        found = next((when for when in begins if _open(when, zone, limits, quiet_days)), None)
        if found is not None:
            return found
    return at + timedelta(days=FAR)


def closes(at: datetime, zone: str, limits: Limits, quiet_days: Collection[date] = ()) -> datetime:
    """When the window ends that `at` lies in (UTC); `at` itself when it lies in none."""
    if not _open(at, zone, limits, quiet_days):
        return at
    day = at.astimezone(ZoneInfo(zone)).date()
    from_, until = limits.window(day)
    # Where an hour comes twice, the clock may be put back to before the window begins.
    edges = [*_moments(day, until, zone), *_moments(day, from_, zone)]
    return min(when for when in edges if when > at and not _open(when, zone, limits, quiet_days))


def valid_for(now: datetime, window_end: datetime | None, expires_at: datetime) -> int:
    """Seconds to tell the carrier that the text is good for: it is given up before the window ends or it is no use."""
    until = expires_at if window_end is None else min(window_end - MARGIN, expires_at)
    return max(SHORTEST, min(LONGEST, int((until - now).total_seconds())))


def _open(at: datetime, zone: str, limits: Limits, quiet_days: Collection[date]) -> bool:
    shown = at.astimezone(ZoneInfo(zone))
    from_, until = limits.window(shown.date())
    return shown.date() not in quiet_days and from_ <= shown.time() < until


def _moments(day: date, at: time, zone: str) -> Iterator[datetime]:
    """The moment clocks show `day` `at`; where they are put on or back, each minute between the two it can mean."""
    local = datetime.combine(day, at, tzinfo=ZoneInfo(zone))
    first, last = sorted(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    while first <= last:
        yield first
        first += timedelta(minutes=1)
