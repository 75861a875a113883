"""Look: which times suit, with whom, and why others are closed. It asks the judges that refuse a booking."""

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
from homevisits.practices import facts, hopes_and_dreams, voluntary
from homevisits.practices.facts import PlannedVisit, VisitKind
from homevisits.visits import rules
from homevisits.visits.actions.book import free_then, open_then
from homevisits.visits.queries import booking_facts, families
from homevisits.visits.rules import Suits

DAYS_AT_ONCE = 21
MOST = 12


@dataclass(frozen=True)
class Offered:
    """A time with a partner."""

    starts_at: datetime
    ends_at: datetime
    partner: Suits


@dataclass(frozen=True)
class Offer:
    """What a page of times shows: the family, the times best first, the closed days with their reasons."""

    family_id: int
    family: str
    timezone: str
    kind: VisitKind
    said_yes_at: datetime | None
    partners: tuple[Suits, ...]
    times: tuple[Offered, ...]
    closed: tuple[UnavailableDay, ...]
    problems: tuple[Problem, ...]
    visit_id: int | None
    first_day: date
    last_day: date
    more: bool


@dataclass(frozen=True)
class StandIn:
    """Someone who could take an empty place, or why not."""

    who: Suits
    problems: tuple[Problem, ...]


def look(
    session: Session, actor: Actor, family_id: int, policy: Policy, now: datetime, *,
    partner_id: int | None = None, after: date | None = None,
) -> Offer:  # fmt: skip
    """Times for a family of the actor's, with any colleague who takes part or with one of them."""
    me = actor.educator_id
    if me is None:
        raise NotFound
    booking_facts.visits_family(session, actor, family_id)
    family = booking_facts.family_at_hand(session, family_id, now.date())
    colleagues = families.colleagues(session, family.school_id, me)
    partners = families.suits(session, family_id, family.language, colleagues, now)
    asked = [each for each in partners if partner_id in (None, each.educator_id)]
    lead, *people = booking_facts.people_facts(session, [me, *(each.educator_id for each in asked)])
    problems = voluntary.check_family_consent(family.facts) + voluntary.check_educators_opted_in([lead])
    live = booking_facts.live_visit(session, family_id)
    if live is not None:
        problems.append(Problem("family_has_a_visit", "family"))
    kind = hopes_and_dreams.next_visit_kind(family.facts)
    wanted = _Wanted(kind, family, lead, {each.id: each for each in people}, policy, now)
    offer = _offer(session, wanted, partners, problems, after)
    return replace(offer, visit_id=live.id) if live is not None else offer


@dataclass(frozen=True)
class _Wanted:
    kind: VisitKind
    family: booking_facts.FamilyAtHand
    lead: facts.Person
    people: Mapping[int, facts.Person]
    policy: Policy
    now: datetime
    but: str | None = None
    asked: dict[tuple[date, int], list[Problem]] = field(default_factory=dict)

    def judge(self, at: datetime, day: date, partner_id: int) -> list[Problem]:
        """What the practices say; what depends on the day only is asked once a day."""
        found = self.asked.get((day, partner_id))
        if found is None:
            meeting, team = PlannedVisit(self.kind, at, day), [self.lead, self.people[partner_id]]
            found = rules.judge_team(meeting, self.family.facts, team, self.policy.min_trained)
            self.asked[day, partner_id] = found
        return [*voluntary.check_minimum_notice(at, self.now, self.policy.minimum_notice_hours), *found]


def _offer(
    session: Session, wanted: _Wanted, partners: Sequence[Suits], problems: list[Problem], after: date | None
) -> Offer:
    policy, zone = wanted.policy, wanted.family.timezone
    first, last, furthest = _days(policy, zone, wanted.now, after)
    found = times.SearchResult()
    if not problems:
        days = [first + timedelta(days=each) for each in range((last - first).days + 1)]
        found = _search(session, wanted, days)
    suits = {each.educator_id: each for each in partners}
    best = times.select_best_slots(found.slots, {each: who.worth for each, who in suits.items()}, MOST)
    length = timedelta(minutes=policy.visit_minutes)
    return Offer(
        family_id=wanted.family.facts.id,
        family=wanted.family.name,
        timezone=zone,
        kind=wanted.kind,
        said_yes_at=booking_facts.said_at(session, wanted.family.facts.yes_id),
        partners=tuple(partners),
        times=tuple(Offered(s.starts_at, s.starts_at + length, suits[s.partner_id]) for s in best),
        closed=tuple(found.closed),
        problems=tuple(problems),
        visit_id=None,
        first_day=first,
        last_day=last,
        more=last < furthest,
    )


def _days(policy: Policy, zone: str, now: datetime, after: date | None) -> tuple[date, date, date]:
    today = now.astimezone(ZoneInfo(zone)).date()
    furthest = (now + timedelta(days=policy.booking_days_ahead)).astimezone(ZoneInfo(zone)).date()
    first = min(max(today, after or today), furthest)
    return first, min(first + timedelta(days=DAYS_AT_ONCE - 1), furthest), furthest


def _search(session: Session, wanted: _Wanted, days: Sequence[date]) -> times.SearchResult:
    policy, zone = wanted.policy, wanted.family.timezone
    ids = [wanted.lead.id, *wanted.people]
    start = wanted.now
    end = start + timedelta(days=policy.booking_days_ahead + 1)
    diaries = availability.load_schedules(session, ids, start, end, but=wanted.but)
    shut = availability.find_closures(session, wanted.family.school_id, days[0], days[-1])
    open_days = [day for day in days if day not in shut]
    length = times.VisitDuration(timedelta(minutes=policy.visit_minutes), timedelta(minutes=policy.travel_minutes))
    partners: list[Schedule] = [diaries[each] for each in wanted.people]
    found = times.find_slots(diaries[wanted.lead.id], partners, open_days, length, zone, wanted.judge)
    closed = [
        UnavailableDay(day, (Problem("school_closed", "start", {"name": name, "day": day}),))
        for day, name in shut.items()
    ]
    return times.SearchResult(found.slots, sorted([*found.closed, *closed], key=lambda each: each.day))


def look_again(
    session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime, *, after: date | None = None
) -> Offer:
    """Other times for a visit that is to move: the same pair, whose own hour does not stand in the way."""
    visit = booking_facts.visit_of(session, actor, visit_id)
    family = booking_facts.family_at_hand(session, visit.family_id, now.date())
    members = booking_facts.members_of(session, visit.id)
    lead, partner = (
        booking_facts.with_own_certificate(person, members[person.id].certification_id)
        for person in booking_facts.people_facts(session, [visit.lead_id, visit.partner_id])
    )
    colleague = families.Colleague(partner.id, partner.name, "")
    suits = families.suits(session, visit.family_id, family.language, [colleague], now)
    wanted = _Wanted(VisitKind(visit.kind), family, lead, {partner.id: partner}, policy, now, but=f"visit:{visit.id}")
    problems = voluntary.check_consent(family.facts, [lead, partner])
    offer = _offer(session, wanted, suits, problems, after)
    # Their own hour is free for them, yet to stay is not to move: all would be asked again for nothing.
    return replace(offer, times=tuple(each for each in offer.times if each.starts_at != visit.starts_at))


def stand_ins(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> list[StandIn]:
    """Who could take the empty place at the time that stands, best first; those who cannot come last, with why."""
    visit = booking_facts.visit_of(session, actor, visit_id)
    members = booking_facts.members_of(session, visit.id)
    family = booking_facts.family_at_hand(session, visit.family_id, now.date())
    colleagues = [each for each in families.colleagues(session, visit.school_id, 0) if each.id not in members]
    suits = families.suits(session, visit.family_id, family.language, colleagues, now)
    people = {each.id: each for each in booking_facts.people_facts(session, [each.id for each in colleagues])}
    found = []
    for each in suits:
        problems = rules.judge_person(people[each.educator_id], visit.local_date, visit.min_trained)
        problems += free_then(session, [each.educator_id], visit.starts_at, policy, visit.timezone)
        found.append(StandIn(each, tuple(problems)))
    return sorted(found, key=lambda each: (bool(each.problems), -each.who.worth, each.who.name))


def check(
    session: Session, actor: Actor, family_id: int, partner_id: int, starts_at: datetime, policy: Policy, now: datetime
) -> list[Problem]:
    """What would stand against this booking now: shown on the page that asks "is this right?"."""
    me = actor.educator_id
    if me is None:
        raise NotFound
    booking_facts.visits_family(session, actor, family_id)
    family = booking_facts.family_at_hand(session, family_id, now.date())
    people = booking_facts.people_facts(session, [me, partner_id])
    day = starts_at.astimezone(ZoneInfo(family.timezone)).date()
    meeting = PlannedVisit(hopes_and_dreams.next_visit_kind(family.facts), starts_at, day)
    return [
        *rules.judge(meeting, family.facts, people, policy, now),
        *free_then(session, [me, partner_id], starts_at, policy, family.timezone),
        *open_then(session, family.school_id, day),
    ]
