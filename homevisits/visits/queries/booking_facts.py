"""What the actions check: people and families as facts for the practices, and access to visits and families."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound, Problem
from homevisits.invitations.models import ConsentEntry, Invitation
from homevisits.invitations.queries import CurrentAnswer, load_current_answers
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
from homevisits.practices import check_inputs
from homevisits.visits.models import LIVE, Visit, VisitMember, VisitState


@dataclass(frozen=True)
class FamilyFacts:
    """A family with its facts for the practices, its invitation and its school."""

    facts: check_inputs.Family
    name: str
    language: str
    invitation_id: int | None
    school_id: int
    school: str
    timezone: str


def load_people(session: Session, ids: Sequence[int]) -> list[check_inputs.Person]:
    """Read the educators with `ids`, in that order, with opt-in and certificates. Raises `NotFound`."""
    rows = {row.id: row for row in session.scalars(select(Educator).where(Educator.id.in_(ids)))}
    if len(rows) < len(set(ids)):
        raise NotFound
    opt_ins = people.find_current_opt_ins(session, ids)
    certificates: dict[int, list[check_inputs.Certificate]] = {}
    for row in session.scalars(select(Certification).where(Certification.educator_id.in_(ids))):
        certificate = _to_certificate(row)
        if certificate is not None:
            certificates.setdefault(row.educator_id, []).append(certificate)
    return [
        check_inputs.Person(
            id=educator_id,
            name=f"{rows[educator_id].given_name} {rows[educator_id].family_name}",
            opt_in_id=None if rows[educator_id].left_on is not None else opt_ins.get(educator_id),
            certificates=tuple(certificates.get(educator_id, ())),
        )
        for educator_id in ids
    ]


def require_colleague(session: Session, educator_id: int, school_id: int) -> None:
    """Raise `NotFound` unless the educator works at the school."""
    if session.scalar(select(Educator.school_id).where(Educator.id == educator_id)) != school_id:
        raise NotFound


def _to_certificate(row: Certification) -> check_inputs.Certificate | None:
    until = row.valid_until
    if row.revoked_on is not None:
        last = row.revoked_on - timedelta(days=1)
        until = last if until is None else min(until, last)
    if until is not None and until < row.valid_from:
        return None
    return check_inputs.Certificate(row.id, row.valid_from, until)


def load_family(session: Session, family_id: int, today: date) -> FamilyFacts:
    """Read a family with its current answer and its invitation. Raises `NotFound`."""
    row = session.get(Family, family_id)
    if row is None:
        raise NotFound
    current = load_current_answers(session, [family_id], today).get(family_id)
    invitation = _find_invitation(session, family_id, current)
    school = _find_school(session, family_id, invitation)
    first_visit_id = session.scalar(
        select(Visit.id).where(Visit.family_id == family_id, Visit.kind == "first", Visit.state == VisitState.COMPLETED)
    )
    family = check_inputs.Family(
        id=family_id,
        yes_id=current.yes_id if current is not None else None,
        yes_lapsed=current is not None and current.has_lapsed,
        draw_entry_id=invitation.draw_id if invitation else None,
        request_id=invitation.family_request_id if invitation else None,
        first_visit_id=first_visit_id,
    )
    return FamilyFacts(
        facts=family,
        name=row.name,
        language=row.language,
        invitation_id=invitation.id if invitation else None,
        school_id=school.id,
        school=school.name,
        timezone=school.timezone,
    )


def _find_invitation(session: Session, family_id: int, current: CurrentAnswer | None) -> Invitation | None:
    if current is not None and current.answer == "yes":
        return session.get(Invitation, current.invitation_id)
    query = select(Invitation).where(Invitation.family_id == family_id).order_by(Invitation.id.desc()).limit(1)
    return session.scalar(query)


def _find_school(session: Session, family_id: int, invitation: Invitation | None) -> School:
    """Return the school of the invitation, or of a child if the family has not been asked yet."""
    if invitation is not None:
        query = select(School).where(School.id == invitation.school_id)
    else:
        query = select(School).join(Student, Student.school_id == School.id).where(Student.family_id == family_id)
    school = session.scalar(query.order_by(School.id).limit(1))
    if school is None:
        raise NotFound
    return school


def consent_given_at(session: Session, entry_id: int | None) -> datetime | None:
    """Return when the answer in ledger row `entry_id` was given."""
    return None if entry_id is None else session.scalar(select(ConsentEntry.at).where(ConsentEntry.id == entry_id))


def find_family_phone(session: Session, family_id: int, consent_id: int | None, today: date) -> str | None:
    """Return the phone for messages about a visit: of the caregiver who consented, else of the first caregiver."""
    return session.scalar(_FAMILY_PHONE, {"family": family_id, "consent": consent_id, "today": today})


_CONSENT_GIVER = select(ConsentEntry.caregiver_id).where(ConsentEntry.id == bindparam("consent")).scalar_subquery()
_FAMILY_PHONE = (
    select(Caregiver.phone)
    .where(
        Caregiver.family_id == bindparam("family"),
        Caregiver.phone.is_not(None),
        Caregiver.restricted.is_(False),
        or_(Caregiver.left_on.is_(None), Caregiver.left_on > bindparam("today")),
    )
    .order_by((Caregiver.id == _CONSENT_GIVER).desc().nulls_last(), Caregiver.contact_order, Caregiver.id)
    .limit(1)
)


def get_own_visit(session: Session, actor: Actor, visit_id: int) -> Visit:
    """Return a visit if the actor is or was on its team. Raises `NotFound`."""
    visit = session.scalar(_OWN_VISIT, {"visit": visit_id, "educator": actor.educator_id})
    if visit is None:
        raise NotFound
    return visit


_OWN_VISIT = (
    select(Visit)
    .join(VisitMember, VisitMember.visit_id == Visit.id)
    .where(Visit.id == bindparam("visit"), VisitMember.educator_id == bindparam("educator"))
)


def get_visit(session: Session, actor: Actor, visit_id: int) -> Visit:
    """Return a visit the actor may change, as a member of its pair or as a coordinator. Raises `NotFound`."""
    visit = session.get(Visit, visit_id)
    if visit is None or not (
        actor.educator_id in (visit.lead_id, visit.partner_id) or actor.may_at(Permission.SEE_VISITS, visit.school_id)
    ):
        raise NotFound
    return visit


def check_still_on_team(session: Session, actor: Actor, visit: Visit) -> list[Problem]:
    """Check that the actor is still on the team, or coordinates the school."""
    if actor.may_at(Permission.SEE_VISITS, visit.school_id):
        return []
    member = session.get(VisitMember, (visit.id, actor.educator_id))
    return [] if member is not None and member.state in ("asked", "coming") else [Problem("not_asked", None)]


def load_members(session: Session, visit_id: int) -> dict[int, VisitMember]:
    """Read all members the visit has or had, by educator id."""
    query = select(VisitMember).where(VisitMember.visit_id == visit_id).order_by(VisitMember.educator_id)
    return {row.educator_id: row for row in session.scalars(query)}


def require_own_family(session: Session, actor: Actor, family_id: int) -> None:
    """Raise `NotFound` unless the actor teaches a child of the family or accepted a visit to it."""
    if session.execute(_IS_OWN_FAMILY, {"family": family_id, "educator": actor.educator_id}).first() is None:
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
_IS_OWN_FAMILY = _TAUGHT.union_all(_VISITED).limit(1)


def find_live_visit(session: Session, family_id: int) -> Visit | None:
    """Return the family's live visit. A family has at most one."""
    return session.scalar(select(Visit).where(Visit.family_id == family_id, Visit.state.in_(LIVE)))


def with_recorded_certificate(person: check_inputs.Person, certification_id: int | None) -> check_inputs.Person:
    """Return the person with only the certificate recorded in their team membership."""
    return replace(person, certificates=tuple(row for row in person.certificates if row.id == certification_id))
