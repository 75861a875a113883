"""Readings that join texts with people: which families no text can reach, and whose phone a lost text was for."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from homevisits.core.access import Actor, Permission
from homevisits.messages.models import OptOutEntry, Phone
from homevisits.people.models import Caregiver, Family, Heartbeat, Person, Student

Schools = frozenset[int] | None
"""The schools one may see; None: all of them."""


@dataclass(frozen=True)
class Reach:
    """How many families of children enrolled now can be texted, and why the others cannot."""

    families: int
    no_number: int
    bad_number: int
    asked_for_none: int
    languages: dict[str, int]
    """Families by language, of those whose language has no approved texts."""

    @property
    def unreachable(self) -> int:
        """Families that no text can reach, whatever its language."""
        return self.no_number + self.bad_number + self.asked_for_none


def reach(session: Session, schools: Schools, ready: Collection[str], today: date) -> Reach:
    """The families of these schools by whether a text can reach them. ``ready``: the languages with approved texts."""
    # The best of each family: 0 no number, 1 one that gets no texts, 3 one that does but was stopped, 7 one that does.
    best = func.coalesce(func.max(_bits()), 0).label("best")
    ways = (
        select(Family.language, best)
        .select_from(Family)
        .outerjoin(Caregiver, and_(Caregiver.family_id == Family.id, *_may_speak()))
        .outerjoin(Phone, Phone.e164 == Caregiver.phone)
        .where(Family.id.in_(select(Student.family_id).where(*_enrolled(schools, today))))
        .group_by(Family.id, Family.language)
        .subquery()
    )
    found: Counter[int] = Counter()
    languages: Counter[str] = Counter()
    counted = select(ways.c.language, ways.c.best, func.count()).group_by(ways.c.language, ways.c.best)
    for language, how, number in session.execute(counted):
        found[how] += number
        if language not in ready:
            languages[language] += number
    return Reach(found.total(), found[0], found[1], found[3], dict(languages.most_common()))


def _bits() -> ColumnElement[int]:
    usable = or_(Phone.e164.is_(None), Phone.state == "ok")
    return case((Caregiver.phone.is_(None), 0), (~usable, 1), (_stopped(), 3), else_=7)


def _stopped() -> ColumnElement[bool]:
    later = aliased(OptOutEntry)
    newer = select(later.id).where(later.phone == OptOutEntry.phone, later.id > OptOutEntry.id).exists()
    stops = select(OptOutEntry.phone).where(OptOutEntry.entry == "stop", ~newer)
    return Caregiver.phone.in_(stops)


def _may_speak() -> tuple[ColumnElement[bool], ...]:
    return Caregiver.restricted.is_(False), Caregiver.left_on.is_(None)


def _enrolled(schools: Schools, today: date) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [or_(Student.enrolled_to.is_(None), Student.enrolled_to >= today)]
    if schools is not None:
        found.append(Student.school_id.in_(schools))
    return found


def opt_outs(session: Session, schools: Schools, begin: datetime, end: datetime) -> int:
    """How many phones asked for no more texts from `begin` until `end`, of the families of these schools."""
    query = select(func.count(OptOutEntry.phone.distinct())).where(
        OptOutEntry.at >= begin, OptOutEntry.at < end, OptOutEntry.entry == "stop"
    )
    if schools is not None:
        theirs = (
            exists()
            .where(Caregiver.phone == OptOutEntry.phone)
            .where(Student.family_id == Caregiver.family_id, Student.school_id.in_(schools))
        )
        query = query.where(theirs)
    return session.scalar(query) or 0


def of_family(session: Session, phone: str) -> bool:
    """Whether `phone` is a family's, and not a colleague's who is a parent too."""
    colleague = exists().where(Person.phone == phone)
    return session.scalar(select(exists().where(Caregiver.phone == phone) & ~colleague)) or False


def worker_seen(session: Session) -> datetime | None:
    """When the worker last said that it is alive; None: never."""
    return session.scalar(select(Heartbeat.at).where(Heartbeat.name == "worker"))


def whose(session: Session, actor: Actor, phones: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The names of the families of each phone, of schools at which the actor may ask families: nobody else's."""
    held = actor.schools(Permission.ASK)
    query = (
        select(Caregiver.phone, Family.name)
        .join(Family, Family.id == Caregiver.family_id)
        .join(Student, Student.family_id == Family.id)
        .where(Caregiver.phone.in_(phones), *_may_speak())
    )
    if held is not None:
        query = query.where(Student.school_id.in_(held))
    found: dict[str, list[str]] = {}
    for phone, name in session.execute(query.distinct().order_by(Family.name)):
        found.setdefault(phone or "", []).append(name)
    return {phone: tuple(names) for phone, names in found.items()}
