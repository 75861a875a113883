"""Families on Today with lapsed consent: they must be asked again; lists affected visits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, true
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.invitations import queries as families
from homevisits.invitations.models import Answer, ConsentEntry, Invitation
from homevisits.invitations.queue import LIST_PERIOD
from homevisits.people.models import Family, FamilyMerge, School, Student
from homevisits.people.queries import has_left
from homevisits.visits.models import LIVE, Visit

MAX_ROWS = 50


@dataclass(frozen=True)
class LapsedConsent:
    """A family with lapsed consent. ``visit_id``, ``starts_at``: its booked visit, if any.

    ``reason``: merged (with another family) | giver (unknown, or no present, unrestricted caregiver of the family).
    ``can_answer``: a new answer can be recorded; for a merged family, the visit can only be canceled.
    """

    invitation_id: int
    visit_id: int | None
    starts_at: datetime | None
    family: str
    caregiver: str
    phone: str | None
    school: str
    timezone: str
    reason: str
    can_answer: bool
    since: datetime


def lapsed_consents(session: Session, actor: Actor, now: datetime) -> list[LapsedConsent]:
    """Return families with lapsed consent at the user's schools, those with a booked visit first."""
    rows = session.execute(_lapsed_rows(actor, now)).all()
    contacts = families.load_contacts(session, {row.contact_family_id or row.family_id for row in rows})
    lapsed = []
    for row in rows:
        contact = contacts[row.contact_family_id or row.family_id]
        lapsed.append(
            LapsedConsent(
                invitation_id=row.invitation_id,
                visit_id=row.visit_id,
                starts_at=row.starts_at,
                family=row.family,
                caregiver=contact.caregiver,
                phone=contact.phone,
                school=row.school,
                timezone=row.timezone,
                reason="merged" if row.merged_away or row.giver_counts else "giver",
                can_answer=not row.merged_away and actor.may_at(Permission.ASK, row.school_id),
                since=row.at,
            )
        )
    return lapsed


def _lapsed_rows(actor: Actor, now: datetime) -> Select[*tuple[Any, ...]]:
    today = now.date()
    merged_away = ~exists().where(Student.family_id == Family.id)
    merged_into = select(func.max(FamilyMerge.family_id)).where(FamilyMerge.merged_id == Family.id, merged_away)
    return (
        select(
            Invitation.id.label("invitation_id"),
            Invitation.school_id,
            Visit.id.label("visit_id"),
            Visit.starts_at,
            Family.id.label("family_id"),
            merged_into.correlate(Family).scalar_subquery().label("contact_family_id"),
            Family.name.label("family"),
            School.name.label("school"),
            School.timezone,
            merged_away.label("merged_away"),
            families.has_valid_giver(ConsentEntry, today).label("giver_counts"),
            ConsentEntry.at,
        )
        .select_from(ConsentEntry)
        .join(Family, Family.id == ConsentEntry.family_id)
        .join(Invitation, Invitation.id == ConsentEntry.invitation_id)
        .join(School, School.id == Invitation.school_id)
        .outerjoin(Visit, and_(Visit.family_id == Family.id, Visit.state.in_(LIVE)))
        .where(
            _at_schools_of(actor),
            ConsentEntry.id == families.newest_answer_id(ConsentEntry.family_id),
            ConsentEntry.answer == Answer.YES.value,
            ~families.is_valid_yes(ConsentEntry, today),
            or_(
                Visit.id.is_not(None),
                and_(~merged_away, ~has_left(Family.id, today), Invitation.asked_at > now - LIST_PERIOD),
            ),
        )
        .order_by(Visit.starts_at.is_(None), Visit.starts_at, ConsentEntry.id)
        .limit(MAX_ROWS)
    )


def _at_schools_of(actor: Actor) -> ColumnElement[bool]:
    schools = actor.schools(Permission.ASK)
    return true() if schools is None else or_(Invitation.school_id.in_(schools), Visit.school_id.in_(schools))
