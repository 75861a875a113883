"""Which conversations an account may read: SQL conditions for coordinators and for visiting pairs."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Exists, and_, exists, false, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute

from homevisits.core.access import Actor, Permission
from homevisits.inbox.models import Conversation
from homevisits.messages.models import IncomingMessage, OutgoingMessage
from homevisits.people.models import Caregiver, Student
from homevisits.visits.models import LIVE, Visit, VisitMember

READABLE_AFTER_VISIT = timedelta(days=14)
"""So long the pair of a visit that ended reads what the family writes."""


def is_office(actor: Actor) -> bool:
    """Whether the person coordinates a school: they may call, so they see numbers."""
    return actor.may(Permission.ASK)


def office_conversations(actor: Actor) -> ColumnElement[bool]:
    """The conversations of a coordinator's schools, and of numbers nobody knows."""
    return visible_to_office(actor, Conversation.phone)


def visible_to_office(actor: Actor, phone: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Whether `phone` is of a family of a coordinator's schools, or of nobody we know.

    A number that no family has any more is still of the schools that texted it: what was said there is not for others.
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
    """The conversations with families of an educator's own visits in which something was said since the booking."""
    if actor.educator_id is None or not actor.may(Permission.CONVERSE):
        return false()
    found = select(Visit.id).join(VisitMember, VisitMember.visit_id == Visit.id)
    found = found.join(Caregiver, Caregiver.family_id == Visit.family_id)
    return found.where(
        Caregiver.phone == Conversation.phone, *_own_visits(actor.educator_id, now), _written_since()
    ).exists()


def is_near(now: datetime) -> ColumnElement[bool]:
    """A visit that is ahead, or ended not long ago."""
    since = now - READABLE_AFTER_VISIT
    live = and_(Visit.state.in_(LIVE), Visit.ends_at >= since)
    return or_(live, and_(Visit.state.not_in(LIVE), func.coalesce(Visit.closed_at, Visit.ends_at) >= since))


def is_in_pair() -> ColumnElement[bool]:
    """Whoever comes along; who was asked and has not answered, or cannot come, reads nothing of the family."""
    return and_(VisitMember.state == "coming", VisitMember.educator_id.in_((Visit.lead_id, Visit.partner_id)))


def _own_visits(educator_id: int, now: datetime) -> tuple[ColumnElement[bool], ...]:
    speak = and_(Caregiver.restricted.is_(False), Caregiver.left_on.is_(None))
    return VisitMember.educator_id == educator_id, is_in_pair(), is_near(now), speak


def _written_since() -> Exists:
    return exists().where(IncomingMessage.phone == Caregiver.phone, IncomingMessage.received_at >= Visit.booked_at)
