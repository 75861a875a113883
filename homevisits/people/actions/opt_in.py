"""Opt in to home visits or out of them, as an educator."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import Problem, RulesBroken
from homevisits.people.models import OptIn, Person


def opt_in(session: Session, actor: Actor, now: datetime) -> OptIn:
    """Opt the educator in. A second opt-in changes nothing."""
    return _write_opt_in(session, actor, "in", now)


def opt_out(session: Session, actor: Actor, now: datetime) -> OptIn:
    """Opt the educator out at once, without a reason. `homevisits.visits` then handles the planned visits."""
    return _write_opt_in(session, actor, "out", now)


def _write_opt_in(session: Session, actor: Actor, answer: str, now: datetime) -> OptIn:
    if actor.educator_id is None:
        raise RulesBroken([Problem("not_an_educator")])
    # Lock the educator's row, as bookings that read the opt-in ledger do.
    session.execute(select(Person.id).where(Person.id == actor.educator_id).with_for_update())
    newest = session.scalars(
        select(OptIn).where(OptIn.educator_id == actor.educator_id).order_by(OptIn.id.desc()).limit(1)
    ).first()
    if newest is not None and newest.answer == answer:
        return newest
    entry = OptIn(educator_id=actor.educator_id, answer=answer, at=now, recorded_by=actor.account_id)
    session.add(entry)
    session.flush()
    return entry
