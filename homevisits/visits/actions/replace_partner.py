"""Record that an educator cannot come, and give the place to a stand-in. A visit never takes place with only one."""

from datetime import datetime

from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import NotFound, Problem, RulesBroken, refuse_if_any
from homevisits.policies.rules import Policy
from homevisits.practices.pairs_and_reflection import check_two_adults
from homevisits.visits import rules, states
from homevisits.visits.actions import arrangement_checks, effects, team
from homevisits.visits.actions.arrangement_checks import Exemption
from homevisits.visits.models import Visit, VisitMember, VisitState
from homevisits.visits.queries import booking_facts, locks
from homevisits.visits.states import OUT_STATES

STAND_IN_EXEMPTIONS = frozenset({Exemption.START, Exemption.PLACE, Exemption.LIVE_VISIT})


def cannot_come(
    session: Session, actor: Actor, visit_id: int, educator_id: int, *, policy: Policy, now: datetime
) -> Visit:
    """Record that `educator_id` cannot come; either educator or a coordinator may do so. A stand-in is then needed."""
    visit = booking_facts.get_visit(session, actor, visit_id)
    locks.lock_visit(session, visit)
    member = booking_facts.load_members(session, visit.id).get(educator_id)
    if member is None or educator_id not in (visit.lead_id, visit.partner_id):
        raise NotFound
    refuse_if_any(
        states.check_transition("cannot_come", visit.state)
        + rules.check_not_started(visit.starts_at, now)
        + _check_not_out(member)
    )
    with effects.translate_database_refusals(session):
        remove_from_team(session, visit, member, "unable", now)
        effects.record_event(session, visit, "cannot_come", actor, now, detail=str(educator_id))
        effects.plan_messages(session, visit, policy, now)
    return visit


def remove_from_team(session: Session, visit: Visit, member: VisitMember, state: str, now: datetime) -> None:
    """Release the member's place and set the visit back to proposed."""
    if visit.state != VisitState.PROPOSED:
        visit.state = VisitState.PROPOSED
        session.flush()
    team.release_member(session, member, state, now)
    effects.mark_changed(visit, now)


def replace_partner(
    session: Session, actor: Actor, visit_id: int, stand_in_id: int, *, policy: Policy, now: datetime
) -> Visit:
    """Ask a stand-in to take the empty place. The time does not change, so no new notice period is needed.

    The remaining educator becomes the lead.
    """
    # load
    visit = booking_facts.get_visit(session, actor, visit_id)
    locks.lock_visit(session, visit, stand_in_id)
    members = booking_facts.load_members(session, visit.id)
    refuse_if_any(states.check_transition("replace", visit.state) + rules.check_not_started(visit.starts_at, now))
    refuse_if_any(booking_facts.check_still_on_team(session, actor, visit))
    stays = _remaining_member(visit, members)
    refuse_if_any(check_two_adults([stays, stand_in_id]))
    booking_facts.require_colleague(session, stand_in_id, visit.school_id)
    family = booking_facts.load_family(session, visit.family_id, now.date())
    people = booking_facts.load_people(session, [stays, stand_in_id])
    # check
    # A commitment holds the time of the educator who stays.
    arrangement = arrangement_checks.existing_arrangement(visit, family, people, policy, must_be_free=[stand_in_id])
    refuse_if_any(
        [
            *arrangement_checks.find_problems(session, arrangement, policy, now, exempt=STAND_IN_EXEMPTIONS),
            *([Problem("already_asked", "partner", {"name": people[1].name})] if stand_in_id in members else []),
        ]
    )
    # record
    with effects.translate_database_refusals(session):
        team.add_member(session, visit, people[1], role="partner", state="asked", policy=policy, now=now)
        members[stays].role = "lead"
        session.flush()
        visit.lead_id, visit.partner_id = stays, stand_in_id
        effects.mark_changed(visit, now)
        effects.record_event(session, visit, "stand_in", actor, now, detail=str(stand_in_id))
        effects.plan_messages(session, visit, policy, now)
    return visit


def _remaining_member(visit: Visit, members: dict[int, VisitMember]) -> int:
    """Return the educator who still comes. Raises `RulesBroken` unless exactly one place is empty."""
    staying = [
        member_id for member_id in (visit.lead_id, visit.partner_id) if members[member_id].state not in OUT_STATES
    ]
    if len(staying) != 1:
        raise RulesBroken([Problem("nobody_to_replace" if staying else "both_out", "partner")])
    return staying[0]


def _check_not_out(member: VisitMember) -> list[Problem]:
    return [Problem("already_out", None)] if member.state in OUT_STATES else []
