"""Readings of draws: the list to draw from, the public record. No trait of any family can be reached from here."""

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
    """A child on the list to draw from, with our own ids beside the roster's."""

    child: Child
    student_id: int
    family_id: int


@dataclass(frozen=True)
class ScopeOption:
    """Something one can draw for."""

    scope: str
    value: str
    name: str
    families: int


@dataclass(frozen=True)
class DrawRow:
    """A draw in a list or on top of its page."""

    id: int
    school_id: int
    school: str
    timezone: str
    scope: str
    scope_value: str
    scope_name: str
    method: str
    seed: str
    wanted: int
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
    """A stratum's line in the allocation."""

    name: str
    households: int
    drawn: int


@dataclass(frozen=True)
class DrawRecord:
    """The public record of a draw: no name of a family or a child is in it."""

    draw: DrawRow
    strata: tuple[Stratum, ...]
    entries: tuple[DrawEntry, ...]


def list_children(session: Session, school: School, scope: str, value: str, now: datetime) -> list[ListedChild]:
    """The children enrolled today at the school, in the grade or class, whose households are drawn from."""
    today = local_time.to_local(now, school.timezone).date()
    found = (
        select(Student.id, Student.identifier, Student.source_id, Student.grade, Family.id, Family.key)
        .join(Family, Family.id == Student.family_id)
        .where(
            Student.school_id == school.id,
            or_(Student.enrolled_from.is_(None), Student.enrolled_from <= today),
            or_(Student.enrolled_to.is_(None), Student.enrolled_to >= today),
        )
    )
    if scope == "grade":
        found = found.where(Student.grade == value)
    elif scope == "class":
        number = int(value) if value.isdigit() else 0
        in_class = select(Enrollment.student_id).join(SchoolClass, SchoolClass.id == Enrollment.class_id)
        in_class = in_class.where(SchoolClass.id == number, SchoolClass.school_id == school.id)
        found = found.where(Student.id.in_(in_class))
    return [
        ListedChild(Child(key, identifier or source, school.source_id, grade), student_id, family_id)
        for student_id, identifier, source, grade, family_id, key in session.execute(found)
    ]


def find_scope_by_source_ids(
    session: Session, school: str, grade: str | None, school_class: str | None
) -> tuple[int, str, str]:
    """The school, scope and value that the roster's own ids name, for the command line. NotFound when one does not."""
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
    """The ids under which students were hashed, by ours."""
    found = select(Student.id, func.coalesce(Student.identifier, Student.source_id)).where(Student.id.in_(ids))
    return dict(session.execute(found).all())


def find_current_draw(session: Session, school_id: int, scope: str, value: str) -> Draw | None:
    """The draw that counts for a scope: the one that no later draw replaced."""
    later = aliased(Draw)
    return session.scalar(
        select(Draw)
        .outerjoin(later, later.replaces_id == Draw.id)
        .where(Draw.school_id == school_id, Draw.scope == scope, Draw.scope_value == value, later.id.is_(None))
        .order_by(Draw.id.desc())
        .limit(1)
    )


def list_schools(session: Session, actor: Actor) -> list[tuple[int, str]]:
    """The schools where the actor may ask families."""
    return [(school.id, school.name) for school in _select_schools(session, actor)]


def _select_schools(session: Session, actor: Actor) -> list[School]:
    found = select(School).order_by(School.name)
    held = actor.schools(Permission.ASK)
    return list(session.scalars(found if held is None else found.where(School.id.in_(held))))


def list_scopes(session: Session, actor: Actor, school_id: int) -> list[ScopeOption]:
    """What one can draw for at a school: all of it, a grade, a class, with the number of families in each."""
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
    """The draws of the actor's schools, newest first."""
    held = actor.schools(Permission.ASK)
    found = _select_draws().order_by(Draw.id.desc())
    return _to_draw_rows(session, found if held is None else found.where(Draw.school_id.in_(held)))


def list_current_draws(session: Session, actor: Actor, since: datetime) -> list[DrawRow]:
    """The draws of the actor's schools since a moment that no later draw replaced, newest first."""
    held = actor.schools(Permission.ASK)
    later = aliased(Draw)
    found = _select_draws().where(Draw.drawn_at > since, ~select(later.id).where(later.replaces_id == Draw.id).exists())
    found = found.order_by(Draw.id.desc())
    return _to_draw_rows(session, found if held is None else found.where(Draw.school_id.in_(held)))


def get_draw(session: Session, actor: Actor, draw_id: int) -> DrawRow:
    """One draw, if it is of a school of the actor's."""
    found = _to_draw_rows(session, _select_draws().where(Draw.id == draw_id))
    if not found or not actor.may_at(Permission.ASK, found[0].school_id):
        raise NotFound
    return found[0]


def get_record(session: Session, actor: Actor, draw_id: int) -> DrawRecord:
    """The public record of a draw."""
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
    """The households drawn, as they were hashed, in the order of asking."""
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


def _to_draw_rows(session: Session, found: Any) -> list[DrawRow]:
    rows = session.execute(found).all()
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
            wanted=made.wanted,
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
