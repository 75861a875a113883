"""Reflect: what I learned and what I will do. Asked of each of the pair once it is written up, never during it."""

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
    session: Session, actor: Actor, visit_id: int, learned: str, strengths: str, will_do: str, now: datetime
) -> Visit:
    """Write, or write again, one's own reflection on a visit both attested."""
    visit = booking_facts.own_visit(session, actor, visit_id)
    if actor.educator_id not in (visit.lead_id, visit.partner_id):
        raise NotFound
    checked_out = session.scalar(select(func.min(Attestation.at)).where(Attestation.visit_id == visit.id))
    refuse_if_any(
        [
            *check_nothing_written_during_visit(visit.starts_at, checked_out, now),
            *([] if visit.state == VisitState.COMPLETED else [Problem("not_held_yet", None)]),
            *rules.reflection_problems(learned, strengths, will_do),
        ]
    )
    mine = session.get(Reflection, (visit.id, actor.educator_id))
    if mine is None:
        mine = Reflection(visit_id=visit.id, educator_id=actor.educator_id)
        session.add(mine)
    mine.learned, mine.strengths, mine.will_do, mine.at = learned.strip(), strengths.strip(), will_do.strip(), now
    effects.note(session, visit, "reflected", actor, now)
    return visit
