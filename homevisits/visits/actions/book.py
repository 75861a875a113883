"""Book: a pair and a time for a family that said yes. The partner is asked; the family hears once both will come."""

import secrets
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.availability import queries as availability
from homevisits.availability import rules as times
from homevisits.core.access import Actor
from homevisits.core.problems import NotFound, Problem, refuse_if_any
from homevisits.policies.rules import Policy
from homevisits.practices import hopes_and_dreams
from homevisits.practices.facts import PlannedVisit, VisitKind
from homevisits.practices.pairs_and_reflection import check_two_adults
from homevisits.visits import rules
from homevisits.visits.actions import effects, team
from homevisits.visits.models import LIVE, Visit, VisitState
from homevisits.visits.queries import booking_facts, locks


@dataclass(frozen=True)
class Wanted:
    """A visit somebody wants: which family, with whom, when, where. ``key`` makes a doubled tap one booking."""

    family_id: int
    partner_id: int
    starts_at: datetime
    place_type: str = "home"
    kind: VisitKind | None = None
    key: str | None = None


def book(session: Session, actor: Actor, wanted: Wanted, policy: Policy, now: datetime) -> Visit:
    """Book `wanted` for the actor and the partner. Raises `RulesBroken` with every reason against it."""
    # gather
    lead_id = actor.educator_id
    if lead_id is None:
        raise NotFound
    booking_facts.visits_family(session, actor, wanted.family_id)
    locks.lock(session, wanted.family_id, [lead_id, wanted.partner_id])
    booked = _already(session, actor, wanted)
    if booked is not None and booked.family_id == wanted.family_id and booked.state in LIVE:
        return booked
    family = booking_facts.family_at_hand(session, wanted.family_id, now.date())
    refuse_if_any(check_two_adults([lead_id, wanted.partner_id]))
    booking_facts.colleague(session, wanted.partner_id, family.school_id)
    people = booking_facts.people_facts(session, [lead_id, wanted.partner_id])
    local = wanted.starts_at.astimezone(ZoneInfo(family.timezone))
    kind = wanted.kind or hopes_and_dreams.next_visit_kind(family.facts)
    meeting = PlannedVisit(kind, wanted.starts_at, local.date())
    # judge
    refuse_if_any(
        [
            *rules.judge(meeting, family.facts, people, policy, now),
            *rules.within_reach(wanted.starts_at, policy, now),
            *rules.place_counts(wanted.place_type, policy),
            *free_then(session, [lead_id, wanted.partner_id], wanted.starts_at, policy, family.timezone),
            *open_then(session, family.school_id, local.date()),
            *_one_at_a_time(session, wanted.family_id),
        ]
    )
    # record
    # A key that was used before (a page gone back to) protects nothing any more; the visit it made is over.
    key = None if booked is not None else _key(actor, wanted)
    visit = _visit(actor, replace(wanted, key=key), family, meeting, local.time(), policy, now)
    with effects.refused_by_the_database(session):
        session.add(visit)
        session.flush()
        team.take_both(session, visit, people, policy, now)
        effects.note(session, visit, "booked", actor, now)
        effects.plan_texts(session, visit, policy, now)
    return visit


def _already(session: Session, actor: Actor, wanted: Wanted) -> Visit | None:
    key = _key(actor, wanted)
    return session.scalar(select(Visit).where(Visit.idempotency_key == key)) if key else None


def _key(actor: Actor, wanted: Wanted) -> str | None:
    """The key as it is kept: what two accounts send is never the same."""
    return f"{actor.account_id}:{wanted.key}" if wanted.key else None


def _one_at_a_time(session: Session, family_id: int) -> list[Problem]:
    return [Problem("family_has_a_visit", "family")] if booking_facts.live_visit(session, family_id) else []


def free_then(
    session: Session, people: list[int], starts_at: datetime, policy: Policy, zone: str, but: str | None = None
) -> list[Problem]:
    """Whether all of `people` could make a visit that starts then."""
    length = times.VisitDuration(timedelta(minutes=policy.visit_minutes), timedelta(minutes=policy.travel_minutes))
    span = length.commitment(starts_at)
    diaries = availability.load_schedules(session, people, span.starts_at, span.ends_at, but=but)
    return [problem for each in people for problem in times.check_available(diaries[each], starts_at, length, zone)]


def open_then(session: Session, school_id: int, day: date) -> list[Problem]:
    """Whether the school's calendar leaves `day` open."""
    closed = availability.find_closures(session, school_id, day, day)
    return [Problem("school_closed", "start", {"name": name, "day": day}) for name in closed.values()]


def _visit(
    actor: Actor,
    wanted: Wanted,
    family: booking_facts.FamilyAtHand,
    meeting: PlannedVisit,
    start: time,
    policy: Policy,
    now: datetime,
) -> Visit:
    return Visit(
        uid=secrets.token_hex(16),
        family_id=wanted.family_id,
        school_id=family.school_id,
        kind=meeting.kind,
        state=VisitState.PROPOSED,
        invitation_id=family.invitation_id,
        consent_id=family.facts.yes_id,
        first_visit_id=family.facts.first_visit_id if meeting.kind is VisitKind.SECOND else None,
        lead_id=actor.educator_id,
        partner_id=wanted.partner_id,
        min_trained=policy.min_trained,
        policy=policy.name,
        local_date=meeting.day,
        local_start=start.strftime("%H:%M"),
        timezone=family.timezone,
        starts_at=wanted.starts_at,
        ends_at=wanted.starts_at + timedelta(minutes=policy.visit_minutes),
        place_type=wanted.place_type,
        version=0,
        booked_at=now,
        booked_by=actor.account_id,
        updated_at=now,
        idempotency_key=wanted.key,
    )
