"""Cancel: by either side, at any time before it is held, no reason asked."""

from datetime import datetime

from sqlalchemy.orm import Session

from homevisits.access import Actor
from homevisits.policies.rules import Policy
from homevisits.problems import refuse_if_any
from homevisits.visits import life
from homevisits.visits.actions import record
from homevisits.visits.actions.family import end
from homevisits.visits.models import Visit, VisitState
from homevisits.visits.queries import gathering


def cancel(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> Visit:
    """One of the pair, or a coordinator on someone's behalf, calls the visit off. A family that knew of it is told.

    A family's own cancelling is an answer of the family (`family_answers`), also when a person records it.
    """
    visit = gathering.visit_of(session, actor, visit_id)
    gathering.hold(session, visit)
    refuse_if_any(life.may("cancel", visit.state) + gathering.still_going(session, actor, visit))
    with record.refused_by_the_database(session):
        end(session, visit, VisitState.CANCELLED_BY_EDUCATOR, now)
        record.note(session, visit, "cancelled", actor, now)
        record.plan_texts(session, visit, policy, now)
    return visit
