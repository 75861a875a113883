"""Store delivery reports raw and apply them; duplicates and late reports are harmless."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from homevisits.core.db import is_sqlite
from homevisits.messages.dispatch import transitions
from homevisits.messages.models import DeliveryAttempt, OutgoingMessage, ProviderEvent
from homevisits.messages.providers import error_codes
from homevisits.messages.providers import status as ranks
from homevisits.messages.recipients import opt_outs

MAX_STORED_REPORTS = 500
"""Events processed in one batch."""


@dataclass(frozen=True)
class DeliveryReport:
    """A delivery report. `attempt_id` is the token from the callback URL."""

    provider: str
    provider_message_id: str
    status: str
    code: str
    attempt_id: str | None
    raw: Mapping[str, str]


def handle_report(session: Session, told: DeliveryReport, now: datetime) -> None:
    """Store a delivery report and apply it to its attempt if the attempt is known.

    If the report arrives before the response to the send, the token links it to the attempt. A report with an
    unknown provider ID keeps `applied_at` NULL until `apply_stored_reports` applies it.
    """
    if _mark_delivered(session, told, now):
        return
    attempt = _lock_attempt_of(session, told.attempt_id, told.provider_message_id)
    new = store_report(session, told, now, now if attempt is not None else None)
    if attempt is not None and (new or _mark_applied(session, told, now)):
        apply_status(session, attempt, told.provider_message_id, told.status, told.code, now)


def _mark_delivered(session: Session, told: DeliveryReport, now: datetime) -> bool:
    """Fast path in three statements: mark an accepted message as delivered. False if it does not apply.

    Same effect as `heard` and `transitions.final`, if the token and the provider ID match the same attempt.
    """
    if told.attempt_id is None or told.status != "delivered" or told.code:
        return False
    written = session.connection()
    about = {"attempt": told.attempt_id, "told": told.provider_message_id, "now": now}
    message_id = written.execute(_ATTEMPT_DELIVERED, about).scalar()
    if message_id is None:
        return False
    if not store_report(session, told, now, now):
        _mark_applied(session, told, now)
    written.execute(_MESSAGE_DELIVERED, {"text": message_id, "attempt": told.attempt_id, "now": now})
    return True


_ATTEMPT_DELIVERED = (
    update(DeliveryAttempt.__table__)  # type: ignore[arg-type]
    .where(
        DeliveryAttempt.attempt_id == bindparam("attempt"),
        DeliveryAttempt.provider_message_id == bindparam("told"),
        DeliveryAttempt.outcome == "accepted",
        DeliveryAttempt.lease_until.is_(None),
        DeliveryAttempt.status.not_in(ranks.FINAL_STATUSES),
    )
    .values(status="delivered", status_at=bindparam("now"), next_check_at=None)
    .returning(DeliveryAttempt.message_id)
)
_MESSAGE_DELIVERED = (
    update(OutgoingMessage.__table__)  # type: ignore[arg-type]
    .where(OutgoingMessage.id == bindparam("text"), OutgoingMessage.attempt_id == bindparam("attempt"))
    .values(state="delivered", provider_status="delivered", error=None, final_at=bindparam("now"))
)


def store_report(session: Session, told: DeliveryReport, now: datetime, applied_at: datetime | None = None) -> bool:
    """Store a report without applying it. False if it is a duplicate.

    A single statement, so that of two simultaneous duplicates the second waits for the first.
    """
    insert = _STORE_ON_SQLITE if is_sqlite(session) else _STORE_ON_POSTGRESQL
    event = {
        "provider": told.provider,
        "provider_message_id": told.provider_message_id,
        "status": told.status,
        "code": told.code,
        "attempt_id": told.attempt_id,
        "raw": json.dumps(dict(told.raw), ensure_ascii=False, sort_keys=True),
        "received_at": now,
        "applied_at": applied_at,
    }
    return session.connection().execute(insert, event).first() is not None


_UNIQUE_COLUMNS = ("provider", "provider_message_id", "status", "code")
_EVENTS = ProviderEvent.__table__
_STORE_ON_SQLITE = (
    sqlite.insert(ProviderEvent).on_conflict_do_nothing(index_elements=_UNIQUE_COLUMNS).returning(_EVENTS.c.id)
)
_STORE_ON_POSTGRESQL = (
    postgresql.insert(ProviderEvent).on_conflict_do_nothing(index_elements=_UNIQUE_COLUMNS).returning(_EVENTS.c.id)
)


def _mark_applied(session: Session, told: DeliveryReport, now: datetime) -> bool:
    """Mark a report that was stored without a known attempt as applied. False if there is none."""
    same = (_EVENTS.c[name] == getattr(told, name) for name in _UNIQUE_COLUMNS)
    waited = update(ProviderEvent).where(*same, ProviderEvent.applied_at.is_(None)).values(applied_at=now)
    found = waited.returning(ProviderEvent.id).execution_options(synchronize_session=False)
    return session.scalar(found) is not None


def _lock_attempt_of(session: Session, attempt_id: str | None, provider_message_id: str) -> DeliveryAttempt | None:
    """Lock and return the attempt of a report, by its token or else by the provider ID."""
    found = lock_attempt(session, attempt_id) if attempt_id is not None else None
    if found is not None and found.provider_message_id is not None:
        return found
    # A lookup may have matched this provider ID to another attempt with the same text, which then owns the status.
    owner = session.scalar(
        select(DeliveryAttempt.attempt_id).where(DeliveryAttempt.provider_message_id == provider_message_id)
    )
    return lock_attempt(session, owner) if owner is not None else found


def lock_attempt(session: Session, attempt_id: str) -> DeliveryAttempt | None:
    """Lock an attempt until the transaction ends and reload it. None if it does not exist."""
    return session.scalar(_LOCKED_ATTEMPT, {"held": attempt_id})


_LOCKED_ATTEMPT = (
    select(DeliveryAttempt)
    .where(DeliveryAttempt.attempt_id == bindparam("held"))
    .with_for_update()
    .execution_options(populate_existing=True)
)


def apply_status(
    session: Session, attempt: DeliveryAttempt, provider_message_id: str, status: str, code: str, now: datetime
) -> bool:
    """Apply a provider status to a locked attempt. True if the status changed.

    A status never moves backwards; a second, different final status raises an alert. The code of a status that is
    not final is ignored, because it may be left over from an earlier status.
    """
    before, last = attempt.status, ranks.is_final(status)
    if attempt.provider_message_id not in (None, provider_message_id):
        transitions.accepted(session, attempt, provider_message_id, status, now)  # raises an alert and changes nothing
        return False
    news = ranks.is_forward(before, status)
    if attempt.provider_message_id is None or (news and not last):
        # Record acceptance before the final status; the code belongs to the final status.
        transitions.accepted(session, attempt, provider_message_id, "accepted" if last else status, now)
    if last and before != status:
        transitions.final(session, attempt, status, code, now)
    if last and error_codes.error_class(code) is error_codes.ErrorClass.SAID_NO:
        # The recipient opted out: block the phone for all senders, whatever the state of this message.
        opt_outs.record_provider_opt_out(session, attempt.phone, attempt.message_id, now)
    session.flush()
    return news


def apply_stored_reports(session: Session, now: datetime) -> int:
    """Apply stored reports whose provider ID has become known, and return their number."""
    waiting = (
        select(ProviderEvent, DeliveryAttempt.attempt_id)
        .join(DeliveryAttempt, DeliveryAttempt.provider_message_id == ProviderEvent.provider_message_id)
        .where(ProviderEvent.applied_at.is_(None))
        .order_by(ProviderEvent.id)
        .limit(MAX_STORED_REPORTS)
    )
    found = session.execute(waiting).all()
    for event, attempt_id in found:
        attempt = lock_attempt(session, attempt_id)
        if attempt is not None:
            apply_status(session, attempt, event.provider_message_id, event.status, event.code, now)
        event.applied_at = now
    return len(found)
