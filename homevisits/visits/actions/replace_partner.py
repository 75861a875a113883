"""Partner: one of the pair cannot come, and a stand-in takes the place. Until then nobody goes: never solo."""

from datetime import datetime

from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import NotFound, Problem, RulesBroken, refuse_if_any
from homevisits.policies.rules import Policy
from homevisits.practices.facts import PlannedVisit, VisitKind
from homevisits.practices.pairs_and_reflection import check_two_adults
from homevisits.visits import rules, states
from homevisits.visits.actions import effects, team
from homevisits.visits.actions.book import free_then
from homevisits.visits.models import Visit, VisitMember, VisitState
from homevisits.visits.queries import booking_facts, locks

OUT = ("declined", "unable", "withdrawn")


def cannot_come(
    session: Session, actor: Actor, visit_id: int, educator_id: int, policy: Policy, now: datetime
) -> Visit:
    """One of the pair cannot come (says so, or the other does, or a coordinator). The visit waits for a stand-in."""
    visit = booking_facts.visit_of(session, actor, visit_id)
    locks.hold(session, visit)
    member = booking_facts.members_of(session, visit.id).get(educator_id)
    if member is None or educator_id not in (visit.lead_id, visit.partner_id):
        raise NotFound
    refuse_if_any(states.may("cannot_come", visit.state) + rules.still_ahead(visit.starts_at, now) + _still_in(member))
    with effects.refused_by_the_database(session):
        step_out(session, visit, member, "unable", now)
        effects.note(session, visit, "cannot_come", actor, now, detail=str(educator_id))
        effects.plan_texts(session, visit, policy, now)
    return visit


def step_out(session: Session, visit: Visit, member: VisitMember, state: str, now: datetime) -> None:
    """The member is out; the visit is no longer arranged, and no text says it is."""
    if visit.state != VisitState.PROPOSED:
        visit.state = VisitState.PROPOSED
        session.flush()
    team.leave(session, member, state, now)
    effects.changed(visit, now)


def replace_partner(
    session: Session, actor: Actor, visit_id: int, stand_in_id: int, policy: Policy, now: datetime
) -> Visit:
    """`stand_in_id` takes the place of the one who is out, and is asked. The time stands, so no new notice is needed.

    When it was the lead who fell ill, the one who stays leads.
    """
    # gather
    visit = booking_facts.visit_of(session, actor, visit_id)
    locks.hold(session, visit, stand_in_id)
    members = booking_facts.members_of(session, visit.id)
    refuse_if_any(states.may("replace", visit.state) + rules.still_ahead(visit.starts_at, now))
    refuse_if_any(booking_facts.still_going(session, actor, visit))
    stays = _who_stays(visit, members)
    refuse_if_any(check_two_adults([stays, stand_in_id]))
    booking_facts.colleague(session, stand_in_id, visit.school_id)
    family = booking_facts.family_at_hand(session, visit.family_id, now.date())
    people = booking_facts.people_facts(session, [stays, stand_in_id])
    meeting = PlannedVisit(VisitKind(visit.kind), visit.starts_at, visit.local_date)
    # judge
    refuse_if_any(
        [
            *rules.judge_team(meeting, family.facts, people, visit.min_trained),
            *free_then(session, [stand_in_id], visit.starts_at, policy, visit.timezone),
            *([Problem("already_asked", "partner", {"name": people[1].name})] if stand_in_id in members else []),
        ]
    )
    # record
    with effects.refused_by_the_database(session):
        team.take(session, visit, people[1], "partner", "asked", policy, now)
        members[stays].role = "lead"
        session.flush()
        visit.lead_id, visit.partner_id = stays, stand_in_id
        effects.changed(visit, now)
        effects.note(session, visit, "stand_in", actor, now, detail=str(stand_in_id))
        effects.plan_texts(session, visit, policy, now)
    return visit


def _who_stays(visit: Visit, members: dict[int, VisitMember]) -> int:
    """The one of the pair who still comes, when exactly one is out."""
    staying = [each for each in (visit.lead_id, visit.partner_id) if members[each].state not in OUT]
    if len(staying) != 1:
        raise RulesBroken([Problem("nobody_to_replace" if staying else "both_out", "partner")])
    return staying[0]


def _still_in(member: VisitMember) -> list[Problem]:
    return [Problem("already_out", None)] if member.state in OUT else []
