"""Answer: whoever was asked to come accepts or declines. Declining asks no reason."""

from datetime import datetime

from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import Problem, refuse_if_any
from homevisits.policies.rules import Policy
from homevisits.practices.facts import PlannedVisit, VisitKind
from homevisits.visits import rules, states
from homevisits.visits.actions import effects, team
from homevisits.visits.models import Visit, VisitMember
from homevisits.visits.queries import booking_facts, locks


def accept(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> Visit:
    """I'll come. Once both come, the visit is arranged and the family is asked to confirm the time."""
    visit = booking_facts.own_visit(session, actor, visit_id)
    locks.hold(session, visit)
    members = booking_facts.members_of(session, visit.id)
    mine = members[actor.educator_id or 0]
    refuse_if_any(states.may("accept", visit.state) + _asked(mine) + rules.still_ahead(visit.starts_at, now))
    refuse_if_any(_judged(session, visit, policy, now))
    with effects.refused_by_the_database(session):
        mine.state, mine.answered_at = "coming", now
        session.flush()
        effects.note(session, visit, "accepted", actor, now)
        coming = sum(members[each].state == "coming" for each in (visit.lead_id, visit.partner_id))
        visit.state = states.when_answered(coming, 2)
        visit.updated_at = now
        if visit.state == "scheduled":
            effects.note(session, visit, "arranged", None, now)
            effects.plan_texts(session, visit, policy, now)
    return visit


def decline(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> Visit:
    """Not this time. The time is one's own again; the other looks for another partner."""
    visit = booking_facts.own_visit(session, actor, visit_id)
    locks.hold(session, visit)
    mine = booking_facts.members_of(session, visit.id)[actor.educator_id or 0]
    refuse_if_any(states.may("decline", visit.state) + _asked(mine) + rules.still_ahead(visit.starts_at, now))
    with effects.refused_by_the_database(session):
        team.leave(session, mine, "declined", now)
        visit.updated_at = now
        effects.note(session, visit, "declined", actor, now)
        effects.plan_texts(session, visit, policy, now)
    return visit


def _asked(mine: VisitMember) -> list[Problem]:
    return [] if mine.state == "asked" else [Problem("not_asked", None)]


def _judged(session: Session, visit: Visit, policy: Policy, now: datetime) -> list[Problem]:
    """Between asking and accepting anyone may have left, or said no; and the family's notice begins when it is told."""
    family = booking_facts.family_at_hand(session, visit.family_id, now.date())
    people = booking_facts.people_facts(session, [visit.lead_id, visit.partner_id])
    meeting = PlannedVisit(VisitKind(visit.kind), visit.starts_at, visit.local_date)
    if effects.knows_the_time(session, visit):
        return rules.judge_team(meeting, family.facts, people, visit.min_trained)
    return rules.judge(meeting, family.facts, people, policy, now)
