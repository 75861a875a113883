"""Queries that join messages with people: unreachable families, and the family of a phone number."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from homevisits.core.access import Actor, Permission
from homevisits.messages.models import OptOutEntry, Phone
from homevisits.people.models import Caregiver, Family, Heartbeat, Person, Student

SchoolScope = frozenset[int] | None  # the schools that the user may see; None: all


@dataclass(frozen=True)
class Reachability:
    """Families of enrolled students by whether they can receive messages."""

    families: int
    without_number: int
    bad_number: int
    opted_out: int
    languages: dict[str, int]  # families by language, for languages without approved templates

    @property
    def unreachable(self) -> int:
        """Families that cannot receive messages in any language."""
        return self.without_number + self.bad_number + self.opted_out


def count_reachable_families(
    session: Session, schools: SchoolScope, ready: Collection[str], today: date
) -> Reachability:
    """Count the families of these schools by whether they can receive messages.

    `ready`: the languages with approved templates.
    """
    # The best phone of each family: 0 none, 1 cannot receive messages, 3 opted out, 7 can receive messages.
    best = func.coalesce(func.max(_reach_level()), 0).label("best")
    reach_levels = (
        select(Family.language, best)
        .select_from(Family)
        .outerjoin(Caregiver, and_(Caregiver.family_id == Family.id, *_is_contact()))
        .outerjoin(Phone, Phone.e164 == Caregiver.phone)
        .where(Family.id.in_(select(Student.family_id).where(*_is_enrolled(schools, today))))
        .group_by(Family.id, Family.language)
        .subquery()
    )
    families: Counter[int] = Counter()
    languages: Counter[str] = Counter()
    counted = select(reach_levels.c.language, reach_levels.c.best, func.count()).group_by(
        reach_levels.c.language, reach_levels.c.best
    )
    for language, how, number in session.execute(counted):
        families[how] += number
        if language not in ready:
            languages[language] += number
    return Reachability(families.total(), families[0], families[1], families[3], dict(languages.most_common()))


def _reach_level() -> ColumnElement[int]:
    usable = or_(Phone.e164.is_(None), Phone.state == "ok")
    return case((Caregiver.phone.is_(None), 0), (~usable, 1), (_has_opted_out(), 3), else_=7)


def _has_opted_out() -> ColumnElement[bool]:
    later = aliased(OptOutEntry)
    newer = select(later.id).where(later.phone == OptOutEntry.phone, later.id > OptOutEntry.id).exists()
    stops = select(OptOutEntry.phone).where(OptOutEntry.entry == "stop", ~newer)
    return Caregiver.phone.in_(stops)


def _is_contact() -> tuple[ColumnElement[bool], ...]:
    return Caregiver.restricted.is_(False), Caregiver.left_on.is_(None)


def _is_enrolled(schools: SchoolScope, today: date) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [or_(Student.enrolled_to.is_(None), Student.enrolled_to >= today)]
    if schools is not None:
        conditions.append(Student.school_id.in_(schools))
    return conditions


def count_opt_outs(session: Session, schools: SchoolScope, begin: datetime, end: datetime) -> int:
    """Count the phones of families of these schools that opted out from `begin` until `end`."""
    query = select(func.count(OptOutEntry.phone.distinct())).where(
        OptOutEntry.at >= begin, OptOutEntry.at < end, OptOutEntry.entry == "stop"
    )
    if schools is not None:
        of_schools = (
            exists()
            .where(Caregiver.phone == OptOutEntry.phone)
            .where(Student.family_id == Caregiver.family_id, Student.school_id.in_(schools))
        )
        query = query.where(of_schools)
    return session.scalar(query) or 0


def is_family_phone(session: Session, phone: str) -> bool:
    """Return whether `phone` belongs to a caregiver who is not also a member of staff."""
    colleague = exists().where(Person.phone == phone)
    return session.scalar(select(exists().where(Caregiver.phone == phone) & ~colleague)) or False


def worker_last_seen(session: Session) -> datetime | None:
    """Return the time of the worker's last heartbeat; None if there was none."""
    return session.scalar(select(Heartbeat.at).where(Heartbeat.name == "worker"))


def find_family_names(session: Session, actor: Actor, phones: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the family names of each phone, limited to schools where the actor may invite families."""
    permitted = actor.schools(Permission.ASK)
    query = (
        select(Caregiver.phone, Family.name)
        .join(Family, Family.id == Caregiver.family_id)
        .join(Student, Student.family_id == Family.id)
        .where(Caregiver.phone.in_(phones), *_is_contact())
    )
    if permitted is not None:
        query = query.where(Student.school_id.in_(permitted))
    families: dict[str, list[str]] = {}
    for phone, name in session.execute(query.distinct().order_by(Family.name)):
        families.setdefault(phone or "", []).append(name)
    return {phone: tuple(names) for phone, names in families.items()}
