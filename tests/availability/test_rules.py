"""When people are free: wall hours on the days the clocks change, what is taken, and which times are best."""

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


def wall(moment: datetime) -> str:
    return moment.astimezone(ZoneInfo(NEW_YORK)).strftime("%H:%M")


@pytest.mark.parametrize(
    ("day", "starts", "ends", "minutes", "first", "last"),
    [
        (SPRING, "01:00", "04:00", 120, "01:00", "04:00"),  # an hour is missing
        (SPRING, "02:30", "05:00", 120, "03:00", "05:00"),  # starts within the missing hour
        (SPRING, "00:30", "02:30", 90, "00:30", "03:00"),  # ends within it
        (AUTUMN, "00:00", "04:00", 300, "00:00", "04:00"),  # an hour comes twice
        (AUTUMN, "16:00", "19:00", 180, "16:00", "19:00"),  # the afternoon of a change is as any other
        (SPRING, "16:00", "19:00", 180, "16:00", "19:00"),
    ],
)
def test_weekly_hours_are_converted_to_utc_for_each_day(
    day: date, starts: str, ends: str, minutes: int, first: str, last: str
) -> None:
    (span,) = intervals_on((hours(starts, ends),), day, NEW_YORK)
    assert span.ends_at - span.starts_at == timedelta(minutes=minutes)
    assert (wall(span.starts_at), wall(span.ends_at)) == (first, last)


def test_hours_within_a_skipped_hour_are_dropped() -> None:
    assert intervals_on((hours("02:00", "03:00"),), SPRING, NEW_YORK) == ()


def test_touching_intervals_are_merged_and_other_weekdays_ignored() -> None:
    given_hours = (
        hours("16:00", "17:00"),
        hours("17:00", "18:00"),
        hours("10:00", "12:00"),
        hours("09:00", "20:00", 0),
    )
    assert [(wall(s.starts_at), wall(s.ends_at)) for s in intervals_on(given_hours, AUTUMN, NEW_YORK)] == [
        ("10:00", "12:00"),
        ("16:00", "18:00"),
    ]


def test_interval_until_midnight_ends_with_the_day() -> None:
    (span,) = intervals_on((hours("22:00", "00:00"),), AUTUMN, NEW_YORK)
    assert span.ends_at - span.starts_at == timedelta(hours=2)


@given(st.dates(date(2024, 1, 1), date(2030, 12, 31)), st.sampled_from(["America/Denver", NEW_YORK, "Europe/London"]))
def test_offered_starts_are_valid_across_clock_changes(day: date, zone: str) -> None:
    diary = Schedule(1, "Grace", tuple(WeeklyInterval(each, time(0), time(23, 45)) for each in range(7)))
    found = list(possible_starts(diary, day, LENGTH, zone))
    assert found == sorted(set(found))
    for at in found:
        assert at.astimezone(ZoneInfo(zone)).date() == day
        assert check_within_hours(diary, LENGTH.meeting(at), zone) == []
    assert len(found) in (89, 93, 97)  # 23, 24 and 25 hours


@pytest.mark.parametrize(
    ("start", "refused"),
    [
        (utc(6, 19, 45), False),  # ends, with the road, as the other begins
        (utc(6, 19, 46), True),
        (utc(6, 22, 14), True),
        (utc(6, 22, 15), False),  # begins as the other's road ends
        (utc(6, 21, 30), True),
    ],
)
def test_travel_is_counted_once_after_each_visit(start: datetime, refused: bool) -> None:
    taken = LENGTH.commitment(utc(6, 21))
    diary = Schedule(1, "Grace", (hours("00:00", "23:59", 1),), (taken,))
    assert bool(check_no_conflict(diary, LENGTH.commitment(start))) is refused


def test_visit_must_lie_within_a_single_interval() -> None:
    diary = Schedule(1, "Grace", (hours("16:00", "17:00", 1), hours("17:15", "18:00", 1)))
    zone = "UTC"
    assert check_within_hours(diary, Interval(utc(6, 16, 15), utc(6, 17)), zone) == []
    assert check_within_hours(diary, Interval(utc(6, 16, 16), utc(6, 17, 1)), zone)
    assert check_within_hours(diary, Interval(utc(6, 17, 15), utc(6, 18)), zone) == []


@pytest.mark.parametrize(
    ("starts", "first"),
    [("16:00", "16:00"), ("16:01", "16:15"), ("16:14", "16:15"), ("16:15", "16:15"), ("15:55", "16:00")],
)
def test_starts_are_multiples_of_15_minutes(starts: str, first: str) -> None:
    diary = Schedule(1, "Grace", (hours(starts, "19:00", 1),))
    found = list(possible_starts(diary, TUESDAY, LENGTH, NEW_YORK))
    assert wall(found[0]) == first
    assert wall(found[-1]) == "18:15"
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=15)}


def test_interval_within_another_changes_nothing() -> None:
    (span,) = intervals_on((hours("10:00", "18:00"), hours("11:00", "12:00")), AUTUMN, NEW_YORK)
    assert (wall(span.starts_at), wall(span.ends_at)) == ("10:00", "18:00")


def nobody_minds(_at: datetime, _day: date, _partner: int) -> list[Problem]:
    return []


def test_offered_times_are_those_that_a_booking_accepts() -> None:
    lead = Schedule(1, "Grace", (hours("15:00", "19:00", 1),), (LENGTH.commitment(utc(6, 17)),))
    partners = [Schedule(2, "Luis", (hours("15:15", "18:45", 1),)), Schedule(3, "Hoa", ())]
    found = find_slots(lead, partners, [TUESDAY, TUESDAY + timedelta(days=1)], LENGTH, "UTC", nobody_minds)
    every_quarter = [utc(6, 0) + timedelta(minutes=15 * each) for each in range(96)]
    accepted = [
        (at, partner.id)
        for at in every_quarter
        for partner in partners
        if not check_available(lead, at, LENGTH, "UTC") and not check_available(partner, at, LENGTH, "UTC")
    ]
    assert [(slot.starts_at, slot.partner_id) for slot in found.slots] == accepted
    assert [closed.day for closed in found.closed] == [TUESDAY + timedelta(days=1)]
    assert {problem.code for problem in found.closed[0].problems} == {"no_hours_that_day"}


def test_unavailable_day_lists_all_reasons() -> None:
    lead = Schedule(1, "Grace", (hours("16:00", "17:00", 1),))
    busy = Schedule(2, "Luis", (hours("16:00", "17:00", 1),), (Interval(utc(6, 0), utc(7, 0)),))
    judge = lambda _at, _day, _partner: [Problem("too_soon", "start", {"hours": 24})]  # noqa: E731
    (closed,) = find_slots(lead, [busy], [TUESDAY], LENGTH, "UTC", judge).closed
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
    assert [each.partner_id for each in select_best_slots(slots, {2: 5}, 12)] == [2] * 4 + [3] * 4


def test_single_partner_gets_two_slots_a_day() -> None:
    quarter_later = Slot(utc(6, 16, 45), date(2026, 10, 6), time(16, 45), 2)
    slots = [slot(16, 2), quarter_later, slot(17, 2), slot(18, 2)]
    assert select_best_slots(slots, {}, 10) == [slot(16, 2), slot(17, 2)]
