"""Families to call because messages cannot reach them: landline, invalid or wrong number."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select, true
from sqlalchemy.orm import Session, aliased

from homevisits.core.access import Actor, Permission
from homevisits.invitations import queries as families
from homevisits.invitations.models import ConsentEntry, Invitation
from homevisits.invitations.queue import LIST_PERIOD
from homevisits.messages.models import Phone
from homevisits.messages.recipients import opt_outs
from homevisits.people.models import Caregiver, Family, School
from homevisits.visits.models import LIVE, Visit

MAX_ROWS = 50


@dataclass(frozen=True)
class UnreachableFamily:
    """A family with an open invitation or upcoming visit, and why messages cannot reach it."""

    invitation_id: int
    visit_id: int | None
    family: str
    caregiver: str
    phone: str
    school: str
    timezone: str
    reason: str  # landline | bad | wrong_number
    since: datetime | None


def _here(actor: Actor) -> ColumnElement[bool]:
    held = actor.schools(Permission.ASK)
    return true() if held is None else Invitation.school_id.in_(held)


def unreachable_reasons(session: Session, phones: Collection[str]) -> dict[str, str]:
    """Return the reason per unreachable phone: landline | bad | wrong_number | stopped."""
    numbers = set(phones)
    reasons = dict.fromkeys(opt_outs.find_opted_out(session, numbers), "stopped")
    rows = session.execute(select(Phone.e164, Phone.state).where(Phone.e164.in_(numbers), Phone.state != "ok"))
    return {**reasons, **{str(phone): str(state) for phone, state in rows}}


def unreachable_families(session: Session, actor: Actor, now: datetime) -> list[UnreachableFamily]:
    """Return unreachable families with current business at the user's schools, by name."""
    query = (
        select(Invitation.id, Visit.id, Family, Phone, School)
        .select_from(Invitation)
        .join(Family, Family.id == Invitation.family_id)
        .join(School, School.id == Invitation.school_id)
        .join(Caregiver, Caregiver.family_id == Family.id)
        .join(Phone, Phone.e164 == Caregiver.phone)
        .outerjoin(Visit, and_(Visit.invitation_id == Invitation.id, Visit.state.in_(LIVE)))
        .where(
            _here(actor),
            Invitation.closed_at.is_(None),
            Invitation.asked_at > now - LIST_PERIOD,
            Phone.state != "ok",
            Caregiver.restricted.is_(False),
            Caregiver.left_on.is_(None),
        )
        .order_by(Family.name, Invitation.id.desc())
        .limit(4 * MAX_ROWS)
    )
    rows = session.execute(query).all()
    contacts = families.load_contacts(session, {family.id for _i, _v, family, _p, _s in rows})
    shown: dict[int, UnreachableFamily] = {}
    for invitation, visit, family, phone, school in rows:
        contact = contacts[family.id]
        if contact.phone == phone.e164 and family.id not in shown:
            shown[family.id] = UnreachableFamily(
                invitation_id=invitation,
                visit_id=visit,
                family=family.name,
                caregiver=contact.caregiver,
                phone=phone.e164,
                school=school.name,
                timezone=school.timezone,
                reason=phone.state,
                since=phone.since,
            )
    return list(shown.values())[:MAX_ROWS]


def count_open_invitations(session: Session, actor: Actor, now: datetime) -> int:
    """Count the invitations sent by message that have no answer."""
    answer = aliased(ConsentEntry)
    query = select(func.count()).where(
        _here(actor),
        Invitation.closed_at.is_(None),
        Invitation.asked_at > now - LIST_PERIOD,
        Invitation.how == "text",
        ~select(answer.id).where(answer.invitation_id == Invitation.id).exists(),
    )
    return session.scalar(query) or 0
