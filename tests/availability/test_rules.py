from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homevisits.availability.rules import (
    Interval,
    Schedule,
    Slot,
    VisitDuration,
    WeeklyInterval,
    check_available,
    check_no_conflict,
    check_within_hours,
    find_slots,
    intervals_on,
    possible_starts,
    select_best_slots,
)
from homevisits.core.problems import Problem

NEW_YORK = "America/New_York"
LENGTH = VisitDuration(timedelta(minutes=45), timedelta(minutes=30))
SPRING, AUTUMN = date(2027, 3, 14), date(2026, 11, 1)  # both Sundays
TUESDAY = date(2026, 10, 6)


def hours(starts: str, ends: str, weekday: int = 6) -> WeeklyInterval:
    return WeeklyInterval(weekday, time.fromisoformat(starts), time.fromisoformat(ends))


def utc(day: int, hour: int, minute: int = 0, month: int = 10) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def wall_time(moment: datetime) -> str:
    return moment.astimezone(ZoneInfo(NEW_YORK)).strftime("%H:%M")


@pytest.mark.parametrize(
    ("day", "starts", "ends", "minutes", "first", "last"),
    [
        (SPRING, "01:00", "04:00", 120, "01:00", "04:00"),  # 2 am is skipped
        (SPRING, "02:30", "05:00", 120, "03:00", "05:00"),  # starts within the skipped hour
        (SPRING, "00:30", "02:30", 90, "00:30", "03:00"),  # ends within the skipped hour
        (AUTUMN, "00:00", "04:00", 300, "00:00", "04:00"),  # 1 am occurs twice
        (AUTUMN, "16:00", "19:00", 180, "16:00", "19:00"),  # the afternoon is not affected by the clock change
        (SPRING, "16:00", "19:00", 180, "16:00", "19:00"),
    ],
)
def test_weekly_hours_are_converted_to_utc_for_each_day(
    day: date, starts: str, ends: str, *, minutes: int, first: str, last: str
) -> None:
    (span,) = intervals_on((hours(starts, ends),), day, NEW_YORK)
    assert span.ends_at - span.starts_at == timedelta(minutes=minutes)
    assert (wall_time(span.starts_at), wall_time(span.ends_at)) == (first, last)


def test_hours_within_a_skipped_hour_are_dropped() -> None:
    assert intervals_on((hours("02:00", "03:00"),), SPRING, NEW_YORK) == ()


def test_touching_intervals_are_merged_and_other_weekdays_ignored() -> None:
    weekly_hours = (
        hours("16:00", "17:00"),
        hours("17:00", "18:00"),
        hours("10:00", "12:00"),
        hours("09:00", "20:00", 0),
    )
    assert [(wall_time(s.starts_at), wall_time(s.ends_at)) for s in intervals_on(weekly_hours, AUTUMN, NEW_YORK)] == [
        ("10:00", "12:00"),
        ("16:00", "18:00"),
    ]


def test_interval_until_midnight_ends_with_the_day() -> None:
    (span,) = intervals_on((hours("22:00", "00:00"),), AUTUMN, NEW_YORK)
    assert span.ends_at - span.starts_at == timedelta(hours=2)


@given(st.dates(date(2024, 1, 1), date(2030, 12, 31)), st.sampled_from(["America/Denver", NEW_YORK, "Europe/London"]))
def test_offered_starts_are_valid_across_clock_changes(day: date, zone: str) -> None:
    schedule = Schedule(1, "Grace", tuple(WeeklyInterval(weekday, time(0), time(23, 45)) for weekday in range(7)))
    starts = list(possible_starts(schedule, day, LENGTH, zone))
    assert starts == sorted(set(starts))
    for at in starts:
        assert at.astimezone(ZoneInfo(zone)).date() == day
        assert check_within_hours(schedule, LENGTH.meeting(at), zone) == []
    assert len(starts) in (89, 93, 97)  # 23, 24 and 25 hours


@pytest.mark.parametrize(
    ("start", "refused"),
    [
        (utc(6, 19, 45), False),  # ends, including travel, when the other visit starts
        (utc(6, 19, 46), True),
        (utc(6, 22, 14), True),
        (utc(6, 22, 15), False),  # starts when the travel after the other visit ends
        (utc(6, 21, 30), True),
    ],
)
def test_travel_is_counted_once_after_each_visit(start: datetime, refused: bool) -> None:
    commitment = LENGTH.commitment(utc(6, 21))
    schedule = Schedule(1, "Grace", (hours("00:00", "23:59", 1),), (commitment,))
    assert bool(check_no_conflict(schedule, LENGTH.commitment(start))) is refused


def test_visit_must_lie_within_a_single_interval() -> None:
    schedule = Schedule(1, "Grace", (hours("16:00", "17:00", 1), hours("17:15", "18:00", 1)))
    zone = "UTC"
    assert check_within_hours(schedule, Interval(utc(6, 16, 15), utc(6, 17)), zone) == []
    assert check_within_hours(schedule, Interval(utc(6, 16, 16), utc(6, 17, 1)), zone)
    assert check_within_hours(schedule, Interval(utc(6, 17, 15), utc(6, 18)), zone) == []


@pytest.mark.parametrize(
    ("starts", "first"),
    [("16:00", "16:00"), ("16:01", "16:15"), ("16:14", "16:15"), ("16:15", "16:15"), ("15:55", "16:00")],
)
def test_starts_are_multiples_of_15_minutes(starts: str, first: str) -> None:
    schedule = Schedule(1, "Grace", (hours(starts, "19:00", 1),))
    offered = list(possible_starts(schedule, TUESDAY, LENGTH, NEW_YORK))
    assert wall_time(offered[0]) == first
    assert wall_time(offered[-1]) == "18:15"
    assert {later - earlier for earlier, later in pairwise(offered)} == {timedelta(minutes=15)}


def test_interval_within_another_changes_nothing() -> None:
    (span,) = intervals_on((hours("10:00", "18:00"), hours("11:00", "12:00")), AUTUMN, NEW_YORK)
    assert (wall_time(span.starts_at), wall_time(span.ends_at)) == ("10:00", "18:00")


def no_problems(_at: datetime, _day: date, _partner: int) -> list[Problem]:
    return []


def test_offered_times_are_those_that_a_booking_accepts() -> None:
    lead = Schedule(1, "Grace", (hours("15:00", "19:00", 1),), (LENGTH.commitment(utc(6, 17)),))
    partners = [Schedule(2, "Luis", (hours("15:15", "18:45", 1),)), Schedule(3, "Hoa", ())]
    result = find_slots(
        lead, partners, [TUESDAY, TUESDAY + timedelta(days=1)], length=LENGTH, zone="UTC", check=no_problems
    )
    quarter_hours = [utc(6, 0) + timedelta(minutes=15 * number) for number in range(96)]
    accepted = [
        (at, partner.id)
        for at in quarter_hours
        for partner in partners
        if not check_available(lead, at, LENGTH, "UTC") and not check_available(partner, at, LENGTH, "UTC")
    ]
    assert [(slot.starts_at, slot.partner_id) for slot in result.slots] == accepted
    assert [closed.day for closed in result.closed] == [TUESDAY + timedelta(days=1)]
    assert {problem.code for problem in result.closed[0].problems} == {"no_hours_that_day"}


def test_unavailable_day_lists_all_reasons() -> None:
    lead = Schedule(1, "Grace", (hours("16:00", "17:00", 1),))
    busy = Schedule(2, "Luis", (hours("16:00", "17:00", 1),), (Interval(utc(6, 0), utc(7, 0)),))
    check_day = lambda _at, _day, _partner: [Problem("too_soon", "start", {"hours": 24})]  # noqa: E731
    (closed,) = find_slots(lead, [busy], [TUESDAY], length=LENGTH, zone="UTC", check=check_day).closed
    assert {problem.code for problem in closed.problems} == {"already_taken", "too_soon"}


def slot(hour: int, partner: int, day: int = 6) -> Slot:
    return Slot(utc(day, hour), date(2026, 10, day), time(hour), partner)


def test_slots_are_ordered_by_partner_score_then_time() -> None:
    slots = [slot(16, 2), slot(17, 2), slot(16, 3), slot(18, 3), slot(16, 2, day=7)]
    best = select_best_slots(slots, {2: 1, 3: 5}, 10)
    assert best == [slot(16, 3), slot(16, 2), slot(16, 2, day=7)]
    assert select_best_slots(slots, {2: 1, 3: 5}, 1) == [slot(16, 3)]


def test_slots_per_partner_are_limited() -> None:
    slots = [slot(16, partner, day) for day in range(5, 25) for partner in (2, 3)]
    assert [slot.partner_id for slot in select_best_slots(slots, {2: 5}, 12)] == [2] * 4 + [3] * 4


def test_single_partner_gets_two_slots_a_day() -> None:
    quarter_later = Slot(utc(6, 16, 45), date(2026, 10, 6), time(16, 45), 2)
    slots = [slot(16, 2), quarter_later, slot(17, 2), slot(18, 2)]
    assert select_best_slots(slots, {}, 10) == [slot(16, 2), slot(17, 2)]
