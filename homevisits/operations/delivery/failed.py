"""Texts that were lost and that a person must see to: the list, and what the person did about each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound, Problem, RulesBroken
from homevisits.messages.models import LOST, OutgoingMessage, Phone
from homevisits.messages.providers.error_codes import ErrorClass, error_class

SHOWN = 50
LONGEST_NOTE = 200
WAYS = ("called", "dismissed")
# Written out: only so does SQLite see that its small index of lost texts will do.
_TO_SEE_TO = text(
    "outgoing_message.state IN ('undelivered', 'rejected', 'dead') AND outgoing_message.resolved_at IS NULL"
)


@dataclass(frozen=True)
class Lost:
    """A text that did not arrive. ``phone`` is for looking up whose it is; a page shows its last digits."""

    id: int
    school_id: int | None
    phone: str
    category: str
    template: str
    language: str
    state: str
    code: str
    at: datetime
    tried_again: bool
    problem: str | None  # why it is not sent again; None: it can be


def waiting(session: Session, schools: frozenset[int] | None, now: datetime) -> list[Lost]:
    """The newest texts nobody has seen to yet, of these schools (None: all)."""
    query = (
        select(OutgoingMessage, Phone.state)
        .join(Phone, Phone.e164 == OutgoingMessage.phone)
        .where(_TO_SEE_TO, *_at(schools))
        .order_by(OutgoingMessage.id.desc())
        .limit(SHOWN)
    )
    return [_lost(row, phone, now) for row, phone in session.execute(query)]


def number(session: Session, schools: frozenset[int] | None) -> int:
    """How many texts nobody has seen to yet."""
    return session.scalar(select(func.count()).select_from(OutgoingMessage).where(_TO_SEE_TO, *_at(schools))) or 0


def _at(schools: frozenset[int] | None) -> list[ColumnElement[bool]]:
    column: InstrumentedAttribute[int | None] = OutgoingMessage.school_id
    return [] if schools is None else [column.in_(schools)]


def _lost(row: OutgoingMessage, phone: str, now: datetime) -> Lost:
    return Lost(
        row.id,
        row.school_id,
        row.phone,
        row.category,
        row.template,
        row.language,
        row.state,
        row.error or "",
        row.final_at or row.sent_at or row.next_at,
        row.resolved_how == "retried",
        _why_not_again(row, phone, now),
    )


def _why_not_again(row: OutgoingMessage, phone: str, now: datetime) -> str | None:
    if row.expires_at <= now:
        return "text_too_late"
    if phone != "ok":
        return "text_bad_phone"
    if row.error == "repeated":  # it would be stopped for the same reason
        return "text_repeated"
    # Nobody knows whether it arrived: a second one may be one too many, and a call is not.
    return "text_not_known" if error_class(row.error or "") is ErrorClass.UNKNOWN else None


def retry(session: Session, actor: Actor, message_id: int, now: datetime) -> bool:
    """Send it once more: queued again, with all its tries. False: it is no longer lost, nothing to do.

    What is asked at every claim is asked again then: a stop since, a visit that is off. Raises `RulesBroken` when it is
    of no use any more, its phone gets no texts, or it may have arrived. It stays unsettled: lost again, it is back.
    """
    row = _mine(session, actor, message_id)
    if row.state not in LOST or row.resolved_at is not None:
        return False
    phone = session.scalars(select(Phone.state).where(Phone.e164 == row.phone)).one()
    reason = _why_not_again(row, phone, now)
    if reason is not None:
        raise RulesBroken([Problem(reason, None)])
    # Its token stays until the next attempt: a late word that the last one left after all still finds it.
    fresh = {"state": "queued", "hold_reason": None, "attempts": 0, "next_at": now, "error": None, "final_at": None}
    return _once(session, row, {**fresh, "resolved_how": "retried", "resolved_by": actor.account_id})


def settle(session: Session, actor: Actor, message_id: int, how: str, note: str, now: datetime) -> bool:
    """A person has seen to it: "called" the family, or "dismissed" it, with a note. False: it was settled."""
    if how not in WAYS:
        raise NotFound
    note = note.strip()
    if len(note) > LONGEST_NOTE:
        raise RulesBroken([Problem("too_long", "note", {"most": LONGEST_NOTE})])
    row = _mine(session, actor, message_id)
    done = {"resolved_at": now, "resolved_by": actor.account_id, "resolved_how": how, "resolved_note": note or None}
    return _once(session, row, done)


def _mine(session: Session, actor: Actor, message_id: int) -> OutgoingMessage:
    row = session.get(OutgoingMessage, message_id)
    held = actor.schools(Permission.DELIVERY)
    if row is None or (held is not None and row.school_id not in held):
        raise NotFound
    return row


def _once(session: Session, row: OutgoingMessage, values: dict[str, object]) -> bool:
    """Change it if it is still lost: two people who press at once, or one who presses twice, do it once."""
    changed: Sequence[int] = session.scalars(
        update(OutgoingMessage)
        .where(
            and_(
                OutgoingMessage.id == row.id,
                OutgoingMessage.resolved_at.is_(None),
                or_(*(OutgoingMessage.state == s for s in LOST)),
            )
        )
        .values(**values)
        .returning(OutgoingMessage.id)
        .execution_options(synchronize_session="fetch")
    ).all()
    return bool(changed)
