"""Move a visit to another time with the same pair. The partner is asked again, then the family."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import refuse_if_any
from homevisits.policies.rules import Policy
from homevisits.practices.check_inputs import VisitKind
from homevisits.visits import rules, states
from homevisits.visits.actions import arrangement_checks, effects, team
from homevisits.visits.actions.arrangement_checks import Arrangement, Exemption
from homevisits.visits.models import Visit, VisitState
from homevisits.visits.queries import booking_facts, locks

MOVE_EXEMPTIONS = frozenset({Exemption.PLACE, Exemption.LIVE_VISIT})


def move(session: Session, actor: Actor, visit_id: int, starts_at: datetime, *, policy: Policy, now: datetime) -> Visit:
    """Move the visit. Both commitments move with it; the educator who moved it counts as coming."""
    # load
    visit = booking_facts.get_visit(session, actor, visit_id)
    locks.lock_visit(session, visit)
    pair = [visit.lead_id, visit.partner_id]  # read after the lock: a stand-in may have joined meanwhile
    refuse_if_any(states.check_transition("move", visit.state) + rules.check_not_started(visit.starts_at, now))
    refuse_if_any(booking_facts.check_still_on_team(session, actor, visit))
    if starts_at == visit.starts_at:
        return visit  # sent twice: do not ask again for the same time
    members = booking_facts.load_members(session, visit.id)
    family = booking_facts.load_family(session, visit.family_id, now.date())
    # A member keeps the recorded certificate, so that certificate must be valid on the new day.
    people = [
        booking_facts.with_recorded_certificate(person, members[person.id].certification_id)
        for person in booking_facts.load_people(session, pair)
    ]
    local = starts_at.astimezone(ZoneInfo(visit.timezone))
    # check
    arrangement = Arrangement(
        kind=VisitKind(visit.kind),
        family=family.facts,
        people=people,
        school_id=visit.school_id,
        zone=visit.timezone,
        starts_at=starts_at,
        duration=arrangement_checks.policy_duration(policy),
        min_trained=policy.min_trained,
        must_be_free=pair,
        ignored_subject=f"visit:{visit.id}",
    )
    refuse_if_any(arrangement_checks.find_problems(session, arrangement, policy, now, exempt=MOVE_EXEMPTIONS))
    # record
    with effects.translate_database_refusals(session):
        _apply_new_time(session, actor, visit, starts_at, local=local, policy=policy, now=now)
        effects.record_event(session, visit, "moved", actor, now, detail=f"{visit.local_date} {visit.local_start}")
        effects.plan_messages(session, visit, policy, now)
    return visit


def _apply_new_time(
    session: Session, actor: Actor, visit: Visit, starts_at: datetime, *, local: datetime, policy: Policy, now: datetime
) -> None:
    members = booking_facts.load_members(session, visit.id)
    pair = [members[educator_id] for educator_id in sorted((visit.lead_id, visit.partner_id))]
    if visit.state != VisitState.PROPOSED:
        visit.state = VisitState.PROPOSED
        session.flush()
    ends_at = starts_at + timedelta(minutes=policy.visit_minutes)
    commitments = team.load_commitments(session, pair)
    for member in pair:
        is_actor = member.educator_id == actor.educator_id
        member.state, member.answered_at = ("coming", now) if is_actor else ("asked", None)
        member.on_the_way_at = None
        if not is_actor:
            member.asked_at = now
        commitment = commitments[member.educator_id]
        commitment.starts_at = starts_at
        commitment.ends_at = ends_at + timedelta(minutes=policy.travel_minutes)
        commitment.active = True
        session.flush()
    visit.starts_at, visit.ends_at = starts_at, ends_at
    visit.local_date, visit.local_start = local.date(), local.strftime("%H:%M")
    effects.mark_changed(visit, now)
