"""An educator's families, and what speaks for a partner: a few set-based queries, flat as visits pile up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Date, Row, Select, and_, bindparam, exists, func, or_, select, union
from sqlalchemy.orm import Session, aliased

from homevisits.availability.models import Commitment
from homevisits.core.access import Actor
from homevisits.core.db import PrimaryKey, UtcDateTime
from homevisits.invitations.models import ConsentEntry, Invitation
from homevisits.invitations.queries import newest_answer, yes_counts
from homevisits.people.models import Educator, Enrollment, Family, OptIn, Person, School, Student, Teaching
from homevisits.visits.models import Visit, VisitMember
from homevisits.visits.queries.summaries import LIVE_NOW, OUT, REACH
from homevisits.visits.rules import Suits, shared_language


@dataclass(frozen=True)
class FamilyRow:
    """A family of My families: its state and, if one is ahead, its visit. No trait, no score."""

    id: int
    name: str
    state: str
    at: datetime | None
    timezone: str
    visit_id: int | None
    starts_at: datetime | None
    partner: str | None
    visits: int
    mine: bool  # the reader is one of the pair of the visit ahead


ORDER = (
    "to_write_up",
    "yes_lapsed",
    "needs_partner",
    "other_time",
    "call_me",
    "yes",
    "proposed",
    "scheduled",
    "confirmed",
    "visited",
)
"""What waits for the educator comes first. A family that said "not now" is in no list."""


def my_families(session: Session, actor: Actor, now: datetime) -> list[FamilyRow]:
    """The families the actor teaches or has a visit with, by what waits for the actor, then by name."""
    me = actor.educator_id or 0
    given = {"me": me, "today": now.date(), "after": now - REACH}
    rows = [_row(found, me, now) for found in session.execute(_families(), given).all()]
    kept = [row for row in rows if row is not None]
    return sorted(kept, key=lambda row: (ORDER.index(row.state), row.starts_at or row.at or now, row.name, row.id))


_ME = bindparam("me", type_=PrimaryKey)


def _mine() -> Select[int]:
    taught = (
        select(Student.family_id.label("id"))
        .join(Enrollment, Enrollment.student_id == Student.id)
        .join(Teaching, Teaching.class_id == Enrollment.class_id)
        .where(
            Teaching.educator_id == _ME,
            or_(Student.enrolled_to.is_(None), Student.enrolled_to >= bindparam("today", type_=Date)),
        )
    )
    ahead = (
        select(Visit.family_id.label("id"))
        .join(VisitMember, VisitMember.visit_id == Visit.id)
        .join(Commitment, Commitment.id == VisitMember.commitment_id)
        .where(
            Commitment.person_id == _ME,
            Commitment.active,
            Commitment.starts_at > bindparam("after", type_=UtcDateTime),
            VisitMember.state == "coming",
        )
    )
    both = union(taught, ahead).subquery()
    return select(both.c.id)


@cache
def _families() -> Select[*tuple[Any, ...]]:
    """Built once: putting this statement together takes longer than running it."""
    word, last = aliased(ConsentEntry), aliased(ConsentEntry)
    other = aliased(Person, flat=True)
    return (
        select(
            Family.id,
            Family.name,
            word.answer.label("word"),
            word.at.label("word_at"),
            yes_counts(word, bindparam("today", type_=Date)).label("yes_counts"),
            last.answer.label("last"),
            last.at.label("last_at"),
            Visit.id.label("visit_id"),
            Visit.state,
            Visit.starts_at,
            Visit.lead_id,
            Visit.partner_id,
            School.timezone,
            (other.given_name + " " + other.family_name).label("other"),
            _empty_place().label("empty"),
            _last_held().label("held_at"),
        )
        .select_from(Family)
        .join(word, word.id == newest_answer(Family.id))
        .join(Invitation, Invitation.id == word.invitation_id)
        .join(School, School.id == Invitation.school_id)
        .join(last, last.id == _newest_row())
        .outerjoin(Visit, and_(Visit.family_id == Family.id, LIVE_NOW))
        .outerjoin(other, other.id == func.coalesce(func.nullif(Visit.lead_id, _ME), Visit.partner_id))
        .where(Family.id.in_(_mine()))
    )


def _empty_place() -> ColumnElement[bool]:
    """Whether one of the visit's pair is out."""
    return exists().where(
        VisitMember.visit_id == Visit.id,
        VisitMember.educator_id.in_([Visit.lead_id, Visit.partner_id]),
        VisitMember.state.in_(OUT),
    )


def _last_held() -> ColumnElement[datetime]:
    """When the family was visited last, if it was. A family has one visit at a time: the newest row is the last one.

    Not the greatest moment: SQLite would look for that in everybody's visits, from the newest backwards.
    """
    done = aliased(Visit)
    held = select(done.starts_at).where(done.family_id == Family.id, done.state == "completed")
    return held.order_by(done.id.desc()).limit(1).correlate(Family).scalar_subquery()


def _newest_row() -> ColumnElement[int | None]:
    """The newest row of a family's ledger, also when it is about one visit's time."""
    entry = aliased(ConsentEntry)
    found = select(entry.id).where(entry.family_id == Family.id)
    return found.order_by(entry.id.desc()).limit(1).correlate(Family).scalar_subquery()


def _row(found: Row[*tuple[Any, ...]], me: int, now: datetime) -> FamilyRow | None:
    state = _state(found, now)
    if state is None:
        return None
    return FamilyRow(
        id=found.id,
        name=found.name,
        state=state,
        at={"other_time": found.last_at, "call_me": found.last_at, "visited": found.held_at}.get(state, found.word_at),
        timezone=found.timezone,
        visit_id=found.visit_id,
        starts_at=found.starts_at,
        partner=found.other if found.visit_id else None,
        visits=1 if found.held_at else 0,
        mine=me in (found.lead_id, found.partner_id),
    )


def _state(found: Row[*tuple[Any, ...]], now: datetime) -> str | None:
    if found.visit_id is not None:
        if found.state != "proposed" and found.starts_at <= now:
            return "to_write_up"
        if found.word == "yes" and not found.yes_counts:
            return "yes_lapsed"
        if found.last == "call_me":
            return "call_me"
        return "needs_partner" if found.empty else str(found.state)
    if found.word != "yes":
        return None
    if not found.yes_counts:
        return "yes_lapsed"
    if found.last in ("other_time", "call_me"):
        return str(found.last)
    return "visited" if found.held_at else "yes"


@dataclass(frozen=True)
class Colleague:
    """Someone who could go along."""

    id: int
    name: str
    languages: str


def colleagues(session: Session, school_id: int, me: int) -> list[Colleague]:
    """The educators of a school who take part now, but for `me`. Nobody sees who does not."""
    newest = select(func.max(OptIn.id).label("id"), OptIn.educator_id).group_by(OptIn.educator_id).subquery("newest")
    found = (
        select(Educator.id, Educator.given_name, Educator.family_name, Educator.languages)
        .join(newest, newest.c.educator_id == Educator.id)
        .join(OptIn, OptIn.id == newest.c.id)
        .where(Educator.school_id == school_id, Educator.left_on.is_(None), Educator.id != me, OptIn.answer == "in")
        .order_by(Educator.given_name, Educator.family_name, Educator.id)
    )
    return [Colleague(row.id, f"{row.given_name} {row.family_name}", row.languages) for row in session.execute(found)]


def suits(
    session: Session, family_id: int, family_language: str, people: Sequence[Colleague], now: datetime
) -> list[Suits]:
    """What speaks for each of `people` with this family."""
    ids = [each.id for each in people]
    taught = _who_teaches(session, family_id, ids)
    went = _who_went(session, family_id)
    soon = _visits_soon(session, ids, now)
    return [
        Suits(
            each.id,
            each.name,
            shared_language(family_language, each.languages),
            each.id in taught,
            each.id in went,
            soon.get(each.id, 0),
        )
        for each in people
    ]


def _who_teaches(session: Session, family_id: int, ids: Sequence[int]) -> set[int]:
    found = (
        select(Teaching.educator_id)
        .join(Enrollment, Enrollment.class_id == Teaching.class_id)
        .join(Student, Student.id == Enrollment.student_id)
        .where(Student.family_id == family_id, Teaching.educator_id.in_(ids))
    )
    return set(session.scalars(found))


def _who_went(session: Session, family_id: int) -> set[int]:
    found = (
        select(VisitMember.educator_id)
        .join(Visit, Visit.id == VisitMember.visit_id)
        .where(Visit.family_id == family_id, Visit.state == "completed", VisitMember.state == "coming")
    )
    return set(session.scalars(found))


def _visits_soon(session: Session, ids: Sequence[int], now: datetime) -> dict[int, int]:
    """How many visits each has in the next two weeks: a fair load, not a score."""
    found = (
        select(Commitment.person_id, func.count())
        .where(
            Commitment.person_id.in_(ids),
            Commitment.active,
            Commitment.starts_at.between(now, now + timedelta(days=14)),
        )
        .group_by(Commitment.person_id)
    )
    return dict(session.execute(found).all())
