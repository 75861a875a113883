"""An educator's families, and how well colleagues match a family, with a fixed number of queries."""

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
from homevisits.invitations.queries import is_valid_yes, newest_answer_id
from homevisits.people.models import Educator, Enrollment, Family, OptIn, Person, School, Student, Teaching
from homevisits.visits.models import Visit, VisitMember
from homevisits.visits.queries.summaries import IS_LIVE, LOOKBACK
from homevisits.visits.rules import PartnerMatch, shared_language
from homevisits.visits.states import OUT_STATES


@dataclass(frozen=True)
class FamilyRow:
    """A row of My families: the family's state and its live visit. It holds no traits and no score."""

    id: int
    name: str
    state: str
    at: datetime | None
    timezone: str
    visit_id: int | None
    starts_at: datetime | None
    partner: str | None
    visits: int
    is_own_visit: bool  # the reader is a member of the pair of the live visit


# What needs the educator's action comes first. A family that refused is not listed.
STATE_ORDER = (
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


def list_my_families(session: Session, actor: Actor, now: datetime) -> list[FamilyRow]:
    """List the families the actor teaches or has a live visit with, those needing action first."""
    educator_id = actor.educator_id or 0
    params = {"me": educator_id, "today": now.date(), "after": now - LOOKBACK}
    rows = [_to_row(row, educator_id, now) for row in session.execute(_select_family_rows(), params).all()]
    listed = [row for row in rows if row is not None]
    return sorted(
        listed, key=lambda row: (STATE_ORDER.index(row.state), row.starts_at or row.at or now, row.name, row.id)
    )


_ME = bindparam("me", type_=PrimaryKey)


def _select_own_families() -> Select[int]:
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
def _select_family_rows() -> Select[*tuple[Any, ...]]:
    """Build the statement once; compiling it takes longer than executing it."""
    answer, last = aliased(ConsentEntry), aliased(ConsentEntry)
    other = aliased(Person, flat=True)
    return (
        select(
            Family.id,
            Family.name,
            answer.answer.label("answer"),
            answer.at.label("answered_at"),
            is_valid_yes(answer, bindparam("today", type_=Date)).label("is_valid_yes"),
            last.answer.label("last"),
            last.at.label("last_at"),
            Visit.id.label("visit_id"),
            Visit.state,
            Visit.starts_at,
            Visit.lead_id,
            Visit.partner_id,
            School.timezone,
            (other.given_name + " " + other.family_name).label("other"),
            _needs_stand_in().label("needs_stand_in"),
            _last_visited_at().label("held_at"),
        )
        .select_from(Family)
        .join(answer, answer.id == newest_answer_id(Family.id))
        .join(Invitation, Invitation.id == answer.invitation_id)
        .join(School, School.id == Invitation.school_id)
        .join(last, last.id == _newest_entry_id())
        .outerjoin(Visit, and_(Visit.family_id == Family.id, IS_LIVE))
        .outerjoin(other, other.id == func.coalesce(func.nullif(Visit.lead_id, _ME), Visit.partner_id))
        .where(Family.id.in_(_select_own_families()))
    )


def _needs_stand_in() -> ColumnElement[bool]:
    """Whether a member of the visit's pair no longer comes."""
    return exists().where(
        VisitMember.visit_id == Visit.id,
        VisitMember.educator_id.in_([Visit.lead_id, Visit.partner_id]),
        VisitMember.state.in_(OUT_STATES),
    )


def _last_visited_at() -> ColumnElement[datetime]:
    """Return when the family was last visited: its newest completed row, since a family has one visit at a time.

    Not max(starts_at), for which SQLite would scan the visits of all families.
    """
    done = aliased(Visit)
    held = select(done.starts_at).where(done.family_id == Family.id, done.state == "completed")
    return held.order_by(done.id.desc()).limit(1).correlate(Family).scalar_subquery()


def _newest_entry_id() -> ColumnElement[int | None]:
    """Return the newest ledger row of a family, including answers to a visit's time."""
    entry = aliased(ConsentEntry)
    query = select(entry.id).where(entry.family_id == Family.id)
    return query.order_by(entry.id.desc()).limit(1).correlate(Family).scalar_subquery()


def _to_row(found: Row[*tuple[Any, ...]], educator_id: int, now: datetime) -> FamilyRow | None:
    state = _family_state(found, now)
    if state is None:
        return None
    return FamilyRow(
        id=found.id,
        name=found.name,
        state=state,
        at={"other_time": found.last_at, "call_me": found.last_at, "visited": found.held_at}.get(
            state, found.answered_at
        ),
        timezone=found.timezone,
        visit_id=found.visit_id,
        starts_at=found.starts_at,
        partner=found.other if found.visit_id else None,
        visits=1 if found.held_at else 0,
        is_own_visit=educator_id in (found.lead_id, found.partner_id),
    )


def _family_state(found: Row[*tuple[Any, ...]], now: datetime) -> str | None:
    if found.visit_id is not None:
        if found.state != "proposed" and found.starts_at <= now:
            return "to_write_up"
        if found.answer == "yes" and not found.is_valid_yes:
            return "yes_lapsed"
        if found.last == "call_me":
            return "call_me"
        return "needs_partner" if found.needs_stand_in else str(found.state)
    if found.answer != "yes":
        return None
    if not found.is_valid_yes:
        return "yes_lapsed"
    if found.last in ("other_time", "call_me"):
        return str(found.last)
    return "visited" if found.held_at else "yes"


@dataclass(frozen=True)
class Colleague:
    """An educator who could be the partner."""

    id: int
    name: str
    languages: str


def list_colleagues(session: Session, school_id: int, educator_id: int) -> list[Colleague]:
    """List the educators of a school who currently take part, except `educator_id`."""
    newest = select(func.max(OptIn.id).label("id"), OptIn.educator_id).group_by(OptIn.educator_id).subquery("newest")
    query = (
        select(Educator.id, Educator.given_name, Educator.family_name, Educator.languages)
        .join(newest, newest.c.educator_id == Educator.id)
        .join(OptIn, OptIn.id == newest.c.id)
        .where(
            Educator.school_id == school_id,
            Educator.left_on.is_(None),
            Educator.id != educator_id,
            OptIn.answer == "in",
        )
        .order_by(Educator.given_name, Educator.family_name, Educator.id)
    )
    return [Colleague(row.id, f"{row.given_name} {row.family_name}", row.languages) for row in session.execute(query)]


def match_partners(
    session: Session, family_id: int, family_language: str, people: Sequence[Colleague], now: datetime
) -> list[PartnerMatch]:
    """Describe how well each of `people` matches the family."""
    ids = [person.id for person in people]
    teachers = _find_teachers(session, family_id, ids)
    past_visitors = _find_past_visitors(session, family_id)
    upcoming = _count_upcoming_visits(session, ids, now)
    return [
        PartnerMatch(
            educator_id=person.id,
            name=person.name,
            shared_language=shared_language(family_language, person.languages),
            teaches_child=person.id in teachers,
            has_visited_before=person.id in past_visitors,
            upcoming_visits=upcoming.get(person.id, 0),
        )
        for person in people
    ]


def _find_teachers(session: Session, family_id: int, ids: Sequence[int]) -> set[int]:
    query = (
        select(Teaching.educator_id)
        .join(Enrollment, Enrollment.class_id == Teaching.class_id)
        .join(Student, Student.id == Enrollment.student_id)
        .where(Student.family_id == family_id, Teaching.educator_id.in_(ids))
    )
    return set(session.scalars(query))


def _find_past_visitors(session: Session, family_id: int) -> set[int]:
    query = (
        select(VisitMember.educator_id)
        .join(Visit, Visit.id == VisitMember.visit_id)
        .where(Visit.family_id == family_id, Visit.state == "completed", VisitMember.state == "coming")
    )
    return set(session.scalars(query))


def _count_upcoming_visits(session: Session, ids: Sequence[int], now: datetime) -> dict[int, int]:
    """Count each educator's commitments in the next two weeks, to spread the visits evenly."""
    query = (
        select(Commitment.person_id, func.count())
        .where(
            Commitment.person_id.in_(ids),
            Commitment.active,
            Commitment.starts_at.between(now, now + timedelta(days=14)),
        )
        .group_by(Commitment.person_id)
    )
    return dict(session.execute(query).all())
