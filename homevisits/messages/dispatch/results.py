"""Record the outcome of a delivery attempt. Only the worker that holds the attempt's token may do so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from homevisits.core.bulk import Batch
from homevisits.messages.dispatch import retry_policy, transitions
from homevisits.messages.dispatch.claim import LEASE, ClaimedMessage
from homevisits.messages.models import DeliveryAttempt
from homevisits.messages.providers import status
from homevisits.messages.providers.base import Accepted
from homevisits.messages.providers.error_codes import error_class
from homevisits.messages.senders import selection
from homevisits.messages.senders.circuit_breaker import CallResult

MAX_CLOCK_STEP = timedelta(minutes=10)  # a lease that ends later was given before the clock was set back


@dataclass(frozen=True)
class Result:
    """The outcome of an attempt: accepted, down (surely not sent), refused, or unclear."""

    outcome: str
    code: str = ""
    receipt: Accepted | None = None
    retry_after: float | None = None
    http_status: int | None = None


@dataclass(frozen=True)
class Finished:
    """A message whose provider call has returned, and the result to record."""

    message: ClaimedMessage
    result: Result


def expire_leases(session: Session, now: datetime) -> int:
    """Mark attempts as unclear if their worker did not record a result in time, and return how many."""
    query = select(DeliveryAttempt).where(
        DeliveryAttempt.lease_until.is_not(None),
        or_(DeliveryAttempt.lease_until < now, DeliveryAttempt.lease_until > now + LEASE + MAX_CLOCK_STEP),
    )
    expired = session.scalars(query.with_for_update(skip_locked=True)).all()
    for attempt in expired:
        attempt.finished_at = now
        transitions.mark_unclear(session, attempt, "worker_went_away", now)
    return len(expired)


def record_results(session: Session, finished: Sequence[Finished], now: datetime) -> None:
    """Record the results of several attempts; the common case, accepted, takes two statements for all of them."""
    recorded = _record_accepted(session, finished, now)
    for sender_id in {each.message.sender_id for each in finished if each.message.attempt_id in recorded}:
        selection.record_call(session, sender_id, CallResult(), now)
    for each in finished:
        if each.message.attempt_id not in recorded:
            record_result(session, each.message, each.result, now)


def record_result(session: Session, message: ClaimedMessage, result: Result, now: datetime) -> bool:
    """Record the result of an attempt. False if its lease expired and the attempt was already given up.

    An accepted message is recorded even then, because it was sent.
    """
    in_time = _record(session, message, result, now)
    if (in_time or result.receipt is not None) and result.code != transitions.NOT_STARTED:
        kind = None if result.receipt is not None else error_class(result.code)
        call = CallResult(error_class=kind, code=result.code, retry_after=result.retry_after)
        selection.record_call(session, message.sender_id, call, now)
    return in_time


def _record_accepted(session: Session, finished: Sequence[Finished], now: datetime) -> set[str]:
    """Record the accepted attempts that no callback has changed before, and return their tokens."""
    rows = {}
    for each in finished:
        receipt = each.result.receipt
        if receipt is not None and (not status.is_final(receipt.status) or receipt.status in status.ARRIVED_STATUSES):
            rows[each.message.attempt_id] = {
                "attempt_id": each.message.attempt_id, "message_id": each.message.id,
                  "provider_message_id": receipt.provider_message_id,
                "status": receipt.status, "arrived": int(receipt.status in status.ARRIVED_STATUSES),
            }  # fmt: skip
    if not rows:
        return set()
    poll_at = now + retry_policy.POLL_INTERVAL
    recorded = set(_ACCEPT_ATTEMPTS.execute(session, list(rows.values()), now=now, next_check_at=poll_at).scalars())
    if recorded:
        _ACCEPT_MESSAGES.execute(session, [rows[attempt_id] for attempt_id in recorded], now=now)
    return recorded


def _record(session: Session, message: ClaimedMessage, result: Result, now: datetime) -> bool:
    attempt = session.scalars(
        update(DeliveryAttempt)
        .where(
            DeliveryAttempt.attempt_id == message.attempt_id,
            DeliveryAttempt.outcome.is_(None),
            DeliveryAttempt.lease_until.is_not(None),
        )
        .values(lease_until=None, finished_at=now, http_status=result.http_status)
        .returning(DeliveryAttempt)
        .execution_options(populate_existing=True, synchronize_session=False)
    ).one_or_none()
    in_time = attempt is not None
    if attempt is None:
        if result.receipt is None:
            return False
        attempt = session.get_one(DeliveryAttempt, message.attempt_id)
    if result.receipt is not None:
        transitions.mark_accepted(session, attempt, result.receipt.provider_message_id, result.receipt.status, now)
    elif result.outcome == "unclear":
        transitions.mark_unclear(session, attempt, result.code, now)
    elif result.outcome == "down":
        transitions.mark_provider_unavailable(session, attempt, result.code, now, result.retry_after)
    else:
        transitions.mark_rejected(session, attempt, result.code, now)
    return in_time


# Whatever changes a message after its claim locks the attempt first, so what EXISTS has found still holds in
# _ACCEPT_MESSAGES.
_ACCEPT_ATTEMPTS = Batch(
    """
    UPDATE delivery_attempt SET outcome = 'accepted', lease_until = NULL, finished_at = :now, status_at = :now,
      provider_message_id = batch.provider_message_id, status = batch.status,
        next_check_at = CASE WHEN batch.arrived = 1 THEN NULL ELSE :next_check_at END
    FROM {rows} WHERE delivery_attempt.attempt_id = batch.attempt_id AND delivery_attempt.outcome IS NULL
      AND delivery_attempt.provider_message_id IS NULL
      AND EXISTS (SELECT 1 FROM outgoing_message WHERE outgoing_message.id = batch.message_id
        AND outgoing_message.attempt_id = batch.attempt_id
        AND outgoing_message.state = 'sending')
    RETURNING delivery_attempt.attempt_id""",
    {"attempt_id": str, "message_id": int, "provider_message_id": str, "status": str, "arrived": int},
    ("now", "next_check_at"),
)
_ACCEPT_MESSAGES = Batch(
    """
    UPDATE outgoing_message SET lease_until = NULL, provider_message_id = batch.provider_message_id,
      provider_status = batch.status, sent_at = :now,
      state = CASE WHEN batch.arrived = 1 THEN 'delivered' ELSE 'accepted' END,
      final_at = CASE WHEN batch.arrived = 1 THEN :now ELSE NULL END
    FROM {rows} WHERE outgoing_message.id = batch.message_id""",
    {"message_id": int, "provider_message_id": str, "status": str, "arrived": int},
    ("now",),
)
