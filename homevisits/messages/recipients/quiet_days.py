"""Quiet days without automatic messages, per school or district. Past days cannot be changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound, Problem, RulesBroken
from homevisits.messages.models import QuietDay

MAX_DAYS = 31  # per entry, to catch typing errors
MAX_AHEAD = timedelta(days=730)
MAX_NAME_LENGTH = 80


@dataclass(frozen=True)
class QuietPeriod:
    """A range of quiet days, first and last included. `school`: its ID; None: the whole district."""

    school: int | None
    first: date
    last: date
    name: str


def find_problems(period: QuietPeriod, today: date) -> list[Problem]:
    """Return all problems of a range of quiet days. Pure."""
    problems = []
    if not period.name:
        problems.append(Problem("missing", "name"))
    elif len(period.name) > MAX_NAME_LENGTH:
        problems.append(Problem("too_long", "name", {"most": MAX_NAME_LENGTH}))
    if period.first < today:
        problems.append(Problem("quiet_day_past", "first"))
    if period.last < period.first:
        problems.append(Problem("period_backwards", "last"))
    elif (period.last - period.first).days >= MAX_DAYS:
        problems.append(Problem("quiet_days_many", "last", {"most": MAX_DAYS}))
    if period.first > today + MAX_AHEAD:
        problems.append(Problem("quiet_day_far", "first"))
    return problems


def add_quiet_days(session: Session, actor: Actor, period: QuietPeriod, today: date, now: datetime) -> int:
    """Add quiet days and return how many are new. Raises `NotFound` for a school out of scope."""
    schools = actor.schools(Permission.DELIVERY)
    if schools is not None and period.school not in schools:
        raise NotFound
    problems = find_problems(period, today)
    if problems:
        raise RulesBroken(problems)
    days = [period.first + timedelta(days=n) for n in range((period.last - period.first).days + 1)]
    same_school = QuietDay.school_id.is_(None) if period.school is None else QuietDay.school_id == period.school
    existing = set(session.scalars(select(QuietDay.day).where(QuietDay.day.in_(days), same_school)))
    new = [day for day in days if day not in existing]
    session.add_all(
        [
            QuietDay(school_id=period.school, day=day, name=period.name, by_account=actor.account_id, at=now)
            for day in new
        ]
    )
    session.flush()
    return len(new)


def remove_quiet_day(session: Session, actor: Actor, quiet_id: int, today: date) -> bool:
    """Remove a quiet day. False if it is past. Raises `NotFound` if it is missing or out of scope."""
    row = session.get(QuietDay, quiet_id)
    schools = actor.schools(Permission.DELIVERY)
    if row is None or (schools is not None and row.school_id not in schools):
        raise NotFound
    if row.day < today:
        return False
    session.delete(row)
    session.flush()
    return True


def list_quiet_days(session: Session, actor: Actor, today: date) -> Sequence[QuietDay]:
    """Return the quiet days of the actor's schools since 31 days ago, in order of date."""
    schools = actor.schools(Permission.DELIVERY)
    query = select(QuietDay).where(QuietDay.day >= today - timedelta(days=31))
    if schools is not None:
        query = query.where(or_(QuietDay.school_id.is_(None), QuietDay.school_id.in_(schools)))
    return session.scalars(query.order_by(QuietDay.day, QuietDay.school_id, QuietDay.id)).all()
