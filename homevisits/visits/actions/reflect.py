"""Reflections: each educator writes one after both reports agree, never during the visit."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import NotFound, Problem, refuse_if_any
from homevisits.practices.pairs_and_reflection import check_nothing_written_during_visit
from homevisits.visits import rules
from homevisits.visits.actions import effects
from homevisits.visits.models import Attestation, Reflection, Visit, VisitState
from homevisits.visits.queries import booking_facts


def reflect(
    session: Session, actor: Actor, visit_id: int, *, learned: str, strengths: str, will_do: str, now: datetime
) -> Visit:
    """Save or replace the actor's own reflection on a completed visit."""
    visit = booking_facts.get_own_visit(session, actor, visit_id)
    if actor.educator_id not in (visit.lead_id, visit.partner_id):
        raise NotFound
    first_report_at = session.scalar(select(func.min(Attestation.at)).where(Attestation.visit_id == visit.id))
    refuse_if_any(
        [
            *check_nothing_written_during_visit(visit.starts_at, first_report_at, now),
            *([] if visit.state == VisitState.COMPLETED else [Problem("not_held_yet", None)]),
            *rules.check_reflection(learned, strengths, will_do),
        ]
    )
    reflection = session.get(Reflection, (visit.id, actor.educator_id))
    if reflection is None:
        reflection = Reflection(visit_id=visit.id, educator_id=actor.educator_id)
        session.add(reflection)
    reflection.learned, reflection.strengths = learned.strip(), strengths.strip()
    reflection.will_do, reflection.at = will_do.strip(), now
    effects.record_event(session, visit, "reflected", actor, now)
    return visit
