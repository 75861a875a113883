"""Move: another time for the same pair. History is kept; the partner is asked again, then the family, once each."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import refuse_if_any
from homevisits.policies.rules import Policy
from homevisits.practices.facts import PlannedVisit, VisitKind
from homevisits.visits import rules, states
from homevisits.visits.actions import effects, team
from homevisits.visits.actions.book import free_then, open_then
from homevisits.visits.models import Visit, VisitState
from homevisits.visits.queries import booking_facts, locks


def move(session: Session, actor: Actor, visit_id: int, starts_at: datetime, policy: Policy, now: datetime) -> Visit:
    """Give the visit another time. Everyone's time moves with it, in place; whoever moved it is coming."""
    # gather
    visit = booking_facts.visit_of(session, actor, visit_id)
    locks.hold(session, visit)
    pair = [visit.lead_id, visit.partner_id]  # as they are now: a stand-in may have come in before the lock
    refuse_if_any(states.may("move", visit.state) + rules.still_ahead(visit.starts_at, now))
    refuse_if_any(booking_facts.still_going(session, actor, visit))
    if starts_at == visit.starts_at:
        return visit  # tapped twice: nobody is asked again for the time that stands
    members = booking_facts.members_of(session, visit.id)
    family = booking_facts.family_at_hand(session, visit.family_id, now.date())
    # The proof a place points at stays the same, so it is that certificate which must reach the new day.
    people = [
        booking_facts.with_own_certificate(person, members[person.id].certification_id)
        for person in booking_facts.people_facts(session, pair)
    ]
    local = starts_at.astimezone(ZoneInfo(visit.timezone))
    meeting = PlannedVisit(VisitKind(visit.kind), starts_at, local.date())
    # judge
    refuse_if_any(
        [
            *rules.judge(meeting, family.facts, people, policy, now),
            *rules.within_reach(starts_at, policy, now),
            *free_then(session, pair, starts_at, policy, visit.timezone, but=f"visit:{visit.id}"),
            *open_then(session, visit.school_id, local.date()),
        ]
    )
    # record
    with effects.refused_by_the_database(session):
        _shift(session, actor, visit, starts_at, local, policy, now)
        effects.note(session, visit, "moved", actor, now, detail=f"{visit.local_date} {visit.local_start}")
        effects.plan_texts(session, visit, policy, now)
    return visit


def _shift(
    session: Session, actor: Actor, visit: Visit, starts_at: datetime, local: datetime, policy: Policy, now: datetime
) -> None:
    members = booking_facts.members_of(session, visit.id)
    pair = [members[each] for each in sorted((visit.lead_id, visit.partner_id))]
    if visit.state != VisitState.PROPOSED:
        visit.state = VisitState.PROPOSED
        session.flush()
    ends_at = starts_at + timedelta(minutes=policy.visit_minutes)
    times = team.commitments_of(session, pair)
    for member in pair:
        mine = member.educator_id == actor.educator_id
        member.state, member.answered_at = ("coming", now) if mine else ("asked", None)
        member.on_the_way_at = None
        if not mine:
            member.asked_at = now
        taken = times[member.educator_id]
        taken.starts_at, taken.ends_at = starts_at, ends_at + timedelta(minutes=policy.travel_minutes)
        taken.active = True
        session.flush()
    visit.starts_at, visit.ends_at = starts_at, ends_at
    visit.local_date, visit.local_start = local.date(), local.strftime("%H:%M")
    effects.changed(visit, now)
