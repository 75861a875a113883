"""The rules of a visit, purely: the five practices put together, and the hours around a visit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from homevisits.core.problems import Problem
from homevisits.policies.rules import Policy
from homevisits.practices import hopes_and_dreams, no_targeting, pairs_and_reflection, trained_and_paid, voluntary
from homevisits.practices.facts import Family, Person, PlannedVisit, person_ids

PURE = True

LONGEST = timedelta(hours=4)
"""Nobody stays longer; a longer stretch is a slip of the finger."""


def judge(
    meeting: PlannedVisit, family: Family, people: Sequence[Person], policy: Policy, now: datetime
) -> list[Problem]:
    """Everything the five practices have to say against this visit, arranged now."""
    return [
        *voluntary.check_minimum_notice(meeting.starts_at, now, policy.minimum_notice_hours),
        *judge_team(meeting, family, people, policy.min_trained),
    ]


def judge_team(meeting: PlannedVisit, family: Family, people: Sequence[Person], min_trained: int) -> list[Problem]:
    """The same for a time the family knows of: its notice was kept, whoever stands in now."""
    return [
        *voluntary.check_consent(family, people),
        *trained_and_paid.check_certified_on_day(people, meeting.day, min_trained),
        *no_targeting.check_fairly_selected(family),
        *hopes_and_dreams.check_first_visit_comes_first(meeting.kind, family),
        *pairs_and_reflection.check_two_adults(person_ids(people)),
    ]


def judge_person(person: Person, day: date, min_trained: int) -> list[Problem]:
    """What stands against this one person on `day`; the page that looks for a time asks it for each partner."""
    found = voluntary.check_educators_opted_in([person])
    if min_trained > 1:
        found += trained_and_paid.check_certified_on_day([person], day, 1)
    return found


def still_ahead(starts_at: datetime, now: datetime) -> list[Problem]:
    """Arrangements are changed before a visit starts, not after."""
    return [] if now < starts_at else [Problem("visit_has_started", None)]


def may_be_not_held(starts_at: datetime, reported: bool, now: datetime) -> list[Problem]:
    """A visit can be closed as not held from its start on, while neither of the pair has reported on it."""
    if now < starts_at:
        return [Problem("cancel_instead", None)]
    return [Problem("already_reported", None)] if reported else []


def within_reach(starts_at: datetime, policy: Policy, now: datetime) -> list[Problem]:
    """Not further ahead than the policy lets people plan."""
    if starts_at > now + timedelta(days=policy.booking_days_ahead):
        return [Problem("too_far_ahead", "start", {"days": policy.booking_days_ahead})]
    return []


def place_counts(place_type: str, policy: Policy) -> list[Problem]:
    """A place the policy knows; a school is never one."""
    return [] if place_type in policy.place_types else [Problem("place_does_not_count", "place_type")]


@dataclass(frozen=True)
class AddressWindow:
    """The stretch in which the visiting pair, and nobody else, sees where to go."""

    shows_from: datetime
    shows_until: datetime

    def open_at(self, now: datetime) -> bool:
        """Whether the address shows now."""
        return self.shows_from <= now < self.shows_until


def address_window(starts_at: datetime, ends_at: datetime, policy: Policy) -> AddressWindow:
    """Just in time: from some hours before the visit until some hours after it."""
    return AddressWindow(
        starts_at - timedelta(hours=policy.address_from_hours), ends_at + timedelta(hours=policy.address_until_hours)
    )


def may_attest(starts_at: datetime, policy: Policy, now: datetime) -> list[Problem]:
    """A visit is written up once it has started, and within the days a policy allows."""
    if now < starts_at:
        return [Problem("visit_not_started", None)]
    if now > starts_at + timedelta(days=policy.latest_log_days):
        return [Problem("too_late_to_log", None, {"days": policy.latest_log_days})]
    return []


def sensible_times(
    started_at: datetime | None, ended_at: datetime | None, day: date, zone: str, now: datetime
) -> list[Problem]:
    """The times said lie on the visit's day, one after the other, and not in the future."""
    if started_at is None or ended_at is None:
        return [Problem("hour_does_not_exist", "started" if started_at is None else "ended")]
    if started_at >= ended_at:
        return [Problem("ends_before_it_starts", "ended")]
    found = []
    if ended_at > now:
        found.append(Problem("not_over_yet", "ended"))
    if ended_at - started_at > LONGEST:
        found.append(Problem("longer_than_a_visit", "ended", {"hours": int(LONGEST.total_seconds() // 3600)}))
    if started_at.astimezone(ZoneInfo(zone)).date() != day:
        found.append(Problem("another_day", "started"))
    return found


@dataclass(frozen=True)
class ReportedTimes:
    """The times one of the pair has on another visit: those both agreed on, else that person's own report.

    ``family`` is None for a reader who is not on that visit.
    """

    name: str
    started_at: datetime
    ended_at: datetime
    timezone: str
    family: str | None


def no_overlap(started_at: datetime, ended_at: datetime, others: Sequence[ReportedTimes]) -> list[Problem]:
    """Nobody is on two visits at once. One may begin at the moment another ends."""
    return [_overlaps(other) for other in others if started_at < other.ended_at and other.started_at < ended_at]


def _overlaps(other: ReportedTimes) -> Problem:
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


def reflection_problems(learned: str, strengths: str, will_do: str, most: int = 400) -> list[Problem]:
    """What I learned and what I will do are asked; strengths are welcome; each is a few sentences at most."""
    found = [
        Problem("missing", field) for field, text in (("learned", learned), ("will_do", will_do)) if not text.strip()
    ]
    for field, text in (("learned", learned), ("strengths", strengths), ("will_do", will_do)):
        if len(text) > most:
            found.append(Problem("too_long", field, {"most": most}))
    return found


@dataclass(frozen=True)
class Suits:
    """What speaks for a partner with this family: language, another child, an earlier visit, a fair share of visits."""

    educator_id: int
    name: str
    speaks: str | None
    teaches_child: bool
    went_before: bool
    visits_soon: int

    @property
    def worth(self) -> int:
        """Higher suits better; nothing about the family weighs in but its language and who knows it."""
        score = 40 * self.went_before + 20 * (self.speaks is not None) + 10 * self.teaches_child
        return score - 3 * self.visits_soon


def shared_language(family: str, educator: str) -> str | None:
    """The family's language when the educator speaks it and it is not English."""
    return family if family != "en" and family in educator.split() else None
