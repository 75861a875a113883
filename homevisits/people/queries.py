"""Queries for educators, their certification and opt-in, trainings, trainers and roster totals."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

from sqlalchemy import BindParameter, ColumnElement, Subquery, and_, case, exists, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from homevisits.core.access import Actor, Permission
from homevisits.messages.recipients import opt_outs
from homevisits.people.models import (
    Caregiver,
    Certification,
    Educator,
    OptIn,
    Person,
    School,
    SchoolClass,
    Student,
    TrainingSession,
)


@dataclass(frozen=True)
class EducatorRow:
    """An educator on the People page."""

    id: int
    name: str
    school: str
    school_id: int
    group: str
    certified_from: date | None
    certified_until: date | None
    certified: bool
    opted_in: bool


@dataclass(frozen=True)
class TrainingRow:
    """A training that was held, with its two trainers."""

    id: int
    title: str
    held_on: date
    minutes: int
    educator: str
    parent: str
    certified: int


@dataclass(frozen=True)
class PersonOption:
    """A person to choose in a form."""

    id: int
    name: str
    school: str = ""


@dataclass(frozen=True)
class Participation:
    """An educator's opt-in, certification and reminder phone."""

    opted_in: bool
    certified_until: date | None
    certified: bool
    trained: bool
    phone: str | None
    stopped: bool  # the phone has opted out of messages


def latest_opt_ins() -> Subquery:
    """Select educator_id, id and answer of each educator's newest opt-in entry."""
    newest = select(func.max(OptIn.id).label("id")).group_by(OptIn.educator_id).subquery()
    return select(OptIn.educator_id, OptIn.id, OptIn.answer).join(newest, newest.c.id == OptIn.id).subquery()


def find_current_opt_ins(session: Session, educators: Collection[int]) -> dict[int, int]:
    """Return the current opt-in entry of each of `educators` who is opted in."""
    newest = (
        select(func.max(OptIn.id).label("id"))
        .where(OptIn.educator_id.in_(educators))
        .group_by(OptIn.educator_id)
        .subquery()
    )
    query = select(OptIn.educator_id, OptIn.id).join(newest, newest.c.id == OptIn.id).where(OptIn.answer == "in")
    return dict(session.execute(query).all())


def is_valid_on(day: date) -> ColumnElement[bool]:
    """Return the condition for a certification that is valid on `day`."""
    return and_(
        Certification.valid_from <= day,
        or_(Certification.valid_until.is_(None), Certification.valid_until >= day),
        or_(Certification.revoked_on.is_(None), Certification.revoked_on > day),
    )


def list_educators(session: Session, actor: Actor, today: date) -> list[EducatorRow]:
    """Return the educators of the schools where the actor has the PEOPLE permission, by school and name."""
    opt_ins = latest_opt_ins()
    held = _certificate_ranges(today)
    query = (
        select(Educator, School.name, held.c.since, held.c.until, held.c.endless, opt_ins.c.answer)
        .join(School, School.id == Educator.school_id)
        .outerjoin(held, held.c.educator_id == Educator.id)
        .outerjoin(opt_ins, opt_ins.c.educator_id == Educator.id)
        .where(_at_schools(actor.schools(Permission.PEOPLE)), Educator.left_on.is_(None))
        .order_by(School.name, Educator.family_name, Educator.given_name, Educator.id)
    )
    return [
        EducatorRow(
            id=who.id,
            name=f"{who.given_name} {who.family_name}",
            school=school,
            school_id=who.school_id,
            group=who.employee_group,
            certified_from=since,
            certified_until=None if endless else until,
            certified=since is not None and (bool(endless) or until >= today),
            opted_in=answer == "in",
        )
        for who, school, since, until, endless, answer in session.execute(query)
    ]


def _certificate_ranges(today: date) -> Subquery:
    """Select the period that each educator's current certificates cover."""
    live = and_(
        Certification.valid_from <= today, or_(Certification.revoked_on.is_(None), Certification.revoked_on > today)
    )
    return (
        select(
            Certification.educator_id,
            func.min(Certification.valid_from).label("since"),
            func.max(Certification.valid_until).label("until"),
            (func.count() - func.count(Certification.valid_until)).label("endless"),
        )
        .where(live)
        .group_by(Certification.educator_id)
        .subquery()
    )


def _at_schools(schools: frozenset[int] | None) -> ColumnElement[bool]:
    return true() if schools is None else Educator.school_id.in_(schools)


def has_left(
    family_id: InstrumentedAttribute[int] | BindParameter[int] | int, today: date | BindParameter[date]
) -> ColumnElement[bool]:
    """Return the condition that no child of the family is enrolled any more.

    After the end of a school year no student may be enrolled; a school without enrolled students is on vacation, and
    its families have not left.
    """
    child, schoolmate = aliased(Student), aliased(Student)
    has_schoolmate = exists().where(schoolmate.school_id == child.school_id, _is_enrolled(schoolmate, today))
    is_enrolled = exists().where(child.family_id == family_id, or_(_is_enrolled(child, today), ~has_schoolmate))
    return and_(exists().where(child.family_id == family_id), ~is_enrolled)


def _is_enrolled(student: type[Student], today: date | BindParameter[date]) -> ColumnElement[bool]:
    return or_(student.enrolled_to.is_(None), student.enrolled_to >= today)


def get_participation(session: Session, educator_id: int, today: date) -> Participation:
    """Return an educator's opt-in, certification and reminder phone."""
    held = _certificate_ranges(today)
    row = session.execute(select(held.c.until, held.c.endless).where(held.c.educator_id == educator_id)).first()
    certified = row is not None and (bool(row.endless) or row.until >= today)
    until = None if row is None or row.endless else row.until
    phone = session.scalar(select(Person.phone).where(Person.id == educator_id))
    stopped = phone is not None and not opt_outs.may_receive(session, phone)
    return Participation(
        opted_in=bool(find_current_opt_ins(session, [educator_id])),
        certified_until=until,
        certified=certified,
        trained=row is not None,
        phone=phone,
        stopped=stopped,
    )


def list_trainings(session: Session, actor: Actor, limit: int = 20) -> list[TrainingRow]:
    """Return the newest trainings with participants of the actor's schools."""
    led, with_parent = aliased(Person, flat=True), aliased(Person, flat=True)
    query = (
        select(
            TrainingSession,
            (led.given_name + " " + led.family_name).label("educator"),
            (with_parent.given_name + " " + with_parent.family_name).label("parent"),
            func.count(Certification.id),
        )
        .join(led, led.id == TrainingSession.educator_trainer_id)
        .join(with_parent, with_parent.id == TrainingSession.parent_trainer_id)
        .join(Certification, Certification.training_session_id == TrainingSession.id)
        .join(Educator, Educator.id == Certification.educator_id)
        .where(_at_schools(actor.schools(Permission.PEOPLE)))
        .group_by(TrainingSession.id, led.given_name, led.family_name, with_parent.given_name, with_parent.family_name)
        .order_by(TrainingSession.held_on.desc(), TrainingSession.id.desc())
        .limit(limit)
    )
    return [
        TrainingRow(
            id=training.id,
            title=training.title,
            held_on=training.held_on,
            minutes=training.minutes,
            educator=educator,
            parent=parent,
            certified=certified,
        )
        for training, educator, parent, certified in session.execute(query)
    ]


def list_educator_trainers(session: Session, today: date) -> list[PersonOption]:
    """Return the certified educators, who may lead trainings; all educators if none is certified yet."""
    certified = select(Certification.educator_id).where(is_valid_on(today))
    query = (
        select(Educator.id, Educator.given_name, Educator.family_name, School.name)
        .join(School, School.id == Educator.school_id)
        .where(Educator.left_on.is_(None))
        .where(or_(Educator.id.in_(certified), ~certified.exists()))
        .order_by(Educator.family_name, Educator.given_name, Educator.id)
    )
    return [PersonOption(who, f"{given} {family}", school) for who, given, family, school in session.execute(query)]


def list_parent_trainers(session: Session) -> list[PersonOption]:
    """Return the parents who have led a training."""
    query = (
        select(Person.id, Person.given_name, Person.family_name)
        .where(Person.kind == "person", Person.id.in_(select(TrainingSession.parent_trainer_id)))
        .order_by(Person.family_name, Person.given_name, Person.id)
    )
    return [PersonOption(who, f"{given} {family}") for who, given, family in session.execute(query)]


@dataclass(frozen=True)
class SchoolRow:
    """Totals of a school on the Roster page."""

    name: str
    students: int
    families: int
    unreachable: int
    educators: int
    classes: int


def count_roster_by_school(session: Session, today: date) -> list[SchoolRow]:
    """Return the totals of each school. `unreachable` counts families without a phone number."""
    here = or_(Student.enrolled_to.is_(None), Student.enrolled_to >= today)
    with_phone = select(Caregiver.family_id).where(Caregiver.phone.is_not(None), Caregiver.left_on.is_(None))
    silent = func.count(func.distinct(case((Student.family_id.not_in(with_phone), Student.family_id))))
    students = dict(_count_by_school(session, Student.school_id, func.count(), here))
    families = dict(_count_by_school(session, Student.school_id, func.count(func.distinct(Student.family_id)), here))
    unreachable = dict(_count_by_school(session, Student.school_id, silent, here))
    educators = dict(_count_by_school(session, Educator.school_id, func.count(), Educator.left_on.is_(None)))
    classes = dict(_count_by_school(session, SchoolClass.school_id, func.count(), true()))
    return [
        SchoolRow(name, *(found.get(key, 0) for found in (students, families, unreachable, educators, classes)))
        for key, name in session.execute(select(School.id, School.name).order_by(School.name, School.id))
    ]


def _count_by_school(
    session: Session, school: InstrumentedAttribute[int], number: ColumnElement[int], which: ColumnElement[bool]
) -> Iterator[tuple[int, int]]:
    yield from session.execute(select(school, number).where(which).group_by(school))
