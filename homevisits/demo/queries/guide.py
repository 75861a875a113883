"""Read queries of the demo pages: the next event of the guide's pair, and a family's phone."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from homevisits.core.problems import NotFound
from homevisits.demo import accounts
from homevisits.messages.models import IncomingMessage, OutgoingMessage
from homevisits.people.models import Account, Caregiver, Family, Student
from homevisits.visits.models import LIVE, Visit

SENT_STATES = ("accepted", "delivered")
MAX_LINES = 40


@dataclass(frozen=True)
class Event:
    """An upcoming event: a message is sent, a visit starts or a visit ends."""

    kind: str  # text | start | end
    at: datetime
    visit_id: int


@dataclass(frozen=True)
class Line:
    """A message of a conversation; ``is_outgoing`` marks outgoing messages."""

    body: str
    at: datetime
    is_outgoing: bool


@dataclass(frozen=True)
class FamilyPhone:
    """A family's phone: owner, language and conversation."""

    family_id: int
    family: str
    owner: str
    number: str
    language: str
    zone: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Contact:
    """A family to choose, with the last message it received."""

    family_id: int
    family: str
    children: str
    language: str
    newest: datetime | None


def next_event(session: Session, now: datetime) -> Event | None:
    """Return the next event of the visits of the guide's pair."""
    pair = select(Account.educator_id).where(
        Account.email.in_([accounts.address(accounts.TEACHER), accounts.address(accounts.PARTNER)])
    )
    visits = select(Visit.id, Visit.starts_at, Visit.ends_at).where(
        Visit.state.in_(LIVE), or_(Visit.lead_id.in_(pair), Visit.partner_id.in_(pair))
    )
    events: list[Event] = []
    about: dict[str, int] = {}
    for visit, starts_at, ends_at in session.execute(visits):
        about[f"visit:{visit}"] = visit
        events += [Event("start", starts_at, visit), Event("end", ends_at, visit)]
    waiting = select(OutgoingMessage.subject, OutgoingMessage.next_at).where(
        OutgoingMessage.subject.in_(list(about)), OutgoingMessage.state.in_(("held", "queued"))
    )
    events += [Event("text", at, about[subject]) for subject, at in session.execute(waiting)]
    return min((event for event in events if event.at > now), key=lambda event: event.at, default=None)


def phone(session: Session, family_id: int, zone: str) -> FamilyPhone:
    """Return a family's phone, namely the phone of the caregiver who receives messages."""
    family = session.get(Family, family_id)
    if family is None:
        raise NotFound
    owners = session.scalars(
        select(Caregiver)
        .where(Caregiver.family_id == family_id, Caregiver.phone.is_not(None), Caregiver.restricted.is_(False))
        .order_by(Caregiver.contact_order, Caregiver.id)
    ).all()
    texted = _newest(session, [str(owner.phone) for owner in owners])
    chosen = max(owners, key=lambda owner: texted.get(str(owner.phone), -1), default=None)
    number = str(chosen.phone) if chosen else ""
    name = f"{chosen.given_name} {chosen.family_name}" if chosen else ""
    return FamilyPhone(
        family_id=family_id,
        family=family.name,
        owner=name,
        number=number,
        language=family.language,
        zone=zone,
        lines=_load_conversation(session, number),
    )


def _newest(session: Session, numbers: Collection[str]) -> dict[str, int]:
    query = select(OutgoingMessage.phone, func.max(OutgoingMessage.id)).where(OutgoingMessage.phone.in_(numbers))
    return dict(session.execute(query.group_by(OutgoingMessage.phone)).all())


def _load_conversation(session: Session, number: str) -> tuple[Line, ...]:
    out = select(OutgoingMessage.body, OutgoingMessage.sent_at, OutgoingMessage.id).where(
        OutgoingMessage.phone == number, OutgoingMessage.state.in_(SENT_STATES)
    )
    back = select(IncomingMessage.body, IncomingMessage.received_at, IncomingMessage.id).where(
        IncomingMessage.phone == number
    )
    lines = [(at, 1, key, Line(body, at, True)) for body, at, key in session.execute(out) if at]
    lines += [(at, 0, key, Line(body, at, False)) for body, at, key in session.execute(back)]
    return tuple(line for *_order, line in sorted(lines, key=lambda line: line[:3]))[-MAX_LINES:]


def contacts(session: Session, name: str, limit: int = 24) -> list[Contact]:
    """Return families that recently received messages, or that match a name."""
    texted = (
        select(Caregiver.family_id, func.max(OutgoingMessage.sent_at).label("newest"))
        .join(OutgoingMessage, OutgoingMessage.phone == Caregiver.phone)
        .where(OutgoingMessage.state.in_(SENT_STATES))
        .group_by(Caregiver.family_id)
        .subquery()
    )
    query = select(Family.id, Family.name, Family.language, texted.c.newest).outerjoin(
        texted, texted.c.family_id == Family.id
    )
    if name.strip():
        pattern = f"%{name.strip()}%"
        children = select(Student.family_id).where((Student.given_name + " " + Student.family_name).ilike(pattern))
        query = query.where(or_(Family.name.ilike(pattern), Family.id.in_(children)))
    else:
        query = query.where(texted.c.newest.is_not(None))
    rows = session.execute(
        query.order_by(texted.c.newest.is_(None), texted.c.newest.desc(), Family.name, Family.id).limit(limit)
    ).all()
    names = _children(session, [row[0] for row in rows])
    return [Contact(key, family, ", ".join(names.get(key, ())), language, at) for key, family, language, at in rows]


def _children(session: Session, families: Collection[int]) -> dict[int, list[str]]:
    query = select(Student.family_id, Student.given_name).where(Student.family_id.in_(families)).order_by(Student.id)
    names: dict[int, list[str]] = {}
    for family, given in session.execute(query):
        names.setdefault(family, []).append(given)
    return names
