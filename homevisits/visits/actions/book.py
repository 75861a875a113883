"""Book a visit. The partner is asked first; the family is messaged once both educators have accepted."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import NotFound, refuse_if_any
from homevisits.policies.rules import Policy
from homevisits.practices import check_inputs, hopes_and_dreams
from homevisits.practices.check_inputs import PlannedVisit, VisitKind
from homevisits.practices.pairs_and_reflection import check_two_adults
from homevisits.visits.actions import arrangement_checks, effects, team
from homevisits.visits.actions.arrangement_checks import Arrangement
from homevisits.visits.models import LIVE, Visit, VisitState
from homevisits.visits.queries import booking_facts, locks


@dataclass(frozen=True)
class BookingRequest:
    """The visit to book. ``key`` is an idempotency key: a form that is sent twice books one visit."""

    family_id: int
    partner_id: int
    starts_at: datetime
    place_type: str = "home"
    kind: VisitKind | None = None
    key: str | None = None


def book(session: Session, actor: Actor, request: BookingRequest, policy: Policy, now: datetime) -> Visit:
    """Book a visit of the actor and the partner. Raises `RulesBroken` with every problem found."""
    # load
    lead_id = actor.educator_id
    if lead_id is None:
        raise NotFound
    booking_facts.require_own_family(session, actor, request.family_id)
    locks.lock_family_and_people(session, request.family_id, [lead_id, request.partner_id])
    booked = _find_by_key(session, actor, request)
    if booked is not None and booked.family_id == request.family_id and booked.state in LIVE:
        return booked
    family = booking_facts.load_family(session, request.family_id, now.date())
    refuse_if_any(check_two_adults([lead_id, request.partner_id]))
    booking_facts.require_colleague(session, request.partner_id, family.school_id)
    people = booking_facts.load_people(session, [lead_id, request.partner_id])
    local = request.starts_at.astimezone(ZoneInfo(family.timezone))
    kind = request.kind or hopes_and_dreams.next_visit_kind(family.facts)
    meeting = PlannedVisit(kind, request.starts_at, local.date())
    # check
    arrangement = new_arrangement(request, kind, family, people, policy)
    refuse_if_any(arrangement_checks.find_problems(session, arrangement, policy, now))
    # record
    # The key of a visit that has ended (the browser's Back button) must not block a new booking.
    key = None if booked is not None else _scoped_key(actor, request)
    visit = _new_visit(actor, replace(request, key=key), family, meeting, start=local.time(), policy=policy, now=now)
    with effects.translate_database_refusals(session):
        session.add(visit)
        session.flush()
        team.add_pair(session, visit, people, policy, now)
        effects.record_event(session, visit, "booked", actor, now)
        effects.plan_messages(session, visit, policy, now)
    return visit


def _find_by_key(session: Session, actor: Actor, request: BookingRequest) -> Visit | None:
    key = _scoped_key(actor, request)
    return session.scalar(select(Visit).where(Visit.idempotency_key == key)) if key else None


def _scoped_key(actor: Actor, request: BookingRequest) -> str | None:
    """Return the key prefixed with the account, so that keys of two accounts never collide."""
    return f"{actor.account_id}:{request.key}" if request.key else None


def new_arrangement(
    request: BookingRequest,
    kind: VisitKind,
    family: booking_facts.FamilyFacts,
    people: Sequence[check_inputs.Person],
    policy: Policy,
) -> Arrangement:
    """Return the visit of a booking request, to be checked."""
    return Arrangement(
        kind=kind,
        family=family.facts,
        people=people,
        school_id=family.school_id,
        zone=family.timezone,
        starts_at=request.starts_at,
        duration=arrangement_checks.policy_duration(policy),
        min_trained=policy.min_trained,
        must_be_free=[person.id for person in people],
        place_type=request.place_type,
    )


def _new_visit(
    actor: Actor,
    request: BookingRequest,
    family: booking_facts.FamilyFacts,
    meeting: PlannedVisit,
    *,
    start: time,
    policy: Policy,
    now: datetime,
) -> Visit:
    return Visit(
        uid=secrets.token_hex(16),
        family_id=request.family_id,
        school_id=family.school_id,
        kind=meeting.kind,
        state=VisitState.PROPOSED,
        invitation_id=family.invitation_id,
        consent_id=family.facts.yes_id,
        first_visit_id=family.facts.first_visit_id if meeting.kind is VisitKind.SECOND else None,
        lead_id=actor.educator_id,
        partner_id=request.partner_id,
        min_trained=policy.min_trained,
        policy=policy.name,
        local_date=meeting.day,
        local_start=start.strftime("%H:%M"),
        timezone=family.timezone,
        starts_at=request.starts_at,
        ends_at=request.starts_at + timedelta(minutes=policy.visit_minutes),
        place_type=request.place_type,
        version=0,
        booked_at=now,
        booked_by=actor.account_id,
        updated_at=now,
        idempotency_key=request.key,
    )
