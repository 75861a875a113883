"""F15: no automatic message outside its hours, over a year, in six zones, with both clock changes."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homevisits.messages.dispatch import quiet_hours
from homevisits.messages.dispatch.quiet_hours import Limits

ZONES = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Anchorage",
    "America/Puerto_Rico",
)  # fmt: skip
BEGIN = datetime(2026, 7, 1, tzinfo=UTC)
YEAR = timedelta(days=366)
CHANGES = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 3, 14, tzinfo=UTC))
"""The days on which daylight saving time ends and begins in most of these zones."""

any_moment = st.one_of(
    st.integers(0, int(YEAR.total_seconds())).map(lambda seconds: BEGIN + timedelta(seconds=seconds)),
    st.tuples(st.sampled_from(CHANGES), st.integers(0, 40 * 3600)).map(lambda two: two[0] + timedelta(seconds=two[1])),
)
any_time = st.times().map(lambda at: at.replace(second=0, microsecond=0))


@st.composite
def any_limits(draw: st.DrawFn) -> Limits:
    """Any daily window, including windows that begin or end in a skipped or repeated hour."""
    weekday = sorted(draw(st.tuples(any_time, any_time).filter(lambda two: two[0] != two[1])))
    sunday = sorted(draw(st.tuples(any_time, any_time).filter(lambda two: two[0] != two[1])))
    return Limits(weekday[0], weekday[1], sunday[0], sunday[1])


any_quiet = st.sets(st.dates(date(2026, 7, 1), date(2027, 7, 1)), max_size=12)


def is_within_limits(at: datetime, zone: str, limits: Limits, quiet: set[date]) -> bool:
    """Reference implementation: whether the local wall-clock time at `at` is inside the limits."""
    local = at.astimezone(ZoneInfo(zone))
    sunday = f"{local:%A}" == "Sunday"
    from_, until = (limits.sunday_from, limits.sunday_until) if sunday else (limits.from_, limits.until)
    return from_ <= local.time() < until and local.date() not in quiet


@given(any_moment, st.sampled_from(ZONES), any_limits(), any_quiet)
def test_f15_opening_time_is_inside_the_hours(at: datetime, zone: str, limits: Limits, quiet: set[date]) -> None:
    opening = quiet_hours.next_opening(at, zone, limits, quiet)
    assert (opening is None) == is_within_limits(at, zone, limits, quiet)
    send_time = opening or at
    assert send_time >= at
    assert is_within_limits(send_time, zone, limits, quiet)


@given(any_moment, st.sampled_from(ZONES), any_limits(), any_quiet, st.integers(1, 3600))
def test_f15_opening_time_is_the_earliest_possible(
    at: datetime, zone: str, limits: Limits, quiet: set[date], earlier: int
) -> None:
    opening = quiet_hours.next_opening(at, zone, limits, quiet)
    if opening is not None:
        before = max(at, opening - timedelta(seconds=earlier))
        assert before == opening or not is_within_limits(before, zone, limits, quiet)


@given(any_moment, st.sampled_from(ZONES), any_limits(), any_quiet, st.integers(0, 14 * 3600))
def test_f15_window_is_open_until_its_closing_time(
    at: datetime, zone: str, limits: Limits, quiet: set[date], later: int
) -> None:
    end = quiet_hours.next_closing(at, zone, limits, quiet)
    if not is_within_limits(at, zone, limits, quiet):
        assert end == at
        return
    assert end > at
    assert not is_within_limits(end, zone, limits, quiet)
    inside = at + timedelta(seconds=later)
    assert inside >= end or is_within_limits(inside, zone, limits, quiet)


@given(any_moment, st.sampled_from(ZONES), st.integers(-100, 100_000), st.integers(0, 100_000))
def test_validity_period_ends_before_the_window(at: datetime, zone: str, expiry: int, window: int) -> None:
    seconds = quiet_hours.valid_for(at, at + timedelta(seconds=window), at + timedelta(seconds=expiry))
    assert 60 <= seconds <= 36_000
    assert seconds == 60 or seconds <= min(window - 30, expiry)
    assert quiet_hours.valid_for(at, None, at + timedelta(seconds=expiry)) == max(60, min(36_000, expiry))


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-10-31T20:00:00-06:00", "2026-11-01T12:00:00-07:00"),  # Saturday evening: Sunday noon, after the change
        ("2027-03-13T19:59:59-07:00", None),
        ("2027-03-13T20:00:00-07:00", "2027-03-14T12:00:00-06:00"),  # clocks go forward at night
        ("2026-10-05T08:59:59-06:00", "2026-10-05T09:00:00-06:00"),
        ("2026-10-05T09:00:00-06:00", None),
    ],
)
def test_f15_opening_time_across_a_clock_change(at: str, opens: str | None) -> None:
    opening = quiet_hours.next_opening(datetime.fromisoformat(at), "America/Denver", Limits())
    assert opening == (opens and datetime.fromisoformat(opens))


@pytest.mark.parametrize(
    ("from_", "until", "at", "opens", "closes"),
    [
        # From 02:30, which is skipped: the clock goes from 02:00 to 03:00, which is after 02:30.
        (time(2, 30), time(5), "2027-03-14T08:00:00Z", "2027-03-14T09:00:00Z", "2027-03-14T11:00:00Z"),
        # Until 02:30, which is skipped: the window closes when the clock goes from 02:00 to 03:00.
        (time(1), time(2, 30), "2027-03-14T08:00:00Z", None, "2027-03-14T09:00:00Z"),
        # From 01:30, which is repeated: the clock goes back from 02:00 to 01:00 in between.
        (time(1, 30), time(5), "2026-11-01T07:00:00Z", "2026-11-01T07:30:00Z", "2026-11-01T08:00:00Z"),
        (time(1, 30), time(5), "2026-11-01T08:10:00Z", "2026-11-01T08:30:00Z", "2026-11-01T12:00:00Z"),
    ],
)
def test_f15_limits_in_a_skipped_or_repeated_hour(
    from_: time, until: time, at: str, opens: str | None, closes: str
) -> None:
    limits = Limits(from_, until, from_, until)
    moment = datetime.fromisoformat(at)
    opening = quiet_hours.next_opening(moment, "America/Denver", limits)
    assert opening == (opens and datetime.fromisoformat(opens))
    assert quiet_hours.next_closing(opening or moment, "America/Denver", limits) == datetime.fromisoformat(closes)


def test_opening_time_after_80_quiet_days() -> None:
    summer = {date(2026, 6, 1) + timedelta(days=day) for day in range(80)}
    opening = quiet_hours.next_opening(datetime(2026, 6, 1, 16, tzinfo=UTC), "America/Denver", Limits(), summer)
    assert opening == datetime(2026, 8, 20, 15, tzinfo=UTC)


def test_opening_is_searched_for_a_limited_number_of_days() -> None:
    at = datetime(2026, 6, 1, 4, tzinfo=UTC)
    quiet = {at.date() + timedelta(days=day) for day in range(-1, quiet_hours.MAX_DAYS_SEARCHED + 1)}
    opening = quiet_hours.next_opening(at, "America/Denver", Limits(), quiet)
    assert opening == at + timedelta(days=quiet_hours.MAX_DAYS_SEARCHED)
