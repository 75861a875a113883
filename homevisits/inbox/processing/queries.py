"""Queries about the owner of a phone: language, caregiver, families and active visits."""

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from homevisits.invitations.models import Invitation
from homevisits.people.models import Caregiver, Family
from homevisits.visits.models import LIVE, Visit


def family_language(session: Session, phone: str) -> str | None:
    """Return the language of the family with this phone."""
    return session.scalar(
        select(Family.language)
        .join(Caregiver, Caregiver.family_id == Family.id)
        .where(Caregiver.phone == phone)
        .order_by(Caregiver.id)
        .limit(1)
    )


def caregiver_of_visit(session: Session, phone: str, visit_id: int) -> int | None:
    """Return the caregiver with this phone for a visit, if we may contact them."""
    return session.scalar(
        select(Caregiver.id)
        .join(Visit, Visit.family_id == Caregiver.family_id)
        .where(Visit.id == visit_id, Caregiver.phone == phone, *_contactable())
        .order_by(Caregiver.contact_order, Caregiver.id)
        .limit(1)
    )


def caregiver_of_invitation(session: Session, phone: str, invitation_id: int) -> int | None:
    """Return the caregiver with this phone for an invitation, if we may contact them."""
    return session.scalar(
        select(Caregiver.id)
        .join(Invitation, Invitation.family_id == Caregiver.family_id)
        .where(Invitation.id == invitation_id, Caregiver.phone == phone, *_contactable())
        .limit(1)
    )


def _contactable() -> tuple[ColumnElement[bool], ...]:
    return Caregiver.restricted.is_(False), Caregiver.left_on.is_(None)


def families_of_phone(session: Session, phone: str) -> frozenset[int]:
    """Return the families with a present caregiver, restricted or not, who has this phone."""
    query = select(Caregiver.family_id).where(Caregiver.phone == phone, Caregiver.left_on.is_(None))
    return frozenset(session.scalars(query))


def has_live_visit(session: Session, phone: str) -> bool:
    """Return whether a family with this phone has an upcoming visit."""
    query = (
        select(Visit.id)
        .join(Caregiver, Caregiver.family_id == Visit.family_id)
        .where(Caregiver.phone == phone, Visit.state.in_(LIVE))
        .limit(1)
    )
    return session.scalar(query) is not None
