"""The facts an action judges: people and families as the practices see them, and the locks that keep them so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound, Problem
from homevisits.invitations.models import ConsentEntry, Invitation
from homevisits.invitations.queries import Standing, standing
from homevisits.people import queries as people
from homevisits.people.models import (
    Caregiver,
    Certification,
    Educator,
    Enrollment,
    Family,
    School,
    Student,
    Teaching,
)
from homevisits.practices import facts
from homevisits.visits.models import LIVE, Visit, VisitMember, VisitState


@dataclass(frozen=True)
class FamilyAtHand:
    """A family, as an action needs it: what the practices ask, where its papers lie, and who hears its texts."""

    facts: facts.Family
    name: str
    language: str
    invitation_id: int | None
    school_id: int
    school: str
    timezone: str


def people_facts(session: Session, ids: Sequence[int]) -> list[facts.Person]:
    """The educators with `ids` in that order, each with their current opt-in and every certificate."""
    rows = {row.id: row for row in session.scalars(select(Educator).where(Educator.id.in_(ids)))}
    if len(rows) < len(set(ids)):
        raise NotFound
    willing = people.find_current_opt_ins(session, ids)
    held: dict[int, list[facts.Certificate]] = {}
    for row in session.scalars(select(Certification).where(Certification.educator_id.in_(ids))):
        found = _certificate(row)
        if found is not None:
            held.setdefault(row.educator_id, []).append(found)
    return [
        facts.Person(
            id=each,
            name=f"{rows[each].given_name} {rows[each].family_name}",
            opt_in_id=None if rows[each].left_on is not None else willing.get(each),
            certificates=tuple(held.get(each, ())),
        )
        for each in ids
    ]


def colleague(session: Session, educator_id: int, school_id: int) -> None:
    """The educator works at the school: a number from outside names nobody else. Raises `NotFound` otherwise."""
    if session.scalar(select(Educator.school_id).where(Educator.id == educator_id)) != school_id:
        raise NotFound


def _certificate(row: Certification) -> facts.Certificate | None:
    until = row.valid_until
    if row.revoked_on is not None:
        last = row.revoked_on - timedelta(days=1)
        until = last if until is None else min(until, last)
    if until is not None and until < row.valid_from:
        return None
    return facts.Certificate(row.id, row.valid_from, until)


def family_at_hand(session: Session, family_id: int, today: date) -> FamilyAtHand:
    """The family with its current word and how it came to be asked. Raises `NotFound`."""
    row = session.get(Family, family_id)
    if row is None:
        raise NotFound
    current = standing(session, [family_id], today).get(family_id)
    invitation = _invitation(session, family_id, current)
    school = _school(session, family_id, invitation)
    first = session.scalar(
        select(Visit.id).where(Visit.family_id == family_id, Visit.kind == "first", Visit.state == VisitState.COMPLETED)
    )
    known = facts.Family(
        id=family_id,
        yes_id=current.yes_id if current is not None else None,
        yes_lapsed=current is not None and current.lapsed,
        draw_entry_id=invitation.draw_id if invitation else None,
        request_id=invitation.family_request_id if invitation else None,
        first_visit_id=first,
    )
    asked_by = invitation.id if invitation else None
    return FamilyAtHand(known, row.name, row.language, asked_by, school.id, school.name, school.timezone)


def _invitation(session: Session, family_id: int, current: Standing | None) -> Invitation | None:
    if current is not None and current.answer == "yes":
        return session.get(Invitation, current.invitation_id)
    found = select(Invitation).where(Invitation.family_id == family_id).order_by(Invitation.id.desc()).limit(1)
    return session.scalar(found)


def _school(session: Session, family_id: int, invitation: Invitation | None) -> School:
    """The school that asked; a family nobody asked yet belongs to the school of a child."""
    if invitation is not None:
        found = select(School).where(School.id == invitation.school_id)
    else:
        found = select(School).join(Student, Student.school_id == School.id).where(Student.family_id == family_id)
    school = session.scalar(found.order_by(School.id).limit(1))
    if school is None:
        raise NotFound
    return school


def said_at(session: Session, entry_id: int | None) -> datetime | None:
    """When the family said what row `entry_id` of the ledger holds."""
    return None if entry_id is None else session.scalar(select(ConsentEntry.at).where(ConsentEntry.id == entry_id))


def phone_of(session: Session, family_id: int, consent_id: int | None, today: date) -> str | None:
    """The number that hears about a visit: whoever said yes, else the first caregiver with one."""
    return session.scalar(_PHONE, {"family": family_id, "consent": consent_id, "today": today})


_SAID_YES = select(ConsentEntry.caregiver_id).where(ConsentEntry.id == bindparam("consent")).scalar_subquery()
_PHONE = (
    select(Caregiver.phone)
    .where(
        Caregiver.family_id == bindparam("family"),
        Caregiver.phone.is_not(None),
        Caregiver.restricted.is_(False),
        or_(Caregiver.left_on.is_(None), Caregiver.left_on > bindparam("today")),
    )
    .order_by((Caregiver.id == _SAID_YES).desc().nulls_last(), Caregiver.contact_order, Caregiver.id)
    .limit(1)
)


def own_visit(session: Session, actor: Actor, visit_id: int) -> Visit:
    """A visit the actor is, or was, one of the team of. Raises `NotFound`."""
    visit = session.scalar(_OWN_VISIT, {"visit": visit_id, "educator": actor.educator_id})
    if visit is None:
        raise NotFound
    return visit


_OWN_VISIT = (
    select(Visit)
    .join(VisitMember, VisitMember.visit_id == Visit.id)
    .where(Visit.id == bindparam("visit"), VisitMember.educator_id == bindparam("educator"))
)


def visit_of(session: Session, actor: Actor, visit_id: int) -> Visit:
    """A visit the actor may act on: as one of its pair, or for a school of theirs. Raises `NotFound`."""
    visit = session.get(Visit, visit_id)
    if visit is None or not (
        actor.educator_id in (visit.lead_id, visit.partner_id) or actor.may_at(Permission.SEE_VISITS, visit.school_id)
    ):
        raise NotFound
    return visit


def still_going(session: Session, actor: Actor, visit: Visit) -> list[Problem]:
    """Whoever declined, fell ill or left has no more say in the visit, unless they coordinate the school."""
    if actor.may_at(Permission.SEE_VISITS, visit.school_id):
        return []
    mine = session.get(VisitMember, (visit.id, actor.educator_id))
    return [] if mine is not None and mine.state in ("asked", "coming") else [Problem("not_asked", None)]


def members_of(session: Session, visit_id: int) -> dict[int, VisitMember]:
    """Everyone who ever had a place in the visit's team, by id."""
    found = select(VisitMember).where(VisitMember.visit_id == visit_id).order_by(VisitMember.educator_id)
    return {row.educator_id: row for row in session.scalars(found)}


def visits_family(session: Session, actor: Actor, family_id: int) -> None:
    """The family is one of the actor's: taught by them, or visited by them. Raises `NotFound` otherwise.

    Whoever was asked along and did not say yes has nothing to do with the family.
    """
    if session.execute(_ITS_EDUCATORS, {"family": family_id, "educator": actor.educator_id}).first() is None:
        raise NotFound


_TAUGHT = (
    select(Student.family_id)
    .join(Enrollment, Enrollment.student_id == Student.id)
    .join(Teaching, Teaching.class_id == Enrollment.class_id)
    .where(Student.family_id == bindparam("family"), Teaching.educator_id == bindparam("educator"))
)
_VISITED = (
    select(Visit.family_id)
    .join(VisitMember, VisitMember.visit_id == Visit.id)
    .where(
        Visit.family_id == bindparam("family"),
        VisitMember.educator_id == bindparam("educator"),
        VisitMember.state == "coming",
    )
)
_ITS_EDUCATORS = _TAUGHT.union_all(_VISITED).limit(1)


def live_visit(session: Session, family_id: int) -> Visit | None:
    """The visit the family has ahead of it, if any: at most one."""
    return session.scalar(select(Visit).where(Visit.family_id == family_id, Visit.state.in_(LIVE)))


def with_own_certificate(person: facts.Person, certification_id: int | None) -> facts.Person:
    """The person with the one certificate their place in a team points at: the proof that was recorded."""
    return replace(person, certificates=tuple(c for c in person.certificates if c.id == certification_id))
