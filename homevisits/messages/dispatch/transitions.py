"""State transitions of a message after it was claimed. No other code changes its state.

Called by the worker, callbacks, polling and reconciliation, in any order and possibly twice. The attempt is locked
first, so that calls are serialized; stale statuses are ignored. If a provider reports two different final statuses, the
first is kept and an alert is raised.
"""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from homevisits.messages import message_types
from homevisits.messages.dispatch.retry_policy import (
    LOOKUP_DELAYS,
    MAX_ATTEMPTS,
    POLL_INTERVAL,
    RESEND_AFTER,
    SENDER_ERRORS,
    UNCOUNTED_ERRORS,
    backoff_seconds,
)
from homevisits.messages.models import DeliveryAttempt, OutgoingMessage, Phone, Sender
from homevisits.messages.monitoring import alerts
from homevisits.messages.providers import status as ranks
from homevisits.messages.providers.error_codes import ErrorClass, error_class, is_known
from homevisits.messages.recipients import opt_outs

LANDLINES = frozenset({"21614", "30006"})
SPAM = "30007"
SPAM_SHARE, MIN_SPAM_COUNT, SPAM_WINDOW = 0.03, 3, timedelta(hours=1)
"""Pause a template if this share of its messages, and at least this number, was filtered as spam."""


NOT_STARTED = "not_started"  # the worker gave the attempt up before it called the provider


def mark_accepted(
    session: Session, attempt: DeliveryAttempt, provider_message_id: str, status: str, now: datetime
) -> None:
    """Record that the provider accepted the message, whatever was recorded before."""
    session.refresh(attempt, with_for_update=True)
    if attempt.provider_message_id not in (None, provider_message_id):
        alerts.raise_alert(
            session,
            "contradiction",
            attempt.attempt_id,
            now,
            f"two numbers: {attempt.provider_message_id}, {provider_message_id}",
        )
        return
    was_accepted = attempt.outcome == "accepted"
    row = _lock_message(session, attempt)
    attempt.provider_message_id, attempt.outcome, attempt.lease_until = provider_message_id, "accepted", None
    attempt.finished_at = attempt.finished_at or now
    # `mark_final` records a failure with its code; until then the status is polled.
    _update_status(
        attempt, status if not ranks.is_final(status) or status in ranks.ARRIVED_STATUSES else "accepted", now
    )
    if row.attempt_id != attempt.attempt_id:
        if not was_accepted:  # it was considered lost and sent again: sent twice
            alerts.raise_alert(session, "contradiction", attempt.attempt_id, now, "left twice")
        session.flush()
        return
    row.provider_message_id, row.provider, row.provider_status = provider_message_id, attempt.provider, attempt.status
    if not was_accepted:
        row.state, row.error, row.hold_reason, row.lease_until = "accepted", None, None, None
        row.sent_at = row.sent_at or attempt.started_at
    if attempt.status in ranks.ARRIVED_STATUSES and row.state == "accepted":
        row.state, row.final_at = "delivered", now
    session.flush()


def mark_final(session: Session, attempt: DeliveryAttempt, status: str, code: str, now: datetime) -> None:
    """Record the final status of an accepted attempt. The first counts; `read` may follow `delivered`."""
    session.refresh(attempt, with_for_update=True)
    row = _lock_message(session, attempt)
    if ranks.contradicts(attempt.status, status):
        alerts.raise_alert(session, "contradiction", attempt.attempt_id, now, f"{attempt.status}, then {status}")
        return
    first = not ranks.is_final(attempt.status)
    _update_status(attempt, status, now)
    attempt.outcome, attempt.lease_until = "accepted", None
    if code:
        attempt.code = code
    if not first or row.attempt_id != attempt.attempt_id:
        session.flush()
        return
    row.provider_status, row.final_at = attempt.status, now
    if status in ranks.ARRIVED_STATUSES:
        row.state, row.error = "delivered", None
    else:
        _handle_undelivered(session, row, code or status, now)
    session.flush()


def mark_not_found(session: Session, attempt: DeliveryAttempt, now: datetime, *, looked_up: bool = True) -> None:
    """Record that all lookups failed to find an unclear attempt at the provider: it was not sent.

    looked_up: False if the provider has no lookup. A missing report is no proof, so staff must handle the message.
    """
    session.refresh(attempt, with_for_update=True)
    if attempt.outcome != "unclear":
        return
    row = _lock_message(session, attempt)
    attempt.outcome, attempt.next_check_at = "not_found", None
    if row.state == "unknown" and row.attempt_id == attempt.attempt_id:
        before = select(func.count()).where(
            DeliveryAttempt.message_id == row.id,
            DeliveryAttempt.outcome == "not_found",
            DeliveryAttempt.attempt_id != attempt.attempt_id,
        )
        if row.cancel_requested:
            row.state, row.error = "cancelled", "withdrawn"
        elif not looked_up:
            row.state, row.error = "dead", "no_answer"
        elif now >= row.expires_at:
            row.state, row.error = "dead", "not_found"
        elif _may_resend(row) and not session.scalar(before):
            row.state, row.next_at = "queued", now
        else:
            row.state, row.error = "dead", "not_found"
    session.flush()


def _may_resend(row: OutgoingMessage) -> bool:
    message_type = message_types.find(row.template)
    return message_type is not None and message_type.on_unknown == "resend"


def mark_unclear(session: Session, attempt: DeliveryAttempt, code: str, now: datetime) -> None:
    """Record an unknown outcome and schedule a lookup. The message is not sent again until that is resolved."""
    attempt.outcome, attempt.code, attempt.lease_until = "unclear", code, None
    attempt.next_check_at = now + LOOKUP_DELAYS[0]
    row = _lock_message(session, attempt)
    if row.state == "sending" and row.attempt_id == attempt.attempt_id:
        row.state, row.error, row.lease_until = "unknown", code, None
    session.flush()


def mark_provider_unavailable(
    session: Session, attempt: DeliveryAttempt, code: str, now: datetime, retry_after: float | None = None
) -> None:
    """Record a temporary failure, certainly not sent: queue the message again with backoff until it expires."""
    row = _lock_message(session, attempt)
    attempt.outcome, attempt.code = "down", code
    kind = error_class(code)
    if kind in UNCOUNTED_ERRORS or code == NOT_STARTED:
        row.attempts = max(0, row.attempts - 1)
    if code == NOT_STARTED:
        wait = 0.0
    elif kind in SENDER_ERRORS:
        wait = 1.0
    else:
        wait = retry_after if retry_after is not None else backoff_seconds(attempt.n)
    _requeue(row, code, now + timedelta(seconds=wait), now)
    session.flush()


def mark_rejected(session: Session, attempt: DeliveryAttempt, code: str, now: datetime) -> None:
    """Record that the provider rejected the message."""
    row = _lock_message(session, attempt)
    attempt.outcome, attempt.code = "refused", code
    kind = error_class(code)
    if kind in UNCOUNTED_ERRORS:
        mark_provider_unavailable(session, attempt, code, now)
        return
    row.lease_until, row.final_at, row.error = None, now, code
    row.state = {ErrorClass.OPTED_OUT: "suppressed", ErrorClass.TOO_LATE: "expired"}.get(kind, "rejected")
    _apply_consequences(session, row, kind, code, now)
    session.flush()


def _handle_undelivered(session: Session, row: OutgoingMessage, code: str, now: datetime) -> None:
    kind = error_class(code)
    row.lease_until, row.error = None, code
    resend_at = now + RESEND_AFTER
    accepted_count = select(func.count()).where(
        DeliveryAttempt.message_id == row.id, DeliveryAttempt.outcome == "accepted"
    )
    if (
        kind in {ErrorClass.TRANSIENT, *SENDER_ERRORS}
        and not row.cancel_requested
        and resend_at < row.expires_at
        and (session.scalar(accepted_count) or 0) <= 1
    ):
        row.state, row.next_at, row.final_at = "queued", resend_at, None
        return
    row.state = {ErrorClass.OPTED_OUT: "suppressed", ErrorClass.TOO_LATE: "expired"}.get(kind, "undelivered")
    _apply_consequences(session, row, kind, code, now)


def _apply_consequences(session: Session, row: OutgoingMessage, kind: ErrorClass, code: str, now: datetime) -> None:
    """Apply effects of a failure beyond the message: opt-out, invalid phone, paused template, unknown code."""
    if kind is ErrorClass.OPTED_OUT:
        opt_outs.record_provider_opt_out(session, row.phone, row.id, now)
    elif kind is ErrorClass.BAD_NUMBER:
        phone = session.get(Phone, row.phone, with_for_update=True)
        if phone is not None and phone.state == "ok":
            phone.state, phone.code, phone.since = "landline" if code in LANDLINES else "bad", code, now
    elif kind is ErrorClass.CONTENT:
        alerts.raise_alert(session, "content", row.template, now, code)
        session.flush()
        _pause_if_spam(session, row, code, now)
    elif not is_known(code) and not ranks.is_final(code):
        alerts.raise_alert(session, "code", code, now, row.template)


def _pause_if_spam(session: Session, row: OutgoingMessage, code: str, now: datetime) -> None:
    if code != SPAM:
        return
    sent = (
        select(func.count(), func.count().filter(DeliveryAttempt.code == SPAM))
        .join(OutgoingMessage, OutgoingMessage.id == DeliveryAttempt.message_id)
        .where(
            DeliveryAttempt.sender_id.in_(select(Sender.id)),  # so that the index on (sender_id, started_at) is used
            DeliveryAttempt.started_at > now - SPAM_WINDOW,
            OutgoingMessage.template == row.template,
        )
    )
    texts, spam = session.execute(sent).one()
    if spam >= MIN_SPAM_COUNT and spam >= SPAM_SHARE * texts:
        alerts.raise_alert(session, "template_paused", row.template, now, f"{spam} of {texts}")


def _requeue(row: OutgoingMessage, code: str, at: datetime, now: datetime) -> None:
    """Queue the message again unless it is cancelled, expired or has used all attempts."""
    row.lease_until, row.error = None, code
    if row.cancel_requested:
        row.state, row.error = "cancelled", "withdrawn"
    elif row.attempts >= MAX_ATTEMPTS or now >= row.expires_at:
        row.state = "dead"
    else:
        row.state, row.next_at = "queued", at


def _update_status(attempt: DeliveryAttempt, status: str, now: datetime) -> None:
    """Update the status if it moves forward; schedule a poll unless it is final."""
    if attempt.status is None or ranks.is_forward(attempt.status, status):
        attempt.status, attempt.status_at = status, now
    attempt.next_check_at = None if ranks.is_final(attempt.status) else attempt.next_check_at or now + POLL_INTERVAL


def _lock_message(session: Session, attempt: DeliveryAttempt) -> OutgoingMessage:
    query = select(OutgoingMessage).where(OutgoingMessage.id == attempt.message_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()
