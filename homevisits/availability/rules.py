"""Search for visit times that suit both educators. Pure.

`check_within_hours` and `check_no_conflict` refuse a booking; `find_slots` uses the same two to offer times.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from homevisits.core.problems import Problem

PURE = True

SLOT_INTERVAL = timedelta(minutes=15)
MAX_SLOTS_PER_PARTNER = 4  # in the list of best times, if there are several partners

INTERVALS_PER_DAY = (1, 2)  # numbers of the form rows of a weekday


def field_names(weekday: int, position: int) -> tuple[str, str]:
    """Return the form field names of the start and the end of an interval."""
    return f"day{weekday}-from{position}", f"day{weekday}-until{position}"


@dataclass(frozen=True)
class WeeklyInterval:
    """A weekly interval when a person can visit: weekday (0 is Monday) and local times of the school."""

    weekday: int
    starts: time
    ends: time


@dataclass(frozen=True)
class Interval:
    """A time interval, end excluded."""

    starts_at: datetime
    ends_at: datetime

    def overlaps(self, other: "Interval") -> bool:
        """Return whether the intervals overlap; touching ends do not count."""
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at

    def contains(self, other: "Interval") -> bool:
        """Return whether the other interval lies within this interval."""
        return self.starts_at <= other.starts_at and other.ends_at <= self.ends_at


@dataclass(frozen=True)
class Schedule:
    """A person's weekly hours and commitments (travel included)."""

    id: int
    name: str
    hours: tuple[WeeklyInterval, ...]
    busy: tuple[Interval, ...] = ()


@dataclass(frozen=True)
class VisitDuration:
    """Duration of a visit and of the travel after it; travel before a visit is not counted."""

    visit: timedelta
    travel: timedelta

    def meeting(self, starts_at: datetime) -> Interval:
        """Return the interval of the visit."""
        return Interval(starts_at, starts_at + self.visit)

    def commitment(self, starts_at: datetime) -> Interval:
        """Return the interval of the visit and the travel after it."""
        return Interval(starts_at, starts_at + self.visit + self.travel)


@dataclass(frozen=True)
class Slot:
    """A time when the lead and the partner can visit."""

    starts_at: datetime
    day: date
    start: time
    partner_id: int


@dataclass(frozen=True)
class UnavailableDay:
    """A day without possible times, and the reasons."""

    day: date
    problems: tuple[Problem, ...]


@dataclass
class SearchResult:
    """Times found, and the days without a time."""

    slots: list[Slot] = field(default_factory=list)
    closed: list[UnavailableDay] = field(default_factory=list)


@lru_cache(maxsize=4096)
def intervals_on(hours: tuple[WeeklyInterval, ...], day: date, zone: str) -> tuple[Interval, ...]:
    """Convert the weekly hours of `day` to UTC intervals in order; merge intervals that touch.

    A time that daylight saving skips moves to the end of the skipped hour. A repeated time means the first of the two.
    """
    spans = []
    for each in hours:
        if each.weekday == day.weekday():
            starts_at, ends_at = _to_utc(day, each.starts, zone), _end_to_utc(day, each.ends, zone)
            if starts_at < ends_at:
                spans.append(Interval(starts_at, ends_at))
    joined: list[Interval] = []
    for span in sorted(spans, key=lambda s: s.starts_at):
        if joined and span.starts_at <= joined[-1].ends_at:
            joined[-1] = Interval(joined[-1].starts_at, max(joined[-1].ends_at, span.ends_at))
        else:
            joined.append(span)
    return tuple(joined)


def _wall_time_exists(wall: datetime) -> bool:
    return wall.astimezone(UTC).astimezone(wall.tzinfo).replace(tzinfo=None) == wall.replace(tzinfo=None)


def _to_utc(day: date, at: time, zone: str) -> datetime:
    wall = datetime.combine(day, at, tzinfo=ZoneInfo(zone))
    if _wall_time_exists(wall):
        return wall.astimezone(UTC)
    # Skipped by daylight saving: use the first local time that exists.
    while not _wall_time_exists(wall):
        wall = (wall.replace(tzinfo=None) + timedelta(minutes=1)).replace(tzinfo=wall.tzinfo)
    return wall.astimezone(UTC)


def _end_to_utc(day: date, at: time, zone: str) -> datetime:
    return _to_utc(day + timedelta(days=1), at, zone) if at == time(0) else _to_utc(day, at, zone)


def is_slot_start(at: datetime) -> bool:
    """Return whether a visit may start at `at`: on the quarter hour."""
    return at == _round_up_to_slot(at)


def closure_problem(day: date, name: str) -> Problem:
    """Return the reason why no visit takes place on a day on which the school is closed."""
    return Problem("school_closed", "start", {"name": name, "day": day})


def check_within_hours(schedule: Schedule, span: Interval, zone: str) -> list[Problem]:
    """Require that the whole visit lies within the person's weekly hours."""
    day = span.starts_at.astimezone(ZoneInfo(zone)).date()
    if any(window.contains(span) for window in intervals_on(schedule.hours, day, zone)):
        return []
    return [Problem("outside_their_hours", "start", {"name": schedule.name})]


def check_no_conflict(schedule: Schedule, span: Interval) -> list[Problem]:
    """Require that no commitment of the person overlaps `span` (visit and travel)."""
    if any(span.overlaps(interval) for interval in schedule.busy):
        return [Problem("already_taken", "start", {"name": schedule.name})]
    return []


def check_available(schedule: Schedule, starts_at: datetime, length: VisitDuration, zone: str) -> list[Problem]:
    """Require that the person is available for a visit at `starts_at`."""
    return check_within_hours(schedule, length.meeting(starts_at), zone) + check_no_conflict(
        schedule, length.commitment(starts_at)
    )


def possible_starts(schedule: Schedule, day: date, length: VisitDuration, zone: str) -> Iterator[datetime]:
    """Yield the start times on `day`, 15 minutes apart, for which the visit lies within the person's hours."""
    for window in intervals_on(schedule.hours, day, zone):
        at = _round_up_to_slot(window.starts_at)
        while at + length.visit <= window.ends_at:
            yield at
            at += SLOT_INTERVAL


def _round_up_to_slot(at: datetime) -> datetime:
    # UTC offsets are multiples of 15 minutes, so rounding in UTC is rounding in local time.
    over = timedelta(minutes=at.minute % 15, seconds=at.second, microseconds=at.microsecond)
    return at if not over else at - over + SLOT_INTERVAL


# Takes start, local day and partner id; returns the problems. The same function refuses the booking.
SlotCheck = Callable[[datetime, date, int], Sequence[Problem]]


def find_slots(
    lead: Schedule,
    partners: Sequence[Schedule],
    days: Sequence[date],
    *,
    length: VisitDuration,
    zone: str,
    check: SlotCheck,
) -> SearchResult:
    """Find the times when `lead` and one of `partners` can visit, and the reasons for days without such a time."""
    result = SearchResult()
    for day in days:
        reasons: dict[Problem, None] = {}
        before = len(result.slots)
        starts = list(possible_starts(lead, day, length, zone))
        starts_by_partner = {partner.id: frozenset(possible_starts(partner, day, length, zone)) for partner in partners}
        if not starts:
            reasons[Problem("no_hours_that_day", "start", {"name": lead.name})] = None
        for at in starts:
            lead_conflicts = check_no_conflict(lead, length.commitment(at))
            reasons.update(dict.fromkeys(lead_conflicts))
            if lead_conflicts:
                continue
            for partner in partners:
                hours_problems = (
                    [] if at in starts_by_partner[partner.id] else check_within_hours(partner, length.meeting(at), zone)
                )
                busy = check_no_conflict(partner, length.commitment(at))
                problems = [*hours_problems, *busy, *check(at, day, partner.id)]
                reasons.update(dict.fromkeys(problems))
                if not problems:
                    local = at.astimezone(ZoneInfo(zone))
                    result.slots.append(Slot(at, day, local.time().replace(tzinfo=None), partner.id))
        if len(result.slots) == before:
            result.closed.append(UnavailableDay(day, tuple(reasons)))
    return result


def select_best_slots(slots: Iterable[Slot], scores: Mapping[int, int], most: int) -> list[Slot]:
    """Return at most `most` times, best first, and at most two a day, with different partners if possible.

    `scores` is the score of each partner (shared language, same school, fair load); higher is better.
    """
    ranked = sorted(slots, key=lambda each: _rank_slot(each, scores))
    alone = len({slot.partner_id for slot in ranked}) == 1
    by_day: dict[date, list[Slot]] = {}
    for slot in ranked:
        chosen = by_day.setdefault(slot.day, [])
        if not chosen or (len(chosen) == 1 and _is_alternative(chosen[0], slot, alone=alone)):
            chosen.append(slot)
    best: list[Slot] = []
    for slot in sorted(
        (slot for chosen in by_day.values() for slot in chosen), key=lambda each: _rank_slot(each, scores)
    ):
        if alone or sum(each.partner_id == slot.partner_id for each in best) < MAX_SLOTS_PER_PARTNER:
            best.append(slot)
    return best[:most]


def _is_alternative(first: Slot, slot: Slot, *, alone: bool) -> bool:
    """Return whether a second time of a day has another partner or, with a single partner, is an hour later."""
    if alone:
        return slot.starts_at >= first.starts_at + timedelta(hours=1)
    return slot.partner_id != first.partner_id


def _rank_slot(slot: Slot, scores: Mapping[int, int]) -> tuple[int, datetime, int]:
    return -scores.get(slot.partner_id, 0), slot.starts_at, slot.partner_id
