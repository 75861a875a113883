"""Row locks for changes to visits: the family first, then its people in id order."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.db import is_sqlite
from homevisits.people.models import (
    Family,
    Person,
)
from homevisits.visits.models import Visit


def lock(session: Session, family_id: int, people_ids: Collection[int]) -> None:
    """Hold the family and then the people, in id order, until the transaction ends.

    SQLite's one writer holds everything already (BEGIN IMMEDIATE).
    """
    if is_sqlite(session):
        return
    session.execute(select(Family.id).where(Family.id == family_id).with_for_update())
    lock_people(session, people_ids)


def lock_people(session: Session, people_ids: Collection[int]) -> None:
    """Hold the people, in id order, until the transaction ends: two bookings of one person wait for each other."""
    if not is_sqlite(session):
        session.execute(select(Person.id).where(Person.id.in_(people_ids)).order_by(Person.id).with_for_update())


def hold(session: Session, visit: Visit, *more: int) -> None:
    """Hold the visit's family and people (and `more` people), and read the visit again as it now is."""
    lock(session, visit.family_id, [visit.lead_id, visit.partner_id, *more])
    session.refresh(visit)


def hold_if_free(session: Session, visit: Visit) -> bool:
    """The same without waiting: False when somebody else holds one of them. For what looks after many visits."""
    if not is_sqlite(session):
        people = sorted((visit.lead_id, visit.partner_id))
        family = select(Family.id).where(Family.id == visit.family_id).with_for_update(skip_locked=True)
        pair = select(Person.id).where(Person.id.in_(people)).order_by(Person.id).with_for_update(skip_locked=True)
        if session.scalar(family) is None or len(session.scalars(pair).all()) < len(people):
            return False
    session.refresh(visit)
    return True
