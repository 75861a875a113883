"""Open tasks for staff: messages to read, families to call, visits without a partner."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, exists, func, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from homevisits.core.access import Actor, Permission
from homevisits.inbox.conversations.queries import access
from homevisits.inbox.conversations.queries import listing as lists
from homevisits.inbox.models import Conversation
from homevisits.invitations.models import Answer, ConsentEntry, Invitation
from homevisits.invitations.queue import LIST_PERIOD
from homevisits.messages.models import FAILED_STATES, IncomingMessage, OutgoingMessage
from homevisits.people.models import Caregiver, Family, School
from homevisits.visits.message_types import templates_with_purpose
from homevisits.visits.models import LIVE, Visit, VisitEvent, VisitMember

MAX_ROWS = 50
RECENT = timedelta(days=3)
"""How long to list a canceled visit for a call to the family, after its closing and its start."""


@dataclass(frozen=True)
class MessageToRead:
    """A message that staff must read, with its sender."""

    id: int
    families: tuple[str, ...]
    phone: str
    body: str
    received_at: datetime
    stopped: bool
    conversation_id: int | None = None
    needs_decision: bool = False  # staff decide on its meaning in the conversation


@dataclass(frozen=True)
class FamilyToCall:
    """A family to call, because it asked for a call or another time, or cannot get messages."""

    invitation_id: int
    visit_id: int | None  # the upcoming visit, if any
    family: str
    caregiver: str
    phone: str | None
    language: str
    school: str
    timezone: str
    reason: str  # call_me | other_time | no_text
    since: datetime


@dataclass(frozen=True)
class VisitToHandle:
    """An upcoming visit that needs action; ``off``: it was canceled and the family may not know."""

    visit_id: int
    school: str
    timezone: str
    starts_at: datetime
    off: bool = False


def _at_schools(actor: Actor, column: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    held = actor.schools(Permission.ASK)
    return column.is_not(None) if held is None else column.in_(held)


def messages_to_read(session: Session, actor: Actor) -> list[MessageToRead]:
    """Return messages that need staff, oldest first."""
    rows = session.scalars(
        select(IncomingMessage)
        .where(IncomingMessage.needs_staff, access.visible_to_office(actor, IncomingMessage.phone))
        .order_by(IncomingMessage.id)
        .limit(MAX_ROWS)
    ).all()
    seen = {row.phone for row in rows}
    names = lists.family_names(session, actor, seen, {})
    threads = dict(
        session.execute(select(Conversation.phone, Conversation.id).where(Conversation.phone.in_(seen))).all()
    )
    return [
        MessageToRead(
            id=row.id,
            families=names.get(row.phone, ()),
            phone=row.phone,
            body=row.body,
            received_at=row.received_at,
            stopped=row.intent == "stop",
            conversation_id=threads.get(row.phone),
            needs_decision=row.phone in threads and row.intent in ("polite_stop", "wrong_number", "probable_yes"),
        )
        for row in rows
    ]


def families_to_call(session: Session, actor: Actor, now: datetime) -> list[FamilyToCall]:
    """Return families to call that have not answered or booked since their request."""
    later = aliased(ConsentEntry)
    newer = select(later.id).where(later.family_id == ConsentEntry.family_id, later.id > ConsentEntry.id)
    asked = (
        select(Invitation, ConsentEntry, Family, School, Visit.id)
        .join(Family, Family.id == Invitation.family_id)
        .join(School, School.id == Invitation.school_id)
        .outerjoin(ConsentEntry, and_(ConsentEntry.invitation_id == Invitation.id, ~newer.exists()))
        .outerjoin(Visit, and_(Visit.id == ConsentEntry.visit_id, Visit.state.in_(LIVE)))
        .where(
            _at_schools(actor, Invitation.school_id),
            Invitation.closed_at.is_(None),
            Invitation.asked_at > now - LIST_PERIOD,
            or_(_asked_for_call(), _was_not_reached()),
        )
        .order_by(func.coalesce(ConsentEntry.at, Invitation.asked_at), Invitation.id)
        .limit(MAX_ROWS)
    )
    rows = session.execute(asked).all()
    people = _load_contacts(session, [family.id for _, _, family, _, _ in rows])
    return [
        FamilyToCall(
            invitation_id=made.id,
            visit_id=visit_id,
            family=family.name,
            caregiver=people.get(family.id, ("", None))[0],
            phone=people.get(family.id, ("", None))[1],
            language=family.language,
            school=school.name,
            timezone=school.timezone,
            reason=answer.answer if answer is not None else "no_text",
            since=answer.at if answer is not None else made.asked_at,
        )
        for made, answer, family, school, visit_id in _with_optional_types(rows)
    ]


def _asked_for_call() -> ColumnElement[bool]:
    """Select families that last answered "call me" or "another time", with no booking since."""
    visit = aliased(Visit)
    arranged = select(visit.id).where(
        visit.family_id == ConsentEntry.family_id, visit.booked_at > ConsentEntry.at, visit.state.in_(LIVE)
    )
    return and_(ConsentEntry.answer.in_((Answer.CALL_ME.value, Answer.OTHER_TIME.value)), ~arranged.exists())


def _was_not_reached() -> ColumnElement[bool]:
    """Select unanswered invitations that were not sent by message or whose message was not delivered."""
    return and_(ConsentEntry.id.is_(None), _never_answered(), or_(Invitation.how != "text", _was_not_sent()))


def _with_optional_types(
    rows: Iterable[Any],
) -> Iterable[tuple[Invitation, ConsentEntry | None, Family, School, int | None]]:
    # The right side of an outer join can be NULL, which the type of the select does not express.
    return rows


def _was_not_sent() -> ColumnElement[bool]:
    """Select invitations whose message failed, expired, was suppressed or is held for approval."""
    asked = OutgoingMessage.subject == literal("invitation:").concat(cast(Invitation.id, Text))
    failed = OutgoingMessage.state.in_(("undelivered", "rejected", "dead", "expired", "suppressed", "unknown"))
    not_sent = or_(failed, _waits_for_approval())
    return select(OutgoingMessage.id).where(asked, OutgoingMessage.template == "invitation", not_sent).exists()


def _waits_for_approval() -> ColumnElement[bool]:
    """Select messages held until a user approves their template or releases them."""
    return and_(OutgoingMessage.state == "held", OutgoingMessage.hold_reason.in_(("language", "template", "consent")))


def _never_answered() -> ColumnElement[bool]:
    any_entry = aliased(ConsentEntry)
    return ~select(any_entry.id).where(any_entry.invitation_id == Invitation.id).exists()


def _load_contacts(session: Session, families: Collection[int]) -> dict[int, tuple[str, str | None]]:
    rows = session.scalars(
        select(Caregiver)
        .where(Caregiver.family_id.in_(families), Caregiver.restricted.is_(False), Caregiver.left_on.is_(None))
        .order_by(Caregiver.phone.is_(None), Caregiver.contact_order, Caregiver.id)
    )
    caregivers: dict[int, tuple[str, str | None]] = {}
    for who in rows:
        caregivers.setdefault(who.family_id, (f"{who.given_name} {who.family_name}", who.phone))
    return caregivers


def visits_without_partner(session: Session, actor: Actor) -> list[VisitToHandle]:
    """Return upcoming visits with an unavailable partner, soonest first."""
    pair = VisitMember.educator_id.in_((Visit.lead_id, Visit.partner_id))
    rows = session.execute(
        select(Visit.id, School.name, School.timezone, Visit.starts_at)
        .join(School, School.id == Visit.school_id)
        .join(VisitMember, and_(VisitMember.visit_id == Visit.id, pair))
        .where(
            Visit.state.in_(LIVE),
            VisitMember.state.in_(("declined", "unable", "withdrawn")),
            _at_schools(actor, Visit.school_id),
        )
        .distinct()
        .order_by(Visit.starts_at, Visit.id)
        .limit(MAX_ROWS)
    )
    return [VisitToHandle(*row) for row in rows]


def visits_not_communicated(session: Session, actor: Actor, now: datetime) -> list[VisitToHandle]:
    """Return visits with a current state the family has not received by message, soonest first.

    For upcoming visits this is the current time; for visits known to the family and then canceled, the cancellation.
    Cancellations are listed after the start too, because no message is sent from then on.
    """
    rows = session.execute(
        select(Visit.id, School.name, School.timezone, Visit.starts_at, Visit.state == "cancelled_by_educator")
        .join(School, School.id == Visit.school_id)
        .where(
            _at_schools(actor, Visit.school_id), or_(_time_not_communicated(now), _cancellation_not_communicated(now))
        )
        .order_by(Visit.starts_at, Visit.id)
        .limit(MAX_ROWS)
    )
    return [VisitToHandle(*row) for row in rows]


def _about_visit() -> ColumnElement[str]:
    return literal("visit:").concat(cast(Visit.id, Text))


def _is_sent_or_pending() -> ColumnElement[bool]:
    return and_(
        OutgoingMessage.state.in_(("held", "queued", "sending", "accepted", "delivered")), ~_waits_for_approval()
    )


def _time_not_communicated(now: datetime) -> ColumnElement[bool]:
    subject = _about_visit()
    key = OutgoingMessage.dedupe_key.startswith(subject.concat(":v").concat(cast(Visit.version, Text)).concat(":"))
    communicated = and_(
        OutgoingMessage.subject == subject, OutgoingMessage.template.in_(templates_with_purpose("announce_time")), key
    )
    is_upcoming = and_(Visit.state == "scheduled", Visit.starts_at > now)
    return and_(is_upcoming, ~select(OutgoingMessage.id).where(communicated, _is_sent_or_pending()).exists())


def _cancellation_not_communicated(now: datetime) -> ColumnElement[bool]:
    """Select cancellations without a sent or pending message; failed messages are listed elsewhere.

    A message still pending at the start expires, so its visit is listed from then on, even if it was canceled early.
    """
    known = exists().where(VisitEvent.visit_id == Visit.id, VisitEvent.what == "arranged")
    can_be_sent = and_(OutgoingMessage.next_at < Visit.starts_at, Visit.starts_at > now)
    in_time = and_(_is_sent_or_pending(), or_(OutgoingMessage.sent_at.is_not(None), can_be_sent))
    notice = and_(
        OutgoingMessage.subject == _about_visit(), OutgoingMessage.template.in_(templates_with_purpose("cancel"))
    )
    communicated = and_(notice, or_(in_time, OutgoingMessage.state.in_(FAILED_STATES)))
    has_begun = and_(Visit.starts_at <= now, exists().where(notice))
    is_recent = and_(Visit.starts_at > now - RECENT, or_(Visit.closed_at > now - RECENT, has_begun))
    return and_(Visit.state == "cancelled_by_educator", is_recent, known, ~exists().where(communicated))
