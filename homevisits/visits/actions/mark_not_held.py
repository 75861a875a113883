"""Close a visit that did not take place."""

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import refuse_if_any
from homevisits.policies.rules import Policy
from homevisits.visits import rules, states
from homevisits.visits.actions import effects
from homevisits.visits.actions.family_response import end
from homevisits.visits.models import Attestation, Visit, VisitState
from homevisits.visits.queries import booking_facts, locks


def mark_not_held(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> Visit:
    """Record that a visit whose time has come did not take place. One of the pair or a coordinator may do so.

    Allowed only while nobody has reported on the visit. No message is sent, and the family can be booked again.
    """
    visit = booking_facts.visit_of(session, actor, visit_id)
    locks.hold(session, visit)
    refuse_if_any(
        states.may("not_held", visit.state)
        + rules.may_be_not_held(visit.starts_at, is_reported(session, visit.id), now)
        + booking_facts.still_going(session, actor, visit)
    )
    with effects.refused_by_the_database(session):
        end(session, visit, VisitState.NOT_HELD, now)
        effects.note(session, visit, "not_held", actor, now)
        effects.plan_texts(session, visit, policy, now)  # withdraws what still waits, such as a reminder
    return visit


def is_reported(session: Session, visit_id: int) -> bool:
    """Whether anyone has reported that the pair met the family, or found nobody home."""
    return bool(session.scalar(select(exists().where(Attestation.visit_id == visit_id))))
