"""Accept or decline: the answer of an educator who was asked to join a visit."""

from datetime import datetime

from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import Problem, refuse_if_any
from homevisits.policies.rules import Policy
from homevisits.visits import rules, states
from homevisits.visits.actions import arrangement_checks, effects, team
from homevisits.visits.actions.arrangement_checks import Exemption
from homevisits.visits.models import Visit, VisitMember
from homevisits.visits.queries import booking_facts, locks


def accept(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> Visit:
    """Accept. Once both have accepted, the visit is scheduled and the family is asked to confirm the time."""
    visit = booking_facts.get_own_visit(session, actor, visit_id)
    locks.lock_visit(session, visit)
    members = booking_facts.load_members(session, visit.id)
    member = members[actor.educator_id or 0]
    refuse_if_any(
        states.check_transition("accept", visit.state)
        + _check_is_asked(member)
        + rules.check_not_started(visit.starts_at, now)
    )
    refuse_if_any(_find_problems(session, visit, policy, now))
    with effects.translate_database_refusals(session):
        member.state, member.answered_at = "coming", now
        session.flush()
        effects.record_event(session, visit, "accepted", actor, now)
        coming = sum(members[educator_id].state == "coming" for educator_id in (visit.lead_id, visit.partner_id))
        visit.state = states.state_after_answers(coming, 2)
        visit.updated_at = now
        if visit.state == "scheduled":
            effects.record_event(session, visit, "arranged", None, now)
            effects.plan_messages(session, visit, policy, now)
    return visit


def decline(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> Visit:
    """Decline, without a reason. The commitment is released, and the other educator looks for a partner."""
    visit = booking_facts.get_own_visit(session, actor, visit_id)
    locks.lock_visit(session, visit)
    member = booking_facts.load_members(session, visit.id)[actor.educator_id or 0]
    refuse_if_any(
        states.check_transition("decline", visit.state)
        + _check_is_asked(member)
        + rules.check_not_started(visit.starts_at, now)
    )
    with effects.translate_database_refusals(session):
        team.release_member(session, member, "declined", now)
        visit.updated_at = now
        effects.record_event(session, visit, "declined", actor, now)
        effects.plan_messages(session, visit, policy, now)
    return visit


def _check_is_asked(member: VisitMember) -> list[Problem]:
    return [] if member.state == "asked" else [Problem("not_asked", None)]


def _find_problems(session: Session, visit: Visit, policy: Policy, now: datetime) -> list[Problem]:
    """Check the visit again: opt-ins, certificates, the family's answer and closures may have changed."""
    family = booking_facts.load_family(session, visit.family_id, now.date())
    people = booking_facts.load_people(session, [visit.lead_id, visit.partner_id])
    arrangement = arrangement_checks.existing_arrangement(visit, family, people, policy)
    exempt = {Exemption.PLACE, Exemption.AVAILABILITY, Exemption.LIVE_VISIT}
    if effects.family_knows_time(session, visit):
        exempt.add(Exemption.START)
    return arrangement_checks.find_problems(session, arrangement, policy, now, exempt=exempt)
