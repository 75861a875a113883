"""Quiet days without automatic messages, per school or district. Past days cannot be changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound, Problem, RulesBroken
from homevisits.messages.models import QuietDay

MAX_DAYS = 31
"""Maximum number of days at once, to catch typing errors."""
MAX_AHEAD = timedelta(days=730)
MAX_NAME_LENGTH = 80


@dataclass(frozen=True)
class QuietPeriod:
    """A range of quiet days, first and last included. `school` None: the whole district."""

    school: int | None
    first: date
    last: date
    name: str


def find_problems(wanted: QuietPeriod, today: date) -> list[Problem]:
    """Validate a range of quiet days; return all problems. Pure."""
    found = []
    if not wanted.name:
        found.append(Problem("missing", "name"))
    elif len(wanted.name) > MAX_NAME_LENGTH:
        found.append(Problem("too_long", "name", {"most": MAX_NAME_LENGTH}))
    if wanted.first < today:
        found.append(Problem("quiet_day_past", "first"))
    if wanted.last < wanted.first:
        found.append(Problem("period_backwards", "last"))
    elif (wanted.last - wanted.first).days >= MAX_DAYS:
        found.append(Problem("quiet_days_many", "last", {"most": MAX_DAYS}))
    if wanted.first > today + MAX_AHEAD:
        found.append(Problem("quiet_day_far", "first"))
    return found


def add_quiet_days(session: Session, actor: Actor, wanted: QuietPeriod, today: date, now: datetime) -> int:
    """Add quiet days and return how many are new. Raises `NotFound` for a school out of scope."""
    held = actor.schools(Permission.DELIVERY)
    if held is not None and wanted.school not in held:
        raise NotFound
    wrong = find_problems(wanted, today)
    if wrong:
        raise RulesBroken(wrong)
    days = [wanted.first + timedelta(days=n) for n in range((wanted.last - wanted.first).days + 1)]
    same = QuietDay.school_id.is_(None) if wanted.school is None else QuietDay.school_id == wanted.school
    there = set(session.scalars(select(QuietDay.day).where(QuietDay.day.in_(days), same)))
    new = [day for day in days if day not in there]
    session.add_all(
        [
            QuietDay(school_id=wanted.school, day=day, name=wanted.name, by_account=actor.account_id, at=now)
            for day in new
        ]
    )
    session.flush()
    return len(new)


def remove_quiet_day(session: Session, actor: Actor, quiet_id: int, today: date) -> bool:
    """Remove a quiet day. False if it is past. Raises `NotFound` if it is missing or out of scope."""
    row = session.get(QuietDay, quiet_id)
    held = actor.schools(Permission.DELIVERY)
    if row is None or (held is not None and row.school_id not in held):
        raise NotFound
    if row.day < today:
        return False
    session.delete(row)
    session.flush()
    return True


def list_quiet_days(session: Session, actor: Actor, today: date) -> Sequence[QuietDay]:
    """Return the quiet days of the actor's schools since 31 days ago, in order of date."""
    held = actor.schools(Permission.DELIVERY)
    query = select(QuietDay).where(QuietDay.day >= today - timedelta(days=31))
    if held is not None:
        query = query.where(or_(QuietDay.school_id.is_(None), QuietDay.school_id.in_(held)))
    return session.scalars(query.order_by(QuietDay.day, QuietDay.school_id, QuietDay.id)).all()
