"""Remind: the number an educator gives for texts about their own visits, and what follows from giving it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.people import actions as people
from homevisits.policies.rules import Policy
from homevisits.visits.actions import effects
from homevisits.visits.models import LIVE, Visit, VisitMember
from homevisits.visits.queries import locks


def give_phone(session: Session, actor: Actor, typed: str, policy: Policy, now: datetime) -> str | None:
    """Keep the actor's own number, or forget it ("": none): visits ahead are planned with it from here on.

    The number as it is kept (E.164). Raises `RulesBroken` when it cannot be a phone number.
    """
    phone = people.set_reminder_phone(session, actor, typed)
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
    for visit in session.scalars(ahead).all():
        locks.hold(session, visit)
        if visit.state in LIVE:
            effects.plan_texts(session, visit, policy, now)
    return phone
