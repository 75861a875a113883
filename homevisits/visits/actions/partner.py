"""Partner: one of the pair cannot come, and a stand-in takes the place. Until then nobody goes: never solo."""

from datetime import datetime

from sqlalchemy.orm import Session

from homevisits.access import Actor
from homevisits.policies.rules import Policy
from homevisits.practices.facts import Kind, Meeting
from homevisits.practices.pairs_and_reflection import two_adults
from homevisits.problems import NotFound, Problem, RulesBroken, refuse_if_any
from homevisits.visits import life, rules
from homevisits.visits.actions import record, seats
from homevisits.visits.actions.book import free_then
from homevisits.visits.models import Visit, VisitMember, VisitState
from homevisits.visits.queries import gathering

OUT = ("declined", "unable", "withdrawn")


def cannot_come(
    session: Session, actor: Actor, visit_id: int, educator_id: int, policy: Policy, now: datetime
) -> Visit:
    """One of the pair cannot come (says so, or the other does, or a coordinator). The visit waits for a stand-in."""
    visit = gathering.visit_of(session, actor, visit_id)
    gathering.hold(session, visit)
    member = gathering.members_of(session, visit.id).get(educator_id)
    if member is None or educator_id not in (visit.lead_id, visit.partner_id):
        raise NotFound
    refuse_if_any(life.may("cannot_come", visit.state) + rules.still_ahead(visit.starts_at, now) + _still_in(member))
    with record.refused_by_the_database(session):
        step_out(session, visit, member, "unable", now)
        record.note(session, visit, "cannot_come", actor, now, detail=str(educator_id))
        record.plan_texts(session, visit, policy, now)
    return visit


def step_out(session: Session, visit: Visit, member: VisitMember, state: str, now: datetime) -> None:
    """The member is out; the visit is no longer arranged, and no text says it is."""
    if visit.state != VisitState.PROPOSED:
        visit.state = VisitState.PROPOSED
        session.flush()
    seats.leave(session, member, state, now)
    record.changed(visit, now)


def replace_partner(
    session: Session, actor: Actor, visit_id: int, stand_in_id: int, policy: Policy, now: datetime
) -> Visit:
    """`stand_in_id` takes the place of the one who is out, and is asked. The time stands, so no new notice is needed.

    When it was the lead who fell ill, the one who stays leads.
    """
    # gather
    visit = gathering.visit_of(session, actor, visit_id)
    gathering.hold(session, visit, stand_in_id)
    members = gathering.members_of(session, visit.id)
    refuse_if_any(life.may("replace", visit.state) + rules.still_ahead(visit.starts_at, now))
    refuse_if_any(gathering.still_going(session, actor, visit))
    stays = _who_stays(visit, members)
    refuse_if_any(two_adults([stays, stand_in_id]))
    gathering.colleague(session, stand_in_id, visit.school_id)
    family = gathering.family_at_hand(session, visit.family_id, now.date())
    people = gathering.people_facts(session, [stays, stand_in_id])
    meeting = Meeting(Kind(visit.kind), visit.starts_at, visit.local_date)
    # judge
    refuse_if_any(
        [
            *rules.judge_team(meeting, family.facts, people, visit.min_trained),
            *free_then(session, [stand_in_id], visit.starts_at, policy, visit.timezone),
            *([Problem("already_asked", "partner", {"name": people[1].name})] if stand_in_id in members else []),
        ]
    )
    # record
    with record.refused_by_the_database(session):
        seats.take(session, visit, people[1], "partner", "asked", policy, now)
        members[stays].role = "lead"
        session.flush()
        visit.lead_id, visit.partner_id = stays, stand_in_id
        record.changed(visit, now)
        record.note(session, visit, "stand_in", actor, now, detail=str(stand_in_id))
        record.plan_texts(session, visit, policy, now)
    return visit


def _who_stays(visit: Visit, members: dict[int, VisitMember]) -> int:
    """The one of the pair who still comes, when exactly one is out."""
    staying = [each for each in (visit.lead_id, visit.partner_id) if members[each].state not in OUT]
    if len(staying) != 1:
        raise RulesBroken([Problem("nobody_to_replace" if staying else "both_out", "partner")])
    return staying[0]


def _still_in(member: VisitMember) -> list[Problem]:
    return [Problem("already_out", None)] if member.state in OUT else []
