"""Reports on a visit: one educator reports, the other agrees or corrects. Two equal reports complete the visit."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import NotFound, Problem, RulesBroken, refuse_if_any
from homevisits.policies.rules import Policy
from homevisits.practices import check_inputs
from homevisits.practices.check_inputs import VisitKind
from homevisits.practices.pairs_and_reflection import check_report, check_reports_agree
from homevisits.practices.trained_and_paid import check_certified_on_day
from homevisits.visits import rules, states
from homevisits.visits.actions import effects, team
from homevisits.visits.models import Attestation, Visit, VisitState
from homevisits.visits.queries import booking_facts, locks, reported_times


@dataclass(frozen=True)
class Report:
    """An educator's report on a visit. ``who_was_there`` holds roles, never names."""

    outcome: str  # met | family_away
    both_went: bool
    started_at: datetime | None
    ended_at: datetime | None
    place_type: str
    who_was_there: tuple[str, ...] = ()


def on_the_way(session: Session, actor: Actor, visit_id: int, now: datetime) -> Visit:
    """Record that the actor is on the way; the partner sees it. No location is stored."""
    visit = booking_facts.get_own_visit(session, actor, visit_id)
    member = booking_facts.load_members(session, visit.id)[actor.educator_id or 0]
    refuse_if_any(states.check_transition("on_the_way", visit.state))
    member.on_the_way_at = member.on_the_way_at or now
    return visit


def attest(session: Session, actor: Actor, visit_id: int, report: Report, *, policy: Policy, now: datetime) -> Visit:
    """Report on a visit, as the first or to correct the other's report. An equal report counts as agreement."""
    visit, educator_id, other = _lock_own_visit(session, actor, visit_id)
    pair = frozenset({visit.lead_id, visit.partner_id})
    refuse_if_any(states.check_transition("attest", visit.state) + rules.check_can_attest(visit.starts_at, policy, now))
    refuse_if_any(
        rules.check_reported_times(report.started_at, report.ended_at, visit.local_date, visit.timezone, now)
        + rules.check_place(report.place_type, policy)
    )
    fact = _to_fact(visit, educator_id, report, pair)
    problems = _check_overlaps(session, actor, visit, fact.started_at, fact.ended_at)
    if report.outcome == "met":
        problems = check_report(fact, pair) + _check_certificates(session, visit) + problems
    refuse_if_any(problems)
    entry = _new_attestation(visit, educator_id, report, now)
    if other is not None and _is_same_report(visit, other, report, fact):
        return _complete_visit(session, actor, visit, other, entry, policy=policy, now=now)
    with effects.translate_database_refusals(session):
        session.add(entry)
        effects.record_event(session, visit, "attested" if other is None else "corrected", actor, now)
    return visit


def agree(
    session: Session, actor: Actor, visit_id: int, attestation_id: int, *, policy: Policy, now: datetime
) -> Visit:
    """Agree with the other's report. Raises `RulesBroken` if `attestation_id` is no longer their newest report."""
    visit, educator_id, other = _lock_own_visit(session, actor, visit_id)
    refuse_if_any(states.check_transition("attest", visit.state) + rules.check_can_attest(visit.starts_at, policy, now))
    if other is None or other.id != attestation_id:
        raise RulesBroken([Problem("account_changed", None)])
    problems = _check_overlaps(session, actor, visit, other.started_at, other.ended_at)
    if other.outcome == "met":
        problems = _check_certificates(session, visit) + problems
    refuse_if_any(problems)
    entry = _new_attestation(visit, educator_id, _to_report(other), now)
    return _complete_visit(session, actor, visit, other, entry, policy=policy, now=now)


def _lock_own_visit(session: Session, actor: Actor, visit_id: int) -> tuple[Visit, int, Attestation | None]:
    visit = booking_facts.get_own_visit(session, actor, visit_id)
    locks.lock_visit(session, visit)
    if actor.educator_id not in (visit.lead_id, visit.partner_id):
        raise NotFound
    educator_id = actor.educator_id
    other_id = visit.partner_id if educator_id == visit.lead_id else visit.lead_id
    return visit, educator_id, newest_attestation(session, visit.id, other_id)


def newest_attestation(session: Session, visit_id: int, educator_id: int) -> Attestation | None:
    """Return an educator's newest report; older ones are superseded."""
    query = select(Attestation).where(Attestation.visit_id == visit_id, Attestation.educator_id == educator_id)
    return session.scalar(query.order_by(Attestation.id.desc()).limit(1))


def _to_report(attestation: Attestation) -> Report:
    return Report(
        outcome=attestation.outcome,
        both_went=attestation.both_went,
        started_at=attestation.started_at,
        ended_at=attestation.ended_at,
        place_type=attestation.place_type,
        who_was_there=tuple(attestation.who_was_there.split()),
    )


def _to_fact(visit: Visit, educator_id: int, report: Report, pair: frozenset[int]) -> check_inputs.Attestation:
    assert report.started_at is not None
    assert report.ended_at is not None
    return check_inputs.Attestation(
        by=educator_id,
        went=pair if report.both_went else frozenset({educator_id}),
        started_at=report.started_at,
        ended_at=report.ended_at,
        place=report.place_type,
        kind=VisitKind(visit.kind),
    )


def _is_same_report(visit: Visit, other: Attestation, report: Report, fact: check_inputs.Attestation) -> bool:
    pair = frozenset({visit.lead_id, visit.partner_id})
    other_fact = _to_fact(visit, other.educator_id, _to_report(other), pair)
    return other.outcome == report.outcome and not check_reports_agree(other_fact, fact)


def _check_certificates(session: Session, visit: Visit) -> list[Problem]:
    """Check the certificates on the day of the visit; one may have been revoked since the booking."""
    members = booking_facts.load_members(session, visit.id)
    people = [
        booking_facts.with_recorded_certificate(person, members[person.id].certification_id)
        for person in booking_facts.load_people(session, [visit.lead_id, visit.partner_id])
    ]
    return check_certified_on_day(people, visit.local_date, visit.min_trained)


def _check_overlaps(
    session: Session, actor: Actor, visit: Visit, started_at: datetime, ended_at: datetime
) -> list[Problem]:
    """Check the times against the pair's other visits; the lock on both prevents a concurrent report."""
    others = reported_times.load_reported_times(session, visit, actor.educator_id, started_at, ended_at)
    return rules.check_no_overlap(started_at, ended_at, others)


def _new_attestation(visit: Visit, educator_id: int, report: Report, now: datetime) -> Attestation:
    return Attestation(
        visit_id=visit.id,
        educator_id=educator_id,
        outcome=report.outcome,
        both_went=report.both_went,
        started_at=report.started_at,
        ended_at=report.ended_at,
        place_type=report.place_type,
        kind=visit.kind,
        who_was_there=" ".join(report.who_was_there),
        at=now,
    )


def _complete_visit(
    session: Session,
    actor: Actor,
    visit: Visit,
    other: Attestation,
    entry: Attestation,
    *,
    policy: Policy,
    now: datetime,
) -> Visit:
    """Record the agreement and complete the visit (or close it as family away)."""
    entry.agrees_with_id = other.id
    with effects.translate_database_refusals(session):
        session.add(entry)
        session.flush()
        effects.record_event(session, visit, "agreed", actor, now)
        visit.attestation_id = other.id
        visit.state = VisitState.COMPLETED if other.outcome == "met" else VisitState.FAMILY_AWAY
        visit.closed_at = visit.updated_at = now
        session.flush()
        team.release_commitments(session, visit)
        effects.plan_messages(session, visit, policy, now)
    return visit
