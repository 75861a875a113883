"""The phone number of an educator for messages about their own visits."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.people.actions import set_reminder_phone
from homevisits.policies.rules import Policy
from homevisits.visits.actions import effects
from homevisits.visits.models import LIVE, Visit, VisitMember
from homevisits.visits.queries import locks


def save_reminder_phone(session: Session, actor: Actor, typed: str, policy: Policy, now: datetime) -> str | None:
    """Save the actor's number, or remove it if `typed` is empty, and plan the messages of upcoming visits again.

    Return the number in E.164 format. Raises `RulesBroken` if it is not a phone number.
    """
    ahead = (
        select(Visit)
        .join(VisitMember, VisitMember.visit_id == Visit.id)
        .where(
            VisitMember.educator_id == actor.educator_id,
            VisitMember.state.in_(("asked", "coming")),
            Visit.state.in_(LIVE),
            Visit.starts_at > now,
        )
        .order_by(Visit.id)
    )
    visits = session.scalars(ahead).all()
    # The educator's row changes only after all locks are taken, because every action locks the families first.
    locks.lock_visits(session, visits)
    phone = set_reminder_phone.set_reminder_phone(session, actor, typed)
    for visit in visits:
        if visit.state in LIVE:
            effects.plan_messages(session, visit, policy, now)
    return phone
