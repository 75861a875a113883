"""Attest: one of the pair says "we met", the other agrees with one tap or corrects. Both together complete a visit."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import NotFound, Problem, refuse_if_any
from homevisits.policies.rules import Policy
from homevisits.practices import facts
from homevisits.practices.facts import VisitKind
from homevisits.practices.pairs_and_reflection import check_report, check_reports_agree
from homevisits.practices.trained_and_paid import check_certified_on_day
from homevisits.visits import rules, states
from homevisits.visits.actions import effects
from homevisits.visits.actions import team as seats
from homevisits.visits.models import Attestation, Visit, VisitState
from homevisits.visits.queries import booking_facts, locks, reported_times


@dataclass(frozen=True)
class Said:
    """What one of the pair says happened. Whether both went is always asked; who was there: roles, never names."""

    outcome: str  # met | family_away
    both_went: bool
    started_at: datetime | None
    ended_at: datetime | None
    place_type: str
    who_was_there: tuple[str, ...] = ()


def on_the_way(session: Session, actor: Actor, visit_id: int, now: datetime) -> Visit:
    """We are on our way: the partner sees it. Nobody's location is kept."""
    visit = booking_facts.own_visit(session, actor, visit_id)
    mine = booking_facts.members_of(session, visit.id)[actor.educator_id or 0]
    refuse_if_any(states.may("on_the_way", visit.state))
    mine.on_the_way_at = mine.on_the_way_at or now
    return visit


def attest(session: Session, actor: Actor, visit_id: int, said: Said, policy: Policy, now: datetime) -> Visit:
    """Say what happened: as the first, or to correct what the other said. Saying the same is agreeing."""
    visit, mine, other = _gather(session, actor, visit_id)
    team = frozenset({visit.lead_id, visit.partner_id})
    refuse_if_any(states.may("attest", visit.state) + rules.may_attest(visit.starts_at, policy, now))
    refuse_if_any(
        rules.sensible_times(said.started_at, said.ended_at, visit.local_date, visit.timezone, now)
        + rules.place_counts(said.place_type, policy)
    )
    account = _as_fact(visit, mine, said, team)
    found = _overlaps(session, actor, visit, account.started_at, account.ended_at)
    if said.outcome == "met":
        found = check_report(account, team) + _certified(session, visit) + found
    refuse_if_any(found)
    entry = _entry(visit, mine, said, now)
    if other is not None and _same(visit, other, said, team, account):
        return _complete(session, actor, visit, other, entry, policy, now)
    with effects.refused_by_the_database(session):
        session.add(entry)
        effects.note(session, visit, "attested" if other is None else "corrected", actor, now)
    return visit


def agree(session: Session, actor: Actor, visit_id: int, attestation_id: int, policy: Policy, now: datetime) -> Visit:
    """One tap: it was as the other said. `attestation_id` is the account that was read: nothing else is agreed to."""
    visit, mine, other = _gather(session, actor, visit_id)
    refuse_if_any(states.may("attest", visit.state) + rules.may_attest(visit.starts_at, policy, now))
    if other is None or other.id != attestation_id:
        refuse_if_any([Problem("account_changed", None)])
    assert other is not None
    found = _overlaps(session, actor, visit, other.started_at, other.ended_at)
    if other.outcome == "met":
        found = _certified(session, visit) + found
    refuse_if_any(found)
    who = tuple(other.who_was_there.split())
    said = Said(other.outcome, other.both_went, other.started_at, other.ended_at, other.place_type, who)
    return _complete(session, actor, visit, other, _entry(visit, mine, said, now), policy, now)


def _gather(session: Session, actor: Actor, visit_id: int) -> tuple[Visit, int, Attestation | None]:
    visit = booking_facts.own_visit(session, actor, visit_id)
    locks.hold(session, visit)
    if actor.educator_id not in (visit.lead_id, visit.partner_id):
        raise NotFound
    mine = actor.educator_id
    other_id = visit.partner_id if mine == visit.lead_id else visit.lead_id
    return visit, mine, newest(session, visit.id, other_id)


def newest(session: Session, visit_id: int, educator_id: int) -> Attestation | None:
    """The newest account of one person: the one that counts."""
    found = select(Attestation).where(Attestation.visit_id == visit_id, Attestation.educator_id == educator_id)
    return session.scalar(found.order_by(Attestation.id.desc()).limit(1))


def _as_fact(visit: Visit, by: int, said: Said, team: frozenset[int]) -> facts.Attestation:
    assert said.started_at is not None
    assert said.ended_at is not None
    went = team if said.both_went else frozenset({by})
    return facts.Attestation(by, went, said.started_at, said.ended_at, said.place_type, VisitKind(visit.kind))


def _same(visit: Visit, other: Attestation, said: Said, team: frozenset[int], account: facts.Attestation) -> bool:
    told = Said(other.outcome, other.both_went, other.started_at, other.ended_at, other.place_type)
    theirs = _as_fact(visit, other.educator_id, told, team)
    return other.outcome == said.outcome and not check_reports_agree(theirs, account)


def _certified(session: Session, visit: Visit) -> list[Problem]:
    """On the day of the visit, not of the booking: a certificate may have been withdrawn in between."""
    members = booking_facts.members_of(session, visit.id)
    people = [
        booking_facts.with_own_certificate(person, members[person.id].certification_id)
        for person in booking_facts.people_facts(session, [visit.lead_id, visit.partner_id])
    ]
    return check_certified_on_day(people, visit.local_date, visit.min_trained)


def _overlaps(session: Session, actor: Actor, visit: Visit, started_at: datetime, ended_at: datetime) -> list[Problem]:
    """Times of other visits of the pair. `_gather` holds both people, so no other report of theirs can come between."""
    others = reported_times.on_other_visits(session, visit, actor.educator_id, started_at, ended_at)
    return rules.no_overlap(started_at, ended_at, others)


def _entry(visit: Visit, mine: int, said: Said, now: datetime) -> Attestation:
    return Attestation(
        visit_id=visit.id,
        educator_id=mine,
        outcome=said.outcome,
        both_went=said.both_went,
        started_at=said.started_at,
        ended_at=said.ended_at,
        place_type=said.place_type,
        kind=visit.kind,
        who_was_there=" ".join(said.who_was_there),
        at=now,
    )


def _complete(
    session: Session,
    actor: Actor,
    visit: Visit,
    other: Attestation,
    entry: Attestation,
    policy: Policy,
    now: datetime,
) -> Visit:
    """Both say the same: the visit is held, or nobody was there."""
    entry.agrees_with_id = other.id
    with effects.refused_by_the_database(session):
        session.add(entry)
        session.flush()
        effects.note(session, visit, "agreed", actor, now)
        visit.attestation_id = other.id
        visit.state = VisitState.COMPLETED if other.outcome == "met" else VisitState.FAMILY_AWAY
        visit.closed_at = visit.updated_at = now
        session.flush()
        seats.release_all(session, visit)
        effects.plan_texts(session, visit, policy, now)
    return visit
