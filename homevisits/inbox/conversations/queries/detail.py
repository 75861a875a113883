"""The conversation detail page: messages in order, participants and available actions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission, Role
from homevisits.inbox.conversations.queries import access
from homevisits.inbox.conversations.queries import listing as lists
from homevisits.inbox.conversations.queries.participants import Participants, find_participants
from homevisits.messages.models import WAITING_STATES, IncomingMessage, OutgoingMessage
from homevisits.people.models import Account, AccountGrant
from homevisits.visits.models import Visit, VisitMember

SHOWN_MESSAGES = 60
"""Number of messages on a page; older messages are loaded on request."""
MAX_MESSAGES = 500
TASKS = ("polite_stop", "wrong_number", "probable_yes")
"""Intents that require a staff decision."""


@dataclass(frozen=True)
class ShownMessage:
    """A message on the page. ``note``: intent of an incoming, or status of an outgoing message."""

    id: int
    is_outgoing: bool
    at: datetime
    body: str
    language: str
    note: str
    reason: str = ""  # reason for holding the message, or error
    until: datetime | None = None  # next attempt for a held message
    by: str | None = None  # author of a manual message
    urgent_by: str | None = None
    urgent_reason: str | None = None
    pictures: int = 0
    task: str = ""  # polite_stop | wrong_number | probable_yes: needs a staff decision


@dataclass(frozen=True)
class Assignee:
    """A colleague to whom a conversation can be assigned."""

    account_id: int
    name: str


@dataclass(frozen=True)
class ConversationDetail:
    """Data of the conversation page."""

    participants: Participants
    messages: tuple[ShownMessage, ...]
    older: bool
    waiting_since: datetime | None
    late: bool
    assigned_to: int | None
    assigned: str | None
    colleagues: tuple[Assignee, ...]


def conversation_detail(
    session: Session, actor: Actor, conversation_id: int, now: datetime, *, everything: bool = False
) -> ConversationDetail:
    """Load a conversation with its newest messages last. Raises `NotFound` if the user has no access."""
    who = find_participants(session, actor, conversation_id, now)
    limit = MAX_MESSAGES if everything else SHOWN_MESSAGES
    share = None if who.office else lists.readable_shares(session, actor, [who.number], now)[who.number]
    received = _incoming(session, who, share, limit + 1)
    sent = _outgoing(session, actor, who, share, limit=limit + 1, now=now)
    messages = sorted([*received, *sent], key=lambda one: (one.at, one.is_outgoing, one.id))
    since = who.waiting_since
    if since is not None and who.since is not None:
        since = max(since, who.since)
    return ConversationDetail(
        participants=who,
        messages=tuple(messages[-limit:]),
        older=len(messages) > limit and not everything,
        waiting_since=since,
        late=since is not None and now - since >= lists.LATE_AFTER,
        assigned_to=who.assigned_to,
        assigned=session.scalar(select(Account.name).where(Account.id == who.assigned_to)),
        colleagues=possible_assignees(session, who, now),
    )


def _incoming(session: Session, who: Participants, share: lists.ReadableShare | None, limit: int) -> list[ShownMessage]:
    query = select(IncomingMessage).where(IncomingMessage.phone == who.number).order_by(IncomingMessage.id.desc())
    if share is not None:
        query = query.where(share.may_read())
    return [
        ShownMessage(
            id=row.id,
            is_outgoing=False,
            at=row.received_at,
            body=row.body,
            language=who.language,
            note=row.intent or "",
            pictures=row.media,
            task=(row.intent or "") if row.needs_staff and row.intent in TASKS else "",
        )
        for row in session.scalars(query.limit(limit))
    ]


def _outgoing(
    session: Session, actor: Actor, who: Participants, share: lists.ReadableShare | None, *, limit: int, now: datetime
) -> list[ShownMessage]:
    """Return outgoing messages that were sent, failed or are overdue, and all messages written by staff.

    Messages scheduled for later are left out. If a phone is linked to two schools, a coordinator does not see messages
    about the other school's visits. An educator sees only messages about their own visits.
    """
    phone = who.number
    automatic = OutgoingMessage.written_by.is_(None)
    later = and_(OutgoingMessage.state.in_(WAITING_STATES), OutgoingMessage.not_before > now, automatic)
    was_cancelled = and_(OutgoingMessage.state == "cancelled", automatic)
    query = select(OutgoingMessage).where(OutgoingMessage.phone == phone, ~later, ~was_cancelled)
    about_conversation = or_(OutgoingMessage.subject.like("thread:%"), OutgoingMessage.subject.like("inbound:%"))
    held = actor.schools(Permission.ASK)
    if share is not None:
        subject = OutgoingMessage.subject.in_([f"visit:{visit}" for visit in share.visits])
        query = query.where(OutgoingMessage.created_at >= share.since, or_(subject, about_conversation))
    elif held is not None:
        query = query.where(
            or_(OutgoingMessage.school_id.is_(None), OutgoingMessage.school_id.in_(held), about_conversation)
        )
    rows = session.scalars(query.order_by(OutgoingMessage.id.desc()).limit(limit)).all()
    names = _names_of(session, rows)
    return [
        ShownMessage(
            id=row.id,
            is_outgoing=True,
            at=row.sent_at or (row.created_at if row.written_by else max(row.created_at, row.not_before)),
            body=row.body,
            language=row.language,
            note=row.state,
            reason=(row.hold_reason if row.state in WAITING_STATES else row.error) or "",
            until=row.next_at if row.state in WAITING_STATES and row.next_at > now else None,
            by=names.get(row.written_by or 0),
            urgent_by=names.get(row.urgent_by or 0),
            urgent_reason=row.urgent_reason,
        )
        for row in rows
    ]


def _names_of(session: Session, rows: Sequence[OutgoingMessage]) -> dict[int, str]:
    account_ids = {number for row in rows for number in (row.written_by, row.urgent_by) if number is not None}
    return dict(session.execute(select(Account.id, Account.name).where(Account.id.in_(account_ids))).all())


def possible_assignees(session: Session, who: Participants, now: datetime) -> tuple[Assignee, ...]:
    """Return the colleagues with access: the school's coordinators and the pair of a visit."""
    coordinates = select(AccountGrant.account_id).where(AccountGrant.role == Role.SITE_COORDINATOR)
    if who.school_id is not None:
        coordinates = coordinates.where(or_(AccountGrant.school_id == who.school_id, AccountGrant.school_id.is_(None)))
    pair = (
        select(Account.id)
        .join(VisitMember, VisitMember.educator_id == Account.educator_id)
        .join(Visit, Visit.id == VisitMember.visit_id)
        .where(Visit.family_id.in_(who.family_ids), access.is_in_pair(), access.is_near(now))
    )
    query = select(Account.id, Account.name).where(
        Account.active, or_(Account.id.in_(coordinates), Account.id.in_(pair))
    )
    return tuple(Assignee(*row) for row in session.execute(query.order_by(Account.name, Account.id)))
