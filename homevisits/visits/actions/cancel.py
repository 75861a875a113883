"""Cancel: by either side, until the visit starts, no reason asked."""

from datetime import datetime

from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import refuse_if_any
from homevisits.policies.rules import Policy
from homevisits.visits import rules, states
from homevisits.visits.actions import effects
from homevisits.visits.actions.family_response import end
from homevisits.visits.models import Visit, VisitState
from homevisits.visits.queries import booking_facts, locks


def cancel(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> Visit:
    """One of the pair, or a coordinator on someone's behalf, calls the visit off. A family that knew of it is told.

    From its start on a visit is reported on (`attest`) or closed as not held (`mark_not_held`). A family's own
    cancelling is an answer of the family (`family_answers`), also when a person records it.
    """
    visit = booking_facts.visit_of(session, actor, visit_id)
    locks.hold(session, visit)
    refuse_if_any(states.may("cancel", visit.state) + rules.still_ahead(visit.starts_at, now))
    refuse_if_any(booking_facts.still_going(session, actor, visit))
    with effects.refused_by_the_database(session):
        end(session, visit, VisitState.CANCELLED_BY_EDUCATOR, now)
        effects.note(session, visit, "cancelled", actor, now)
        effects.plan_texts(session, visit, policy, now)
    return visit
