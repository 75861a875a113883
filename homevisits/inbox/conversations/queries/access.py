"""Access control for conversations: SQL conditions for coordinators and visiting pairs."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Exists, and_, exists, false, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute

from homevisits.core.access import Actor, Permission
from homevisits.inbox.models import Conversation
from homevisits.messages.models import IncomingMessage, OutgoingMessage
from homevisits.people.models import Caregiver, Student
from homevisits.visits.models import LIVE, Visit, VisitMember

READABLE_AFTER_VISIT = timedelta(days=14)
"""Period after a visit during which its pair may read the family's messages."""


def is_office(actor: Actor) -> bool:
    """Return whether the user coordinates a school and may therefore see phone numbers."""
    return actor.may(Permission.ASK)


def office_conversations(actor: Actor) -> ColumnElement[bool]:
    """Select conversations of the coordinator's schools and of unknown numbers."""
    return visible_to_office(actor, Conversation.phone)


def visible_to_office(actor: Actor, phone: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Select phones of families of the coordinator's schools, and unknown numbers.

    A number that no longer belongs to a family stays visible only to the schools that sent messages to it.
    """
    if not is_office(actor):
        return false()
    held = actor.schools(Permission.ASK)
    if held is None:
        return true()
    mine = select(Caregiver.id).join(Student, Student.family_id == Caregiver.family_id)
    mine = mine.where(Caregiver.phone == phone, Student.school_id.in_(held))
    texted = exists().where(OutgoingMessage.phone == phone, OutgoingMessage.school_id.is_not(None))
    nobody = and_(
        ~exists().where(Caregiver.phone == phone),
        or_(~texted, exists().where(OutgoingMessage.phone == phone, OutgoingMessage.school_id.in_(held))),
    )
    return or_(mine.exists(), nobody)


def pair_conversations(actor: Actor, now: datetime) -> ColumnElement[bool]:
    """Select conversations with families of the educator's visits that had messages since the booking."""
    if actor.educator_id is None or not actor.may(Permission.CONVERSE):
        return false()
    query = select(Visit.id).join(VisitMember, VisitMember.visit_id == Visit.id)
    query = query.join(Caregiver, Caregiver.family_id == Visit.family_id)
    return query.where(
        Caregiver.phone == Conversation.phone, *_own_visits(actor.educator_id, now), _written_since()
    ).exists()


def is_near(now: datetime) -> ColumnElement[bool]:
    """Select visits in the future or ended less than `READABLE_AFTER_VISIT` ago."""
    since = now - READABLE_AFTER_VISIT
    live = and_(Visit.state.in_(LIVE), Visit.ends_at >= since)
    return or_(live, and_(Visit.state.not_in(LIVE), func.coalesce(Visit.closed_at, Visit.ends_at) >= since))


def is_in_pair() -> ColumnElement[bool]:
    """Select confirmed members of a pair. Invited or unavailable colleagues may not read messages."""
    return and_(VisitMember.state == "coming", VisitMember.educator_id.in_((Visit.lead_id, Visit.partner_id)))


def _own_visits(educator_id: int, now: datetime) -> tuple[ColumnElement[bool], ...]:
    speak = and_(Caregiver.restricted.is_(False), Caregiver.left_on.is_(None))
    return VisitMember.educator_id == educator_id, is_in_pair(), is_near(now), speak


def _written_since() -> Exists:
    return exists().where(IncomingMessage.phone == Caregiver.phone, IncomingMessage.received_at >= Visit.booked_at)
