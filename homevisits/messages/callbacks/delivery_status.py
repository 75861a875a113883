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
from homevisits.messages.providers.error_codes import ErrorClass, error_class
from homevisits.messages.providers.status import FINAL_STATUSES, is_final, is_forward
from homevisits.messages.recipients import opt_outs

MAX_STORED_REPORTS = 500  # stored reports that are applied in a single transaction


@dataclass(frozen=True)
class DeliveryReport:
    """A delivery report of a provider. `attempt_id` is from the callback URL, None if it was malformed."""

    provider: str
    provider_message_id: str
    status: str
    code: str
    attempt_id: str | None
    raw: Mapping[str, str]


@dataclass(frozen=True)
class StatusUpdate:
    """A message's status and error code in a delivery report or in the provider's message list."""

    provider_message_id: str
    status: str
    code: str = ""


def handle_report(session: Session, report: DeliveryReport, now: datetime) -> None:
    """Store a delivery report and apply it to its attempt if the attempt is known.

    If the report arrives before the response to the send, its attempt ID links it to the attempt. A report with an
    unknown provider ID keeps `applied_at` NULL until `apply_stored_reports` applies it.
    """
    if _mark_delivered(session, report, now):
        return
    attempt = _lock_attempt_of(session, report.attempt_id, report.provider_message_id)
    is_new = store_report(session, report, now, now if attempt is not None else None)
    if attempt is not None and (is_new or _mark_applied(session, report, now)):
        apply_status(session, attempt, StatusUpdate(report.provider_message_id, report.status, report.code), now)


def _mark_delivered(session: Session, report: DeliveryReport, now: datetime) -> bool:
    """Fast path in three statements: mark an accepted message as delivered. False if it does not apply.

    Same effect as `apply_status` and `transitions.final`, if the attempt ID and the provider ID match one attempt.
    """
    if report.attempt_id is None or report.status != "delivered" or report.code:
        return False
    connection = session.connection()
    values = {"attempt": report.attempt_id, "provider_message": report.provider_message_id, "now": now}
    message_id = connection.execute(_ATTEMPT_DELIVERED, values).scalar()
    if message_id is None:
        return False
    if not store_report(session, report, now, now):
        _mark_applied(session, report, now)
    connection.execute(_MESSAGE_DELIVERED, {"message": message_id, "attempt": report.attempt_id, "now": now})
    return True


_ATTEMPT_DELIVERED = (
    update(DeliveryAttempt.__table__)  # type: ignore[arg-type]
    .where(
        DeliveryAttempt.attempt_id == bindparam("attempt"),
        DeliveryAttempt.provider_message_id == bindparam("provider_message"),
        DeliveryAttempt.outcome == "accepted",
        DeliveryAttempt.lease_until.is_(None),
        DeliveryAttempt.status.not_in(FINAL_STATUSES),
    )
    .values(status="delivered", status_at=bindparam("now"), next_check_at=None)
    .returning(DeliveryAttempt.message_id)
)
_MESSAGE_DELIVERED = (
    update(OutgoingMessage.__table__)  # type: ignore[arg-type]
    .where(OutgoingMessage.id == bindparam("message"), OutgoingMessage.attempt_id == bindparam("attempt"))
    .values(state="delivered", provider_status="delivered", error=None, final_at=bindparam("now"))
)


def store_report(session: Session, report: DeliveryReport, now: datetime, applied_at: datetime | None = None) -> bool:
    """Store a report without applying it. False if it is a duplicate.

    A single statement, so that of two simultaneous duplicates the second waits for the first.
    """
    insert = _STORE_ON_SQLITE if is_sqlite(session) else _STORE_ON_POSTGRESQL
    event = {
        "provider": report.provider,
        "provider_message_id": report.provider_message_id,
        "status": report.status,
        "code": report.code,
        "attempt_id": report.attempt_id,
        "raw": json.dumps(dict(report.raw), ensure_ascii=False, sort_keys=True),
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


def _mark_applied(session: Session, report: DeliveryReport, now: datetime) -> bool:
    """Mark a report that was stored without a known attempt as applied. False if there is none."""
    same = (_EVENTS.c[name] == getattr(report, name) for name in _UNIQUE_COLUMNS)
    stored = update(ProviderEvent).where(*same, ProviderEvent.applied_at.is_(None)).values(applied_at=now)
    returning_id = stored.returning(ProviderEvent.id).execution_options(synchronize_session=False)
    return session.scalar(returning_id) is not None


def _lock_attempt_of(session: Session, attempt_id: str | None, provider_message_id: str) -> DeliveryAttempt | None:
    """Lock and return the attempt of a report, by its ID or else by the provider's ID."""
    attempt = lock_attempt(session, attempt_id) if attempt_id is not None else None
    if attempt is not None and attempt.provider_message_id is not None:
        return attempt
    # A lookup may have matched this provider ID to another attempt with the same text, which then owns the status.
    owner_id = session.scalar(
        select(DeliveryAttempt.attempt_id).where(DeliveryAttempt.provider_message_id == provider_message_id)
    )
    return lock_attempt(session, owner_id) if owner_id is not None else attempt


def lock_attempt(session: Session, attempt_id: str) -> DeliveryAttempt | None:
    """Lock an attempt until the transaction ends and reload it. None if it does not exist."""
    return session.scalar(_LOCKED_ATTEMPT, {"attempt": attempt_id})


_LOCKED_ATTEMPT = (
    select(DeliveryAttempt)
    .where(DeliveryAttempt.attempt_id == bindparam("attempt"))
    .with_for_update()
    .execution_options(populate_existing=True)
)


def apply_status(session: Session, attempt: DeliveryAttempt, reported: StatusUpdate, now: datetime) -> bool:
    """Apply a provider status to a locked attempt. True if the status changed.

    A status never moves backwards; a second, different final status raises an alert. The code of a status that is
    not final is ignored, because it may be left over from an earlier status.
    """
    before, status, is_last = attempt.status, reported.status, is_final(reported.status)
    if attempt.provider_message_id not in (None, reported.provider_message_id):
        # Raises an alert and changes nothing.
        transitions.mark_accepted(session, attempt, reported.provider_message_id, status, now)
        return False
    changes = is_forward(before, status)
    if attempt.provider_message_id is None or (changes and not is_last):
        # Record acceptance before the final status; the code belongs to the final status.
        first_status = "accepted" if is_last else status
        transitions.mark_accepted(session, attempt, reported.provider_message_id, first_status, now)
    if is_last and before != status:
        transitions.mark_final(session, attempt, status, reported.code, now)
    if is_last and error_class(reported.code) is ErrorClass.OPTED_OUT:
        # The recipient opted out: block the phone for all senders, whatever the state of this message.
        opt_outs.record_provider_opt_out(session, attempt.phone, attempt.message_id, now)
    session.flush()
    return changes


def apply_stored_reports(session: Session, now: datetime) -> int:
    """Apply stored reports whose provider ID has become known, and return their number."""
    stored = (
        select(ProviderEvent, DeliveryAttempt.attempt_id)
        .join(DeliveryAttempt, DeliveryAttempt.provider_message_id == ProviderEvent.provider_message_id)
        .where(ProviderEvent.applied_at.is_(None))
        .order_by(ProviderEvent.id)
        .limit(MAX_STORED_REPORTS)
    )
    rows = session.execute(stored).all()
    for event, attempt_id in rows:
        attempt = lock_attempt(session, attempt_id)
        if attempt is not None:
            apply_status(session, attempt, StatusUpdate(event.provider_message_id, event.status, event.code), now)
        event.applied_at = now
    return len(rows)
