"""Participants of a conversation: families, reachability and protected personal data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound
from homevisits.inbox.conversations.compose import ProtectedNames, searchable_names
from homevisits.inbox.conversations.queries import access
from homevisits.inbox.conversations.queries import listing as lists
from homevisits.inbox.models import Conversation
from homevisits.messages.models import IncomingMessage, OutgoingMessage, Phone
from homevisits.messages.recipients import opt_outs
from homevisits.people.models import Caregiver, Family, Person, School, Student


@dataclass(frozen=True)
class OptOut:
    """An opt-out of a phone: reason and channel."""

    reason: str
    how: str | None
    at: datetime


@dataclass(frozen=True)
class Participants:
    """Participants of a conversation and how to reach them.

    ``number`` is for internal use. ``phone`` is the same number, set only for users who may see it; pages show only
    ``phone``.
    """

    id: int
    number: str
    waiting_since: datetime | None
    assigned_to: int | None
    office: bool
    phone: str | None
    families: tuple[str, ...]
    family_ids: frozenset[int]
    caregiver: str
    language: str
    zone: str
    school_id: int | None
    school: str
    since: datetime | None  # start of the readable part for an educator; None: no limit
    stopped: OptOut | None
    phone_state: str
    may_write: bool  # the number is unknown, or belongs to a caregiver whom we may contact

    @property
    def can_text(self) -> bool:
        """Return whether a message can be sent."""
        return self.stopped is None and self.phone_state == "ok" and self.may_write


def find_participants(session: Session, actor: Actor, conversation_id: int, now: datetime) -> Participants:
    """Load the participants of a conversation. Raises `NotFound` if the user has no access."""
    office = access.office_conversations(actor)
    found = session.execute(
        select(Conversation, office.label("office")).where(
            Conversation.id == conversation_id, or_(office, access.pair_conversations(actor, now))
        )
    ).first()
    if found is None:
        raise NotFound
    thread, by_office = found
    share = lists.readable_shares(session, actor, [thread.phone], now)
    families = _families(session, actor, thread.phone, share)
    mine = share.get(thread.phone)
    state = session.scalar(select(Phone.state).where(Phone.e164 == thread.phone))
    first = families[0] if families else None
    return Participants(
        id=thread.id,
        number=thread.phone,
        waiting_since=thread.waiting_since,
        assigned_to=thread.assigned_to,
        office=bool(by_office),
        phone=thread.phone if by_office else None,
        families=tuple(dict.fromkeys(row.family for row in families)),
        family_ids=frozenset(row.family_id for row in families),
        caregiver=next((row.caregiver for row in families if row.can_contact), ""),
        language=first.language if first else _last_language(session, thread.phone),
        zone=first.zone if first else "",
        school_id=first.school_id if first else None,
        school=first.school if first else "",
        since=None if by_office or mine is None else mine.since,
        stopped=current_opt_out(session, thread.phone),
        phone_state=state or "ok",
        may_write=any(row.can_contact for row in families) or not families,
    )


def current_opt_out(session: Session, phone: str) -> OptOut | None:
    """Return the opt-out in force for `phone`, if any."""
    held = opt_outs.latest_entry(session, phone)
    return OptOut(held.reason, held.how, held.at) if held is not None and held.entry == "stop" else None


@dataclass(frozen=True)
class _PhoneFamily:
    family_id: int
    family: str
    language: str
    caregiver: str
    can_contact: bool
    school_id: int
    school: str
    zone: str


def _families(session: Session, actor: Actor, phone: str, share: dict[str, lists.ReadableShare]) -> list[_PhoneFamily]:
    """Return the families of a phone that the user may see, limited to the user's schools."""
    held = actor.schools(Permission.ASK) if access.is_office(actor) else frozenset[int]()
    mine = share.get(phone)
    here: ColumnElement[bool] = true()
    if held is not None:
        of_visits = Family.id.in_(mine.families) & School.id.in_(mine.schools) if mine else School.id.is_(None)
        here = or_(School.id.in_(held), of_visits)
    rows = session.execute(
        select(Family, Caregiver, School)
        .select_from(Caregiver)
        .join(Family, Family.id == Caregiver.family_id)
        .join(Student, Student.family_id == Family.id)
        .join(School, School.id == Student.school_id)
        .where(Caregiver.phone == phone, here)
        .order_by(Family.id, Caregiver.contact_order, Caregiver.id, Student.enrolled_to.is_not(None), School.id)
    )
    return [
        _PhoneFamily(
            family_id=family.id,
            family=family.name,
            language=family.language,
            caregiver=f"{who.given_name} {who.family_name}",
            can_contact=not who.restricted and who.left_on is None,
            school_id=school.id,
            school=school.name,
            zone=school.timezone,
        )
        for family, who, school in rows
    ]


def _last_language(session: Session, phone: str) -> str:
    last = (
        select(OutgoingMessage.language)
        .where(OutgoingMessage.phone == phone)
        .order_by(OutgoingMessage.id.desc())
        .limit(1)
    )
    return session.scalar(last) or "en"


def protected_names(session: Session, who: Participants) -> ProtectedNames:
    """Return the personal data that a message to this phone must not contain."""
    families = select(Caregiver.family_id).where(Caregiver.phone == who.number)
    names = session.execute(select(Student.given_name, Student.family_name).where(Student.family_id.in_(families)))
    homes = session.scalars(select(Family.address).where(Family.id.in_(families), Family.address.is_not(None)))
    return ProtectedNames(
        searchable_names((first_name, family) for first_name, family in names), tuple(home for home in homes if home)
    )


def includes_staff_number(session: Session, numbers: Sequence[str]) -> bool:
    """Return whether any of `numbers` (E.164) belongs to a colleague."""
    query = select(Person.id).where(Person.phone.in_(numbers))
    return session.scalar(query.limit(1)) is not None


def last_incoming_at(session: Session, phone: str) -> datetime | None:
    """Return the time of the last incoming message from the phone."""
    query = (
        select(IncomingMessage.received_at)
        .where(IncomingMessage.phone == phone)
        .order_by(IncomingMessage.id.desc())
        .limit(1)
    )
    return session.scalar(query)
