"""The conversation list and the part of each conversation that the user may read.

A coordinator reads conversations of phones that belong to a family of their schools, and of unknown numbers. An
educator reads messages about their own visits, from the booking until two weeks after the visit, without the number.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.inbox.conversations.queries.access import (
    _own_visits,
    is_in_pair,
    is_near,
    is_office,
    office_conversations,
    pair_conversations,
)
from homevisits.inbox.models import Conversation
from homevisits.messages.models import IncomingMessage
from homevisits.people.models import Account, Caregiver, Family, Student
from homevisits.visits.models import Visit, VisitMember

PAGE_SIZE = 20
LATE_AFTER = timedelta(hours=24)
"""A conversation is overdue when the family has waited longer than this for a reply."""
FILTERS = ("all", "mine", "nobody")


@dataclass(frozen=True)
class ConversationRow:
    """A row of the list: family, last message, waiting time and assignee."""

    id: int
    families: tuple[str, ...]
    phone: str | None  # only for users who may call the family
    last_message: str
    last_at: datetime
    waiting_since: datetime | None
    late: bool
    assigned_to: int | None
    assigned: str | None


@dataclass(frozen=True)
class ConversationList:
    """A page of the list."""

    rows: tuple[ConversationRow, ...]
    page: int
    more: bool


@dataclass(frozen=True)
class WaitingCounts:
    """Number of conversations that wait for a reply, and how many of them are overdue."""

    count: int
    late: int


@dataclass(frozen=True)
class ReadableShare:
    """The part of a phone's conversation that an educator may read: start, visits and families."""

    since: datetime
    visits: frozenset[int]
    families: frozenset[int]
    schools: frozenset[int]
    questions: frozenset[str]  # references of the questions about these visits: "visit:17", "invitation:4"

    def may_read(self) -> ColumnElement[bool]:
        """Select the family's messages since the booking, except answers to questions about other visits."""
        answers = IncomingMessage.answers
        return and_(IncomingMessage.received_at >= self.since, or_(answers.is_(None), answers.in_(self.questions)))


def readable_shares(session: Session, actor: Actor, phones: Collection[str], now: datetime) -> dict[str, ReadableShare]:
    """Return the readable part of each phone's conversation, for the phones an educator may read."""
    if actor.educator_id is None or not phones:
        return {}
    rows = session.execute(
        select(Caregiver.phone, Visit.booked_at, Visit.id, Visit.family_id, Visit.school_id, Visit.invitation_id)
        .select_from(Visit)
        .join(VisitMember, VisitMember.visit_id == Visit.id)
        .join(Caregiver, Caregiver.family_id == Visit.family_id)
        .where(Caregiver.phone.in_(phones), *_own_visits(actor.educator_id, now))
        .order_by(Visit.booked_at)
    )
    shares: dict[str, ReadableShare] = {}
    for number, booked_at, visit, family, school, invitation in rows:
        phone = str(number)
        before = shares.get(phone, ReadableShare(booked_at, frozenset(), frozenset(), frozenset(), frozenset()))
        shares[phone] = ReadableShare(
            before.since,
            before.visits | {visit},
            before.families | {family},
            before.schools | {school},
            before.questions | {f"visit:{visit}", f"invitation:{invitation}"},
        )
    return shares


def list_conversations(
    session: Session, actor: Actor, now: datetime, *, whose: str = "all", words: str = "", page: int = 1
) -> ConversationList:
    """List conversations, longest wait first, then newest. ``words`` filters by family or person name."""
    office = office_conversations(actor)
    query = (
        select(Conversation, office.label("office"), Account.name)
        .outerjoin(Account, Account.id == Conversation.assigned_to)
        .where(or_(office, pair_conversations(actor, now)))
        .order_by(
            Conversation.waiting_since.is_(None),
            Conversation.waiting_since,
            Conversation.last_at.desc(),
            Conversation.id,
        )
        .limit(PAGE_SIZE + 1)
        .offset((page - 1) * PAGE_SIZE)
    )
    if whose == "mine":
        query = query.where(Conversation.assigned_to == actor.account_id)
    elif whose == "nobody":
        query = query.where(Conversation.assigned_to.is_(None))
    if words.strip():
        query = query.where(_phones_by_name(actor, words.strip(), now))
    rows = session.execute(query).all()
    return ConversationList(tuple(_rows(session, actor, rows[:PAGE_SIZE], now)), page, len(rows) > PAGE_SIZE)


def count_waiting(session: Session, actor: Actor, now: datetime) -> WaitingCounts:
    """Count the conversations visible to the user that wait for a reply."""
    late = func.count().filter(Conversation.waiting_since <= now - LATE_AFTER)
    query = select(func.count(), late).where(
        Conversation.waiting_since.is_not(None), or_(office_conversations(actor), pair_conversations(actor, now))
    )
    return WaitingCounts(*session.execute(query).one())


def _phones_by_name(actor: Actor, words: str, now: datetime) -> ColumnElement[bool]:
    """Select phones by family or person name, among the names the user may see."""
    who = (Caregiver.given_name + " " + Caregiver.family_name).icontains(words, autoescape=True)
    query = select(Caregiver.phone).join(Family, Family.id == Caregiver.family_id)
    named = or_(Family.name.icontains(words, autoescape=True), and_(who, Caregiver.restricted.is_(False)))
    held = actor.schools(Permission.ASK) if is_office(actor) else frozenset[int]()
    if held is not None:
        visited = select(Visit.family_id).join(VisitMember, VisitMember.visit_id == Visit.id)
        visited = visited.where(VisitMember.educator_id == actor.educator_id, is_in_pair(), is_near(now))
        here = select(Student.family_id).where(Student.school_id.in_(held))
        query = query.where(or_(Family.id.in_(here), Family.id.in_(visited)))
    return Conversation.phone.in_(query.where(named, Caregiver.phone.is_not(None)))


def _rows(
    session: Session, actor: Actor, conversations: Collection[tuple[Conversation, bool, str | None]], now: datetime
) -> list[ConversationRow]:
    phones = [thread.phone for thread, _office, _name in conversations]
    mine = readable_shares(session, actor, phones, now)
    names = family_names(session, actor, phones, mine)
    last_messages = _last_messages(session, [thread.phone for thread, office, _name in conversations if office])
    last_messages |= _last_messages_of_pair(
        session, {thread.phone: mine[thread.phone] for thread, office, _name in conversations if not office}
    )
    rows = []
    for thread, office, name in conversations:
        since = thread.waiting_since
        if since is not None and not office and thread.phone in mine:
            since = max(since, mine[thread.phone].since)
        rows.append(
            ConversationRow(
                id=thread.id,
                families=names.get(thread.phone, ()),
                phone=thread.phone if office else None,
                last_message=last_messages.get(thread.phone, ""),
                last_at=thread.last_at,
                waiting_since=since,
                late=since is not None and now - since >= LATE_AFTER,
                assigned_to=thread.assigned_to,
                assigned=name,
            )
        )
    return rows


def family_names(
    session: Session, actor: Actor, phones: Collection[str], mine: dict[str, ReadableShare]
) -> dict[str, tuple[str, ...]]:
    """Return the names of each phone's families that are visible to the user."""
    rows = session.execute(
        select(Caregiver.phone, Family.id, Family.name, Student.school_id)
        .join(Family, Family.id == Caregiver.family_id)
        .join(Student, Student.family_id == Family.id)
        .where(Caregiver.phone.in_(phones))
        .order_by(Family.name, Family.id)
    )
    held = actor.schools(Permission.ASK) if is_office(actor) else frozenset[int]()
    found: dict[str, dict[int, str]] = {}
    for number, family, name, school in rows:
        phone = str(number)
        if held is None or school in held or (phone in mine and family in mine[phone].families):
            found.setdefault(phone, {})[family] = name
    return {phone: tuple(names.values()) for phone, names in found.items()}


def _message_to_quote() -> ColumnElement[int]:
    """Select the newest message of a phone that needs staff, or else the newest message."""
    return func.coalesce(func.max(IncomingMessage.id).filter(IncomingMessage.needs_staff), func.max(IncomingMessage.id))


def _last_messages(session: Session, phones: Collection[str]) -> dict[str, str]:
    newest = select(_message_to_quote()).where(IncomingMessage.phone.in_(phones)).group_by(IncomingMessage.phone)
    return dict(
        session.execute(select(IncomingMessage.phone, IncomingMessage.body).where(IncomingMessage.id.in_(newest))).all()
    )


def _last_messages_of_pair(session: Session, mine: dict[str, ReadableShare]) -> dict[str, str]:
    """Return the last message of each phone that the educator may read."""
    readable = or_(false(), *(and_(IncomingMessage.phone == phone, share.may_read()) for phone, share in mine.items()))
    newest = select(_message_to_quote()).where(readable).group_by(IncomingMessage.phone)
    return dict(
        session.execute(select(IncomingMessage.phone, IncomingMessage.body).where(IncomingMessage.id.in_(newest))).all()
    )
