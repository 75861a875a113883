"""Adaptive rate limit of a sender: halved after a rate-limit error, then increased again. Pure.

Rates are in segments per second. The rate at any time is computed from three stored values (the failed rate, its time
and the reduced rate), so that all workers use the same rate. Simulated with a leaky bucket (nginx's limit_req) of 50 a
second from initial rates of 80 and 200, of 10 from 80, and of 70 from 80: from the tenth second on at least 97 % of the
limit is used, and less than 1 % of the calls exceed it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

PURE = True

PACIFIC = ZoneInfo("America/Los_Angeles")  # the mobile carriers reset daily caps at midnight in this time zone
MIN_SLOWDOWN_INTERVAL = timedelta(seconds=1)  # the rate is reduced at most once in this time
REPEAT_WINDOW = timedelta(seconds=1.5)  # another error within this time means that the rate was much too high
REPEAT_FACTOR = 0.8  # of the failed rate, after another error within REPEAT_WINDOW
# After an error: HOLD_SECONDS at half the failed rate, then RAMP_SECONDS up to RAMP_SHARE of it, then CLIMB_SECONDS up
# to CLIMB_SHARE of it, then growth without limit.
HOLD_SECONDS, RAMP_SECONDS, CLIMB_SECONDS = 0.2, 0.3, 5.0
RAMP_SHARE, CLIMB_SHARE = 0.9, 0.97
GROWTH_PER_MINUTE = 1.05
MIN_RATE = 0.05


@dataclass(frozen=True)
class Slowdown:
    """A reduction of the rate after a rate-limit error. Rates are in segments per second."""

    failed_rate: float
    at: datetime
    reduced_rate: float


def rate_at(full_rate: float, slowdown: Slowdown | None, now: datetime) -> float:
    """Return the rate at `now`, at most `full_rate`."""
    if slowdown is None:
        return full_rate
    elapsed = (now - slowdown.at).total_seconds() - HOLD_SECONDS
    reduced = slowdown.reduced_rate
    if elapsed <= 0:
        return min(full_rate, reduced)
    ramp_end, climb_end = RAMP_SHARE * slowdown.failed_rate, CLIMB_SHARE * slowdown.failed_rate
    if elapsed < RAMP_SECONDS:
        return min(full_rate, reduced + (ramp_end - reduced) * elapsed / RAMP_SECONDS)
    elapsed -= RAMP_SECONDS
    if elapsed < CLIMB_SECONDS:
        return min(full_rate, ramp_end + (climb_end - ramp_end) * elapsed / CLIMB_SECONDS)
    minutes = min((elapsed - CLIMB_SECONDS) / 60, 600.0)
    return min(full_rate, float(climb_end * GROWTH_PER_MINUTE**minutes))


def slow_down(full_rate: float, slowdown: Slowdown | None, now: datetime) -> Slowdown | None:
    """Return the new slowdown after a rate-limit error; None if it is already recorded."""
    if slowdown is not None and now - slowdown.at < MIN_SLOWDOWN_INTERVAL:
        return None
    failed_rate = rate_at(full_rate, slowdown, now)
    if slowdown is not None and now - slowdown.at < REPEAT_WINDOW:
        failed_rate = min(failed_rate, REPEAT_FACTOR * slowdown.failed_rate)
    failed_rate = max(failed_rate, MIN_RATE)
    return Slowdown(failed_rate=failed_rate, at=now, reduced_rate=max(failed_rate / 2, MIN_RATE))


def bucket_size(rate: float) -> float:
    """Return the size of the token bucket in segments: 0.1 to 3 seconds of the rate, the most for slow senders."""
    return max(1.0, min(3 * rate, 5.0), rate / 10)


def pacific_midnight(now: datetime, days: int = 1) -> datetime:
    """Return the next Pacific midnight in UTC (the previous if `days` is 0), when daily caps are reset."""
    day = now.astimezone(PACIFIC).date() + timedelta(days=days)
    return datetime(day.year, day.month, day.day, tzinfo=PACIFIC).astimezone(UTC)
