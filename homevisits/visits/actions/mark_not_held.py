"""Close a visit that did not take place."""

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import refuse_if_any
from homevisits.policies.rules import Policy
from homevisits.visits import rules, states
from homevisits.visits.actions import effects
from homevisits.visits.actions.family_response import end_visit
from homevisits.visits.models import Attestation, Visit, VisitState
from homevisits.visits.queries import booking_facts, locks


def mark_not_held(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> Visit:
    """Record that a visit did not take place. Allowed from its start until either educator has reported on it.

    A member of the pair or a coordinator may do so. No message is sent, and the family can be booked again.
    """
    visit = booking_facts.get_visit(session, actor, visit_id)
    locks.lock_visit(session, visit)
    refuse_if_any(
        states.check_transition("not_held", visit.state)
        + rules.check_can_mark_not_held(visit.starts_at, is_reported(session, visit.id), now)
        + booking_facts.check_still_on_team(session, actor, visit)
    )
    with effects.translate_database_refusals(session):
        end_visit(session, visit, VisitState.NOT_HELD, now)
        effects.record_event(session, visit, "not_held", actor, now)
        effects.plan_messages(session, visit, policy, now)  # withdraws messages that still wait, such as a reminder
    return visit


def is_reported(session: Session, visit_id: int) -> bool:
    """Whether either educator has reported on the visit."""
    return bool(session.scalar(select(exists().where(Attestation.visit_id == visit_id))))
