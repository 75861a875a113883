"""One conversation as its reader may see it: what was said in order, who it is with, and what may be said back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, true
from sqlalchemy.orm import Session

from homevisits.access import Actor, Permission, Role
from homevisits.inbox import conversation_list as lists
from homevisits.inbox.models import Thread
from homevisits.inbox.written import Kept, children
from homevisits.messages import optout
from homevisits.messages.models import WAITING, InboundText, OutboxText, Phone, TextingEntry
from homevisits.people.models import Account, AccountGrant, Caregiver, Family, Person, School, Student
from homevisits.problems import NotFound
from homevisits.visits.models import Visit, VisitMember

SHOWN = 60
"""Texts on a page; older ones are asked for."""
AT_MOST = 500
TASKS = ("polite_stop", "wrong_number", "probable_yes")
"""What a family's text may mean, so that a person decides."""


@dataclass(frozen=True)
class Said:
    """One text. ``note`` is what a family's text was understood as, or how one of ours stands (`held`, `delivered`)."""

    id: int
    ours: bool
    at: datetime
    body: str
    language: str
    note: str
    reason: str = ""  # why it is held, or what went wrong
    until: datetime | None = None  # when one that is held is looked at again
    by: str | None = None  # who wrote it by hand
    urgent_by: str | None = None
    urgent_reason: str | None = None
    pictures: int = 0
    task: str = ""  # polite_stop | wrong_number | probable_yes: a person decides


@dataclass(frozen=True)
class Colleague:
    """Someone to whom a conversation can be given."""

    account_id: int
    name: str


@dataclass(frozen=True)
class With:
    """Who a conversation is with, and how they can be reached. ``phone`` only for those who may call it."""

    thread: Thread
    office: bool
    phone: str | None
    families: tuple[str, ...]
    family_ids: frozenset[int]
    caregiver: str
    language: str
    zone: str
    school_id: int | None
    school: str
    since: datetime | None  # an educator reads from here on; None: everything
    stopped: TextingEntry | None
    phone_state: str
    may_write: bool  # somebody we may speak to has this phone, or nobody we know

    @property
    def can_text(self) -> bool:
        """Whether a text may leave."""
        return self.stopped is None and self.phone_state == "ok" and self.may_write


@dataclass(frozen=True)
class Talk:
    """The whole page."""

    with_: With
    said: tuple[Said, ...]
    older: bool
    waiting_since: datetime | None
    late: bool
    assigned_to: int | None
    assigned: str | None
    colleagues: tuple[Colleague, ...]


def find(session: Session, actor: Actor, thread_id: int, now: datetime) -> With:
    """Who the conversation is with. Raises `NotFound` for whoever may not read it."""
    office = lists.of_office(actor)
    found = session.execute(
        select(Thread, office.label("office")).where(Thread.id == thread_id, or_(office, lists.of_pair(actor, now)))
    ).first()
    if found is None:
        raise NotFound
    thread, by_office = found
    share = lists.shares(session, actor, [thread.phone], now)
    families = _families(session, actor, thread.phone, share)
    mine = share.get(thread.phone)
    state = session.scalar(select(Phone.state).where(Phone.e164 == thread.phone))
    stop = optout.newest(session, thread.phone)
    first = families[0] if families else None
    return With(
        thread=thread,
        office=bool(by_office),
        phone=thread.phone if by_office else None,
        families=tuple(dict.fromkeys(row.family for row in families)),
        family_ids=frozenset(row.family_id for row in families),
        caregiver=next((row.caregiver for row in families if row.may_speak), ""),
        language=first.language if first else _last_language(session, thread.phone),
        zone=first.zone if first else "",
        school_id=first.school_id if first else None,
        school=first.school if first else "",
        since=None if by_office or mine is None else mine.since,
        stopped=stop if stop is not None and stop.entry == "stop" else None,
        phone_state=state or "ok",
        may_write=any(row.may_speak for row in families) or not families,
    )


@dataclass(frozen=True)
class _FamilyOf:
    family_id: int
    family: str
    language: str
    caregiver: str
    may_speak: bool
    school_id: int
    school: str
    zone: str


def _families(session: Session, actor: Actor, phone: str, share: dict[str, lists.Share]) -> list[_FamilyOf]:
    """The families of a phone that the reader has to do with, at the schools the reader has to do with."""
    held = actor.schools(Permission.ASK) if lists.is_office(actor) else frozenset[int]()
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
        _FamilyOf(
            family.id,
            family.name,
            family.language,
            f"{who.given_name} {who.family_name}",
            not who.restricted and who.left_on is None,
            school.id,
            school.name,
            school.timezone,
        )
        for family, who, school in rows
    ]


def _last_language(session: Session, phone: str) -> str:
    last = select(OutboxText.language).where(OutboxText.phone == phone).order_by(OutboxText.id.desc()).limit(1)
    return session.scalar(last) or "en"


def talk(session: Session, actor: Actor, thread_id: int, now: datetime, *, everything: bool = False) -> Talk:
    """The page of a conversation, the newest texts last. Raises `NotFound` for whoever may not read it."""
    who = find(session, actor, thread_id, now)
    limit = AT_MOST if everything else SHOWN
    heard, sent = _heard(session, who, limit + 1), _sent(session, actor, who, limit + 1, now)
    said = sorted([*heard, *sent], key=lambda one: (one.at, one.ours, one.id))
    thread = who.thread
    since = thread.waiting_since
    if since is not None and who.since is not None:
        since = max(since, who.since)
    return Talk(
        with_=who,
        said=tuple(said[-limit:]),
        older=len(said) > limit and not everything,
        waiting_since=since,
        late=since is not None and now - since >= lists.LATE,
        assigned_to=thread.assigned_to,
        assigned=session.scalar(select(Account.name).where(Account.id == thread.assigned_to)),
        colleagues=colleagues(session, who, now),
    )


def _heard(session: Session, who: With, limit: int) -> list[Said]:
    found = select(InboundText).where(InboundText.phone == who.thread.phone).order_by(InboundText.id.desc())
    if who.since is not None:
        found = found.where(InboundText.received_at >= who.since)
    return [
        Said(
            id=row.id,
            ours=False,
            at=row.received_at,
            body=row.body,
            language=who.language,
            note=row.intent or "",
            pictures=row.media,
            task=(row.intent or "") if row.needs_person and row.intent in TASKS else "",
        )
        for row in session.scalars(found.limit(limit))
    ]


def _sent(session: Session, actor: Actor, who: With, limit: int, now: datetime) -> list[Said]:
    """Ours: what left or was lost; what waits when it was to leave by now; what a person wrote, whatever became of it.

    The plan for later is no part of a conversation. An educator reads what is about their own visits, no more.
    """
    phone = who.thread.phone
    later = and_(OutboxText.state.in_(WAITING), OutboxText.not_before > now, OutboxText.written_by.is_(None))
    called_off = and_(OutboxText.state == "cancelled", OutboxText.written_by.is_(None))
    found = select(OutboxText).where(OutboxText.phone == phone, ~later, ~called_off)
    if who.since is not None:
        visits = lists.shares(session, actor, [phone], now)[phone].visits
        about = or_(
            OutboxText.about.in_([f"visit:{visit}" for visit in visits]),
            OutboxText.about.like("thread:%"),
            OutboxText.about.like("inbound:%"),
        )
        found = found.where(OutboxText.created_at >= who.since, about)
    rows = session.scalars(found.order_by(OutboxText.id.desc()).limit(limit)).all()
    names = _names_of(session, rows)
    return [
        Said(
            id=row.id,
            ours=True,
            at=row.sent_at or max(row.created_at, row.not_before),
            body=row.body,
            language=row.language,
            note=row.state,
            reason=(row.hold_reason if row.state in WAITING else row.error) or "",
            until=row.next_at if row.state in WAITING and row.next_at > now else None,
            by=names.get(row.written_by or 0),
            urgent_by=names.get(row.urgent_by or 0),
            urgent_reason=row.urgent_reason,
        )
        for row in rows
    ]


def _names_of(session: Session, rows: Sequence[OutboxText]) -> dict[int, str]:
    wanted = {number for row in rows for number in (row.written_by, row.urgent_by) if number is not None}
    return dict(session.execute(select(Account.id, Account.name).where(Account.id.in_(wanted))).all())


def colleagues(session: Session, who: With, now: datetime) -> tuple[Colleague, ...]:
    """Those who read the conversation too: the school's coordinators, and the pair of a visit to the family."""
    coordinates = select(AccountGrant.account_id).where(AccountGrant.role == Role.SITE_COORDINATOR)
    if who.school_id is not None:
        coordinates = coordinates.where(or_(AccountGrant.school_id == who.school_id, AccountGrant.school_id.is_(None)))
    pair = (
        select(Account.id)
        .join(VisitMember, VisitMember.educator_id == Account.educator_id)
        .join(Visit, Visit.id == VisitMember.visit_id)
        .where(Visit.family_id.in_(who.family_ids), lists.in_pair(), lists.near(now))
    )
    found = select(Account.id, Account.name).where(
        Account.active, or_(Account.id.in_(coordinates), Account.id.in_(pair))
    )
    return tuple(Colleague(*row) for row in session.execute(found.order_by(Account.name, Account.id)))


def kept_from_texts(session: Session, who: With) -> Kept:
    """What a text to this phone must not say."""
    families = select(Caregiver.family_id).where(Caregiver.phone == who.thread.phone)
    names = session.execute(select(Student.given_name, Student.family_name).where(Student.family_id.in_(families)))
    homes = session.scalars(select(Family.address).where(Family.id.in_(families), Family.address.is_not(None)))
    return Kept(children((given, family) for given, family in names), tuple(home for home in homes if home))


def of_staff(session: Session, numbers: Sequence[str]) -> bool:
    """Whether one of `numbers` (E.164) is a colleague's own."""
    found = select(Person.id).where(Person.phone.in_(numbers))
    return session.scalar(found.limit(1)) is not None


def last_heard(session: Session, phone: str) -> datetime | None:
    """When the phone last texted us."""
    found = select(InboundText.received_at).where(InboundText.phone == phone).order_by(InboundText.id.desc()).limit(1)
    return session.scalar(found)
