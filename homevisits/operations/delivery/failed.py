"""Failed messages that need a decision: list them, retry them, or mark them as resolved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound, Problem, RulesBroken
from homevisits.messages.models import FAILED_STATES, OutgoingMessage, Phone
from homevisits.messages.providers.error_codes import ErrorClass, error_class

MAX_SHOWN = 50
MAX_NOTE_LENGTH = 200
RESOLUTIONS = ("called", "dismissed")
# Literal values instead of parameters: otherwise SQLite does not use the partial index of failed messages.
_IS_UNRESOLVED = text(
    "outgoing_message.state IN ('undelivered', 'rejected', 'dead') AND outgoing_message.resolved_at IS NULL"
)


@dataclass(frozen=True)
class FailedMessage:
    """A message that was not delivered. Pages show only the last digits of `phone`."""

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
    problem: str | None  # why it cannot be sent again; None: it can


def find_unresolved(session: Session, schools: frozenset[int] | None, now: datetime) -> list[FailedMessage]:
    """Return the newest unresolved failed messages of these schools (None: all)."""
    query = (
        select(OutgoingMessage, Phone.state)
        .join(Phone, Phone.e164 == OutgoingMessage.phone)
        .where(_IS_UNRESOLVED, *_in_schools(schools))
        .order_by(OutgoingMessage.id.desc())
        .limit(MAX_SHOWN)
    )
    return [_to_failed_message(row, phone, now) for row, phone in session.execute(query)]


def count_unresolved(session: Session, schools: frozenset[int] | None) -> int:
    """Count the unresolved failed messages of these schools (None: all)."""
    return (
        session.scalar(select(func.count()).select_from(OutgoingMessage).where(_IS_UNRESOLVED, *_in_schools(schools)))
        or 0
    )


def _in_schools(schools: frozenset[int] | None) -> list[ColumnElement[bool]]:
    column: InstrumentedAttribute[int | None] = OutgoingMessage.school_id
    return [] if schools is None else [column.in_(schools)]


def _to_failed_message(row: OutgoingMessage, phone: str, now: datetime) -> FailedMessage:
    return FailedMessage(
        id=row.id,
        school_id=row.school_id,
        phone=row.phone,
        category=row.category,
        template=row.template,
        language=row.language,
        state=row.state,
        code=row.error or "",
        at=row.final_at or row.sent_at or row.next_at,
        tried_again=row.resolved_how == "retried",
        problem=_find_retry_problem(row, phone, now),
    )


def _find_retry_problem(row: OutgoingMessage, phone: str, now: datetime) -> str | None:
    if row.expires_at <= now:
        return "text_too_late"
    if phone != "ok":
        return "text_bad_phone"
    if row.error == "repeated":  # the duplicate check would suppress it again
        return "text_repeated"
    # It may have been delivered. A call cannot be a duplicate.
    return "text_not_known" if error_class(row.error or "") is ErrorClass.UNKNOWN else None


def retry(session: Session, actor: Actor, message_id: int, now: datetime) -> bool:
    """Queue a failed message again with a full set of attempts. Return False if it is already resolved.

    The dispatcher checks it again before sending (opt-out, cancelled visit). It stays unresolved, so it reappears if
    the retry fails. Raises RulesBroken if it has expired, its phone cannot receive messages, or it may have arrived.
    """
    row = _get_message(session, actor, message_id)
    if row.state not in FAILED_STATES or row.resolved_at is not None:
        return False
    phone = session.scalars(select(Phone.state).where(Phone.e164 == row.phone)).one()
    reason = _find_retry_problem(row, phone, now)
    if reason is not None:
        raise RulesBroken([Problem(reason, None)])
    # The attempt id is kept until the next attempt, so that a late delivery report still matches.
    fresh = {"state": "queued", "hold_reason": None, "attempts": 0, "next_at": now, "error": None, "final_at": None}
    return _update_if_unresolved(session, row, {**fresh, "resolved_how": "retried", "resolved_by": actor.account_id})


def resolve(session: Session, actor: Actor, message_id: int, *, how: str, note: str, now: datetime) -> bool:
    """Mark a failed message as "called" or "dismissed", with a note. False if already resolved."""
    if how not in RESOLUTIONS:
        raise NotFound
    note = note.strip()
    if len(note) > MAX_NOTE_LENGTH:
        raise RulesBroken([Problem("too_long", "note", {"most": MAX_NOTE_LENGTH})])
    row = _get_message(session, actor, message_id)
    values = {"resolved_at": now, "resolved_by": actor.account_id, "resolved_how": how, "resolved_note": note or None}
    return _update_if_unresolved(session, row, values)


def _get_message(session: Session, actor: Actor, message_id: int) -> OutgoingMessage:
    row = session.get(OutgoingMessage, message_id)
    permitted = actor.schools(Permission.DELIVERY)
    if row is None or (permitted is not None and row.school_id not in permitted):
        raise NotFound
    return row


def _update_if_unresolved(session: Session, row: OutgoingMessage, values: dict[str, object]) -> bool:
    """Update the message if it is still unresolved, so that concurrent clicks take effect once."""
    changed: Sequence[int] = session.scalars(
        update(OutgoingMessage)
        .where(
            and_(
                OutgoingMessage.id == row.id,
                OutgoingMessage.resolved_at.is_(None),
                or_(*(OutgoingMessage.state == s for s in FAILED_STATES)),
            )
        )
        .values(**values)
        .returning(OutgoingMessage.id)
        .execution_options(synchronize_session="fetch")
    ).all()
    return bool(changed)
