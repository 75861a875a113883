"""Queries for the list to draw from and the public record. They have no access to traits."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased

from homevisits.core import local_time
from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound
from homevisits.draws.models import Draw, DrawEntry
from homevisits.draws.rules import Child
from homevisits.people.models import Account, Enrollment, Family, School, SchoolClass, Student


@dataclass(frozen=True)
class ListedChild:
    """A child on the list to draw from, with roster ids and database ids."""

    child: Child
    student_id: int
    family_id: int


@dataclass(frozen=True)
class ScopeOption:
    """A scope that the user can choose for a draw."""

    scope: str
    value: str
    name: str
    families: int


@dataclass(frozen=True)
class DrawRow:
    """Summary of a draw."""

    id: int
    school_id: int
    school: str
    timezone: str
    scope: str
    scope_value: str
    scope_name: str
    method: str
    seed: str
    sample_size: int
    listed: int
    roster_sha256: str
    selected_sha256: str
    reason: str | None
    replaces_id: int | None
    replaced_by: int | None
    drawn_at: datetime
    drawn_by: str | None


@dataclass(frozen=True)
class Stratum:
    """Allocation of a stratum."""

    name: str
    households: int
    drawn: int


@dataclass(frozen=True)
class DrawRecord:
    """Public record of a draw, without names of families or children."""

    draw: DrawRow
    strata: tuple[Stratum, ...]
    entries: tuple[DrawEntry, ...]


def list_children(session: Session, school: School, scope: str, value: str, now: datetime) -> list[ListedChild]:
    """Return the children who are enrolled today in the given school, grade or class."""
    today = local_time.to_local(now, school.timezone).date()
    query = (
        select(Student.id, Student.identifier, Student.source_id, Student.grade, Family.id, Family.key)
        .join(Family, Family.id == Student.family_id)
        .where(
            Student.school_id == school.id,
            or_(Student.enrolled_from.is_(None), Student.enrolled_from <= today),
            or_(Student.enrolled_to.is_(None), Student.enrolled_to >= today),
        )
    )
    if scope == "grade":
        query = query.where(Student.grade == value)
    elif scope == "class":
        number = int(value) if value.isdigit() else 0
        in_class = select(Enrollment.student_id).join(SchoolClass, SchoolClass.id == Enrollment.class_id)
        in_class = in_class.where(SchoolClass.id == number, SchoolClass.school_id == school.id)
        query = query.where(Student.id.in_(in_class))
    return [
        ListedChild(Child(key, identifier or source, school.source_id, grade), student_id, family_id)
        for student_id, identifier, source, grade, family_id, key in session.execute(query)
    ]


def find_scope_by_source_ids(
    session: Session, school: str, grade: str | None, school_class: str | None
) -> tuple[int, str, str]:
    """Return school id, scope and value for roster ids of the command line. Raises NotFound."""
    school_id = session.scalar(select(School.id).where(School.source_id == school))
    if school_id is None:
        raise NotFound
    if school_class is None:
        return school_id, "grade" if grade else "school", grade or ""
    in_school = (SchoolClass.source_id == school_class, SchoolClass.school_id == school_id)
    class_id = session.scalar(select(SchoolClass.id).where(*in_school))
    if class_id is None:
        raise NotFound
    return school_id, "class", str(class_id)


def find_student_identifiers(session: Session, ids: Collection[int | None]) -> dict[int, str]:
    """Return the student identifiers that the draw hashes, by database id."""
    query = select(Student.id, func.coalesce(Student.identifier, Student.source_id)).where(Student.id.in_(ids))
    return dict(session.execute(query).all())


def find_current_draw(session: Session, school_id: int, scope: str, value: str) -> Draw | None:
    """Return the current draw of a scope: the draw that no later draw replaces."""
    later = aliased(Draw)
    return session.scalar(
        select(Draw)
        .outerjoin(later, later.replaces_id == Draw.id)
        .where(Draw.school_id == school_id, Draw.scope == scope, Draw.scope_value == value, later.id.is_(None))
        .order_by(Draw.id.desc())
        .limit(1)
    )


def list_schools(session: Session, actor: Actor) -> list[tuple[int, str]]:
    """Return id and name of the schools where the actor may invite families."""
    return [(school.id, school.name) for school in _select_schools(session, actor)]


def _select_schools(session: Session, actor: Actor) -> list[School]:
    query = select(School).order_by(School.name)
    held = actor.schools(Permission.ASK)
    return list(session.scalars(query if held is None else query.where(School.id.in_(held))))


def list_scopes(session: Session, actor: Actor, school_id: int) -> list[ScopeOption]:
    """Return the scopes of a school (whole school, grades, classes) with their numbers of families."""
    if not actor.may_at(Permission.ASK, school_id):
        raise NotFound
    families = func.count(func.distinct(Student.family_id))
    here = Student.school_id == school_id
    grades = select(Student.grade, families).where(here).group_by(Student.grade).order_by(Student.grade)
    classes = (
        select(SchoolClass.id, SchoolClass.title, families)
        .join(Enrollment, Enrollment.class_id == SchoolClass.id)
        .join(Student, Student.id == Enrollment.student_id)
        .where(SchoolClass.school_id == school_id)
        .group_by(SchoolClass.id, SchoolClass.title)
        .order_by(SchoolClass.title, SchoolClass.id)
    )
    whole = session.scalar(select(families).where(here)) or 0
    return [
        ScopeOption("school", "", "", whole),
        *(ScopeOption("grade", grade, grade, count) for grade, count in session.execute(grades)),
        *(ScopeOption("class", str(number), title, count) for number, title, count in session.execute(classes)),
    ]


def list_draws(session: Session, actor: Actor) -> list[DrawRow]:
    """Return the draws of the actor's schools, newest first."""
    held = actor.schools(Permission.ASK)
    query = _select_draws().order_by(Draw.id.desc())
    return _to_draw_rows(session, query if held is None else query.where(Draw.school_id.in_(held)))


def list_current_draws(session: Session, actor: Actor, since: datetime) -> list[DrawRow]:
    """Return the current draws of the actor's schools after `since`, newest first."""
    held = actor.schools(Permission.ASK)
    later = aliased(Draw)
    query = _select_draws().where(Draw.drawn_at > since, ~select(later.id).where(later.replaces_id == Draw.id).exists())
    query = query.order_by(Draw.id.desc())
    return _to_draw_rows(session, query if held is None else query.where(Draw.school_id.in_(held)))


def get_draw(session: Session, actor: Actor, draw_id: int) -> DrawRow:
    """Return a draw of one of the actor's schools. Raises NotFound."""
    rows = _to_draw_rows(session, _select_draws().where(Draw.id == draw_id))
    if not rows or not actor.may_at(Permission.ASK, rows[0].school_id):
        raise NotFound
    return rows[0]


def get_record(session: Session, actor: Actor, draw_id: int) -> DrawRecord:
    """Return the public record of a draw."""
    made = get_draw(session, actor, draw_id)
    allocation = json.loads(session.scalar(select(Draw.allocation).where(Draw.id == draw_id)) or "{}")
    entries = session.scalars(
        select(DrawEntry)
        .where(DrawEntry.draw_id == draw_id)
        .order_by(DrawEntry.position.is_(None), DrawEntry.position, DrawEntry.sha256)
    )
    strata = tuple(Stratum(name, size, drawn) for name, (size, drawn) in sorted(allocation.items()))
    return DrawRecord(made, strata, tuple(entries))


def list_drawn_households(session: Session, draw_id: int) -> list[str]:
    """Return the keys of the drawn households in invitation order."""
    drawn = select(DrawEntry.household_key).where(DrawEntry.draw_id == draw_id, DrawEntry.position.is_not(None))
    return list(session.scalars(drawn.order_by(DrawEntry.position)))


def _select_draws() -> Any:
    later = aliased(Draw)
    listed = select(func.count()).where(DrawEntry.draw_id == Draw.id).scalar_subquery()
    return (
        select(Draw, School.name, School.timezone, later.id, Account.name, listed)
        .join(School, School.id == Draw.school_id)
        .outerjoin(later, later.replaces_id == Draw.id)
        .outerjoin(Account, Account.id == Draw.drawn_by)
    )


def _to_draw_rows(session: Session, query: Any) -> list[DrawRow]:
    rows = session.execute(query).all()
    numbers = [int(made.scope_value) for made, *_ in rows if made.scope == "class"]
    titles = dict(session.execute(select(SchoolClass.id, SchoolClass.title).where(SchoolClass.id.in_(numbers))).all())
    return [
        DrawRow(
            id=made.id,
            school_id=made.school_id,
            school=school,
            timezone=zone,
            scope=made.scope,
            scope_value=made.scope_value,
            scope_name=titles.get(int(made.scope_value), "") if made.scope == "class" else made.scope_value,
            method=made.method,
            seed=made.seed,
            sample_size=made.sample_size,
            listed=listed,
            roster_sha256=made.roster_sha256,
            selected_sha256=made.selected_sha256,
            reason=made.reason,
            replaces_id=made.replaces_id,
            replaced_by=later,
            drawn_at=made.drawn_at,
            drawn_by=who,
        )
        for made, school, zone, later, who, listed in rows
    ]
