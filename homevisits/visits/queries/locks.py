"""Row locks for changes to visits: the family first, then its people in id order."""

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.db import is_sqlite
from homevisits.people.models import (
    Family,
    Person,
)
from homevisits.visits.models import Visit


def lock_family_and_people(session: Session, family_id: int, people_ids: Collection[int]) -> None:
    """Lock the family and then the people, in id order, until the transaction ends.

    Not needed on SQLite, where a transaction is the only writer (BEGIN IMMEDIATE).
    """
    if is_sqlite(session):
        return
    session.execute(select(Family.id).where(Family.id == family_id).with_for_update())
    lock_people(session, people_ids)


def lock_people(session: Session, people_ids: Collection[int]) -> None:
    """Lock the people, in id order, until the transaction ends, so that bookings of the same person wait."""
    if not is_sqlite(session):
        session.execute(select(Person.id).where(Person.id.in_(people_ids)).order_by(Person.id).with_for_update())


def lock_visit(session: Session, visit: Visit, *more: int) -> None:
    """Lock the visit's family, its people and the people in `more`, then read the visit again."""
    lock_family_and_people(session, visit.family_id, [visit.lead_id, visit.partner_id, *more])
    session.refresh(visit)


def lock_visits(session: Session, visits: Sequence[Visit]) -> None:
    """Lock the families of all `visits`, then all their people, each in id order, then read the visits again."""
    if not is_sqlite(session):
        families = {visit.family_id for visit in visits}
        session.execute(select(Family.id).where(Family.id.in_(families)).order_by(Family.id).with_for_update())
    lock_people(session, {educator_id for visit in visits for educator_id in (visit.lead_id, visit.partner_id)})
    for visit in visits:
        session.refresh(visit)


def try_lock_visit(session: Session, visit: Visit) -> bool:
    """Lock the visit without waiting. Return False if another transaction holds one of the rows."""
    if not is_sqlite(session):
        people = sorted((visit.lead_id, visit.partner_id))
        family = select(Family.id).where(Family.id == visit.family_id).with_for_update(skip_locked=True)
        pair = select(Person.id).where(Person.id.in_(people)).order_by(Person.id).with_for_update(skip_locked=True)
        if session.scalar(family) is None or len(session.scalars(pair).all()) < len(people):
            return False
    session.refresh(visit)
    return True
