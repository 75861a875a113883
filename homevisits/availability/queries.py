"""Queries for schedules, weekly hours and closures."""

from collections.abc import Collection
from datetime import date, datetime, time

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from homevisits.availability.models import Closure, Commitment, WeeklyHours
from homevisits.availability.rules import Interval, Schedule, WeeklyInterval
from homevisits.people.models import Person


def load_schedules(
    session: Session, people: Collection[int], after: datetime, before: datetime, *, ignored_subject: str | None = None
) -> dict[int, Schedule]:
    """Return each person's hours and commitments between two times, except for `ignored_subject`."""
    names = {
        row.id: f"{row.given_name} {row.family_name}"
        for row in session.execute(
            select(Person.id, Person.given_name, Person.family_name).where(Person.id.in_(people))
        )
    }
    hours: dict[int, list[WeeklyInterval]] = {}
    for row in session.scalars(select(WeeklyHours).where(WeeklyHours.educator_id.in_(people))):
        hours.setdefault(row.educator_id, []).append(_to_hours(row))
    busy: dict[int, list[Interval]] = {}
    query = select(Commitment.person_id, Commitment.starts_at, Commitment.ends_at).where(
        Commitment.person_id.in_(people),
        Commitment.active,
        Commitment.starts_at < before,
        Commitment.ends_at > after,
    )
    if ignored_subject is not None:
        query = query.where(Commitment.subject != ignored_subject)
    for person_id, starts_at, ends_at in session.execute(query):
        busy.setdefault(person_id, []).append(Interval(starts_at, ends_at))
    return {
        person: Schedule(person, name, tuple(hours.get(person, ())), tuple(busy.get(person, ())))
        for person, name in names.items()
    }


def list_weekly_hours(session: Session, educator_id: int) -> list[WeeklyInterval]:
    """Return an educator's weekly hours in chronological order."""
    query = (
        select(WeeklyHours)
        .where(WeeklyHours.educator_id == educator_id)
        .order_by(WeeklyHours.weekday, WeeklyHours.starts)
    )
    return [_to_hours(row) for row in session.scalars(query)]


def find_closures(session: Session, school_id: int, first: date, last: date) -> dict[date, str]:
    """Return date and name of the school's closures from `first` to `last`."""
    query = select(Closure.day, Closure.name).where(
        or_(Closure.school_id == school_id, Closure.school_id.is_(None)), Closure.day.between(first, last)
    )
    return dict(session.execute(query).all())


def _to_hours(row: WeeklyHours) -> WeeklyInterval:
    ends = time(0) if row.ends == "24:00" else time.fromisoformat(row.ends)
    return WeeklyInterval(row.weekday, time.fromisoformat(row.starts), ends)
