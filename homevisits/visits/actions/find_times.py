"""Find possible times for a visit. Uses the same checks as booking, so an offered time can be booked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from homevisits.availability import queries as availability
from homevisits.availability import rules as times
from homevisits.availability.rules import Schedule, UnavailableDay
from homevisits.core.access import Actor
from homevisits.core.problems import NotFound, Problem
from homevisits.policies.rules import Policy
from homevisits.practices import check_inputs, hopes_and_dreams, voluntary
from homevisits.practices.check_inputs import PlannedVisit, VisitKind
from homevisits.visits import rules
from homevisits.visits.actions import arrangement_checks
from homevisits.visits.actions.book import BookingRequest, new_arrangement
from homevisits.visits.queries import booking_facts, families
from homevisits.visits.rules import PartnerMatch

DAYS_PER_PAGE = 21
MAX_TIMES = 12


@dataclass(frozen=True)
class TimeOption:
    """A possible time with a partner."""

    starts_at: datetime
    ends_at: datetime
    partner: PartnerMatch


@dataclass(frozen=True)
class AvailableTimes:
    """The result of a search: times, best first, and the days without any, with the reasons."""

    family_id: int
    family: str
    timezone: str
    kind: VisitKind
    consent_given_at: datetime | None
    partners: tuple[PartnerMatch, ...]
    times: tuple[TimeOption, ...]
    closed: tuple[UnavailableDay, ...]
    problems: tuple[Problem, ...]
    visit_id: int | None
    first_day: date
    last_day: date
    has_more: bool


@dataclass(frozen=True)
class StandIn:
    """A candidate for an empty place, with the problems against them."""

    match: PartnerMatch
    problems: tuple[Problem, ...]


def find_times(
    session: Session, actor: Actor, family_id: int, policy: Policy, now: datetime, *,
    partner_id: int | None = None, after: date | None = None,
) -> AvailableTimes:  # fmt: skip
    """Find times for the actor's families, with `partner_id` or with any colleague who takes part."""
    educator_id = actor.educator_id
    if educator_id is None:
        raise NotFound
    booking_facts.require_own_family(session, actor, family_id)
    family = booking_facts.load_family(session, family_id, now.date())
    colleagues = families.list_colleagues(session, family.school_id, educator_id)
    partners = families.match_partners(session, family_id, family.language, colleagues, now)
    chosen = [match for match in partners if partner_id in (None, match.educator_id)]
    lead, *people = booking_facts.load_people(session, [educator_id, *(match.educator_id for match in chosen)])
    problems = voluntary.check_family_consent(family.facts) + voluntary.check_educators_opted_in([lead])
    problems += arrangement_checks.check_no_live_visit(session, family_id)
    live = booking_facts.find_live_visit(session, family_id)
    kind = hopes_and_dreams.next_visit_kind(family.facts)
    search = _Search(
        kind=kind, family=family, lead=lead, partners={person.id: person for person in people}, policy=policy, now=now
    )
    available = _build_available_times(session, search, partners, problems, after)
    return replace(available, visit_id=live.id) if live is not None else available


@dataclass(frozen=True)
class _Search:
    kind: VisitKind
    family: booking_facts.FamilyFacts
    lead: check_inputs.Person
    partners: Mapping[int, check_inputs.Person]
    policy: Policy
    now: datetime
    ignored_subject: str | None = None  # commitments with this subject do not count
    team_problems: dict[tuple[date, int], list[Problem]] = field(default_factory=dict)

    def check(self, at: datetime, day: date, partner_id: int) -> list[Problem]:
        """Check the start and the practices. The team checks depend on the day only and are cached for each day."""
        found = self.team_problems.get((day, partner_id))
        if found is None:
            meeting, team = PlannedVisit(self.kind, at, day), [self.lead, self.partners[partner_id]]
            found = rules.check_team(meeting, self.family.facts, team, self.policy.min_trained)
            self.team_problems[day, partner_id] = found
        return [*rules.check_start(at, self.policy, self.now), *found]


def _build_available_times(
    session: Session, search: _Search, partners: Sequence[PartnerMatch], problems: list[Problem], after: date | None
) -> AvailableTimes:
    policy, zone = search.policy, search.family.timezone
    first, last, furthest = _date_range(policy, zone, search.now, after)
    result = times.SearchResult()
    if not problems:
        days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
        result = _search_slots(session, search, days)
    matches = {match.educator_id: match for match in partners}
    scores = {educator_id: match.score for educator_id, match in matches.items()}
    best = times.select_best_slots(result.slots, scores, MAX_TIMES)
    length = timedelta(minutes=policy.visit_minutes)
    return AvailableTimes(
        family_id=search.family.facts.id,
        family=search.family.name,
        timezone=zone,
        kind=search.kind,
        consent_given_at=booking_facts.consent_given_at(session, search.family.facts.yes_id),
        partners=tuple(partners),
        times=tuple(TimeOption(slot.starts_at, slot.starts_at + length, matches[slot.partner_id]) for slot in best),
        closed=tuple(result.closed),
        problems=tuple(problems),
        visit_id=None,
        first_day=first,
        last_day=last,
        has_more=last < furthest,
    )


def _date_range(policy: Policy, zone: str, now: datetime, after: date | None) -> tuple[date, date, date]:
    today = now.astimezone(ZoneInfo(zone)).date()
    furthest = (now + timedelta(days=policy.booking_days_ahead)).astimezone(ZoneInfo(zone)).date()
    first = min(max(today, after or today), furthest)
    return first, min(first + timedelta(days=DAYS_PER_PAGE - 1), furthest), furthest


def _search_slots(session: Session, search: _Search, days: Sequence[date]) -> times.SearchResult:
    policy, zone = search.policy, search.family.timezone
    ids = [search.lead.id, *search.partners]
    start = search.now
    end = start + timedelta(days=policy.booking_days_ahead + 1)
    schedules = availability.load_schedules(session, ids, start, end, ignored_subject=search.ignored_subject)
    closures = availability.find_closures(session, search.family.school_id, days[0], days[-1])
    open_days = [day for day in days if day not in closures]
    length = arrangement_checks.policy_duration(policy)
    partners: list[Schedule] = [schedules[partner_id] for partner_id in search.partners]
    result = times.find_slots(
        schedules[search.lead.id], partners, open_days, length=length, zone=zone, check=search.check
    )
    closed = [UnavailableDay(day, (times.closure_problem(day, name),)) for day, name in closures.items()]
    return times.SearchResult(result.slots, sorted([*result.closed, *closed], key=lambda day: day.day))


def find_new_times(
    session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime, *, after: date | None = None
) -> AvailableTimes:
    """Find other times for the same pair; their commitment to this visit does not count."""
    visit = booking_facts.get_visit(session, actor, visit_id)
    family = booking_facts.load_family(session, visit.family_id, now.date())
    members = booking_facts.load_members(session, visit.id)
    lead, partner = (
        booking_facts.with_recorded_certificate(person, members[person.id].certification_id)
        for person in booking_facts.load_people(session, [visit.lead_id, visit.partner_id])
    )
    colleague = families.Colleague(partner.id, partner.name, "")
    matches = families.match_partners(session, visit.family_id, family.language, [colleague], now)
    search = _Search(
        kind=VisitKind(visit.kind),
        family=family,
        lead=lead,
        partners={partner.id: partner},
        policy=policy,
        now=now,
        ignored_subject=f"visit:{visit.id}",
    )
    problems = voluntary.check_consent(family.facts, [lead, partner])
    available = _build_available_times(session, search, matches, problems, after)
    # The current time is free for the pair, but choosing it would only ask everyone again.
    return replace(available, times=tuple(time for time in available.times if time.starts_at != visit.starts_at))


def find_stand_ins(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> list[StandIn]:
    """List the candidates for the empty place at the current time, best first; those with problems last."""
    visit = booking_facts.get_visit(session, actor, visit_id)
    members = booking_facts.load_members(session, visit.id)
    family = booking_facts.load_family(session, visit.family_id, now.date())
    colleagues = [
        colleague for colleague in families.list_colleagues(session, visit.school_id, 0) if colleague.id not in members
    ]
    matches = families.match_partners(session, visit.family_id, family.language, colleagues, now)
    ids = [colleague.id for colleague in colleagues]
    people = {person.id: person for person in booking_facts.load_people(session, ids)}
    closures = availability.find_closures(session, visit.school_id, visit.local_date, visit.local_date)
    closed = [times.closure_problem(day, name) for day, name in closures.items()]
    length = arrangement_checks.visit_duration(visit, policy)
    span = length.commitment(visit.starts_at)
    schedules = availability.load_schedules(session, ids, span.starts_at, span.ends_at)
    candidates = []
    for match in matches:
        problems = rules.check_person(people[match.educator_id], visit.local_date, visit.min_trained)
        problems += times.check_available(schedules[match.educator_id], visit.starts_at, length, visit.timezone)
        candidates.append(StandIn(match, (*problems, *closed)))
    return sorted(
        candidates, key=lambda stand_in: (bool(stand_in.problems), -stand_in.match.score, stand_in.match.name)
    )


def check_booking(
    session: Session, actor: Actor, request: BookingRequest, policy: Policy, now: datetime
) -> list[Problem]:
    """Check a booking without making it, for the page that shows it before it is made."""
    educator_id = actor.educator_id
    if educator_id is None:
        raise NotFound
    booking_facts.require_own_family(session, actor, request.family_id)
    family = booking_facts.load_family(session, request.family_id, now.date())
    people = booking_facts.load_people(session, [educator_id, request.partner_id])
    kind = request.kind or hopes_and_dreams.next_visit_kind(family.facts)
    arrangement = new_arrangement(request, kind, family, people, policy)
    return arrangement_checks.find_problems(session, arrangement, policy, now)
