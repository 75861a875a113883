"""Rules of a visit: the five practices together, deadlines, reported times, partner matching. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from homevisits.availability.rules import is_slot_start
from homevisits.core.problems import Problem
from homevisits.policies.rules import Policy
from homevisits.practices import hopes_and_dreams, no_targeting, pairs_and_reflection, trained_and_paid, voluntary
from homevisits.practices.check_inputs import Family, Person, PlannedVisit, person_ids

PURE = True

MAX_VISIT_LENGTH = timedelta(hours=4)  # a longer report is a typing error


def check_team(meeting: PlannedVisit, family: Family, people: Sequence[Person], min_trained: int) -> list[Problem]:
    """Check the five practices, but for the notice period (`check_start`)."""
    return [
        *voluntary.check_consent(family, people),
        *trained_and_paid.check_certified_on_day(people, meeting.day, min_trained),
        *no_targeting.check_fairly_selected(family),
        *hopes_and_dreams.check_first_visit_comes_first(meeting.kind, family),
        *pairs_and_reflection.check_two_adults(person_ids(people)),
    ]


def check_person(person: Person, day: date, min_trained: int) -> list[Problem]:
    """Check the opt-in and certificate of a person on `day`."""
    problems = voluntary.check_educators_opted_in([person])
    if min_trained > 1:
        problems += trained_and_paid.check_certified_on_day([person], day, 1)
    return problems


def check_not_started(starts_at: datetime, now: datetime) -> list[Problem]:
    """Check that the visit has not started; arrangements cannot change afterwards."""
    return [] if now < starts_at else [Problem("visit_has_started", None)]


def check_can_mark_not_held(starts_at: datetime, reported: bool, now: datetime) -> list[Problem]:
    """Check that the visit has started and has no report, so that it may be closed as not held."""
    if now < starts_at:
        return [Problem("cancel_instead", None)]
    return [Problem("already_reported", None)] if reported else []


def check_start(starts_at: datetime, policy: Policy, now: datetime) -> list[Problem]:
    """Check a start chosen now: notice period, booking horizon, quarter hour."""
    return [
        *voluntary.check_minimum_notice(starts_at, now, policy.minimum_notice_hours),
        *check_booking_horizon(starts_at, policy, now),
        *([] if is_slot_start(starts_at) else [Problem("not_on_the_quarter_hour", "start")]),
    ]


def check_booking_horizon(starts_at: datetime, policy: Policy, now: datetime) -> list[Problem]:
    """Check that the start is within the policy's booking horizon."""
    if starts_at > now + timedelta(days=policy.booking_days_ahead):
        return [Problem("too_far_ahead", "start", {"days": policy.booking_days_ahead})]
    return []


def check_place(place_type: str, policy: Policy) -> list[Problem]:
    """Check that the policy allows the place type; a school is never allowed."""
    return [] if place_type in policy.place_types else [Problem("place_does_not_count", "place_type")]


@dataclass(frozen=True)
class AddressWindow:
    """The period in which only the visiting pair sees the family's address."""

    shows_from: datetime
    shows_until: datetime

    def is_open_at(self, now: datetime) -> bool:
        """Whether the address is shown at `now`."""
        return self.shows_from <= now < self.shows_until


def address_window(starts_at: datetime, ends_at: datetime, policy: Policy) -> AddressWindow:
    """Return the period in which the address is shown, from the policy's hours before and after the visit."""
    return AddressWindow(
        starts_at - timedelta(hours=policy.address_from_hours), ends_at + timedelta(hours=policy.address_until_hours)
    )


def check_can_attest(starts_at: datetime, policy: Policy, now: datetime) -> list[Problem]:
    """Check that the visit has started and the policy's reporting period has not ended."""
    if now < starts_at:
        return [Problem("visit_not_started", None)]
    if now > starts_at + timedelta(days=policy.latest_log_days):
        return [Problem("too_late_to_log", None, {"days": policy.latest_log_days})]
    return []


def check_reported_times(
    started_at: datetime | None, ended_at: datetime | None, day: date, zone: str, now: datetime
) -> list[Problem]:
    """Check that the times are in order, on the visit's day, not too long and not in the future."""
    if started_at is None or ended_at is None:
        return [Problem("hour_does_not_exist", "started" if started_at is None else "ended")]
    if started_at >= ended_at:
        return [Problem("ends_before_it_starts", "ended")]
    problems = []
    if ended_at > now:
        problems.append(Problem("not_over_yet", "ended"))
    if ended_at - started_at > MAX_VISIT_LENGTH:
        problems.append(
            Problem("longer_than_a_visit", "ended", {"hours": int(MAX_VISIT_LENGTH.total_seconds() // 3600)})
        )
    if started_at.astimezone(ZoneInfo(zone)).date() != day:
        problems.append(Problem("another_day", "started"))
    return problems


@dataclass(frozen=True)
class ReportedTimes:
    """An educator's times on another visit: the agreed times, otherwise their own report.

    ``family`` is None for a reader who is not on that visit.
    """

    name: str
    started_at: datetime
    ended_at: datetime
    timezone: str
    family: str | None


def check_no_overlap(started_at: datetime, ended_at: datetime, others: Sequence[ReportedTimes]) -> list[Problem]:
    """Check that the times overlap no other visit. A visit may start exactly when another ends."""
    return [_overlap_problem(other) for other in others if started_at < other.ended_at and other.started_at < ended_at]


def _overlap_problem(other: ReportedTimes) -> Problem:
    zone = ZoneInfo(other.timezone)
    started, ended = other.started_at.astimezone(zone), other.ended_at.astimezone(zone)
    params: dict[str, object] = {
        "name": other.name,
        "day": started.date(),
        "started": started.time(),
        "ended": ended.time(),
    }
    if other.family is None:
        return Problem("overlaps_visit", "started", params)
    return Problem("overlaps_visit_with_family", "started", {**params, "family": other.family})


def check_reflection(learned: str, strengths: str, will_do: str, max_length: int = 400) -> list[Problem]:
    """Check a reflection: two fields are required, and each has at most `max_length` characters."""
    problems = [
        Problem("missing", field) for field, text in (("learned", learned), ("will_do", will_do)) if not text.strip()
    ]
    for field, text in (("learned", learned), ("strengths", strengths), ("will_do", will_do)):
        if len(text) > max_length:
            problems.append(Problem("too_long", field, {"most": max_length}))
    return problems


@dataclass(frozen=True)
class PartnerMatch:
    """How well an educator matches a family: language, a taught child, an earlier visit, current load."""

    educator_id: int
    name: str
    shared_language: str | None
    teaches_child: bool
    has_visited_before: bool
    upcoming_visits: int

    @property
    def score(self) -> int:
        """A higher score is a better match. Of the family, only its language and its educators count."""
        score = 40 * self.has_visited_before + 20 * (self.shared_language is not None) + 10 * self.teaches_child
        return score - 3 * self.upcoming_visits


def shared_language(family: str, educator: str) -> str | None:
    """Return the family's language if it is not English and the educator speaks it."""
    return family if family != "en" and family in educator.split() else None
