"""Cancel a visit before it starts. No reason is asked."""

from datetime import datetime

from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import refuse_if_any
from homevisits.policies.rules import Policy
from homevisits.visits import rules, states
from homevisits.visits.actions import effects
from homevisits.visits.actions.family_response import end_visit
from homevisits.visits.models import Visit, VisitState
from homevisits.visits.queries import booking_facts, locks


def cancel(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> Visit:
    """Cancel as a member of the pair or as a coordinator. A family that knows of the visit gets a message.

    After its start a visit is reported (`attest`) or closed as not held (`mark_not_held`). A cancellation by the
    family is recorded with `record_family_answer`.
    """
    visit = booking_facts.get_visit(session, actor, visit_id)
    locks.lock_visit(session, visit)
    refuse_if_any(states.check_transition("cancel", visit.state) + rules.check_not_started(visit.starts_at, now))
    refuse_if_any(booking_facts.check_still_on_team(session, actor, visit))
    with effects.translate_database_refusals(session):
        end_visit(session, visit, VisitState.CANCELLED_BY_EDUCATOR, now)
        effects.record_event(session, visit, "cancelled", actor, now)
        effects.plan_messages(session, visit, policy, now)
    return visit
