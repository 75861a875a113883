"""Noting what became of an attempt: only by the holder of its token, only while it is still under way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from homevisits.core.bulk import Batch
from homevisits.messages.dispatch import retry_policy, transitions
from homevisits.messages.dispatch.claim import LEASE, Claimed
from homevisits.messages.models import DeliveryAttempt
from homevisits.messages.providers import status
from homevisits.messages.providers.base import Accepted
from homevisits.messages.providers.error_codes import error_class
from homevisits.messages.senders import selection

JUMP = timedelta(minutes=10)
"""A lease that ends later than this from now was given before the clock was put back."""


@dataclass(frozen=True)
class Result:
    """What became of one attempt."""

    outcome: str  # accepted | down | refused | unclear
    code: str = ""
    receipt: Accepted | None = None
    retry_after: float | None = None
    http_status: int | None = None


class NotSoPlain(Exception):
    """Something is known already about one of the attempts."""


def lapse(session: Session, now: datetime) -> int:
    """Attempts whose worker went away in the middle: nobody knows of them from here on. Returns how many."""
    gone = select(DeliveryAttempt).where(
        DeliveryAttempt.lease_until.is_not(None),
        or_(DeliveryAttempt.lease_until < now, DeliveryAttempt.lease_until > now + LEASE + JUMP),
    )
    lapsed = session.scalars(gone.with_for_update(skip_locked=True)).all()
    for one in lapsed:
        one.finished_at = now
        transitions.unclear(session, one, "worker_went_away", now)
    return len(lapsed)


def note(session: Session, claimed: Claimed, result: Result, now: datetime) -> bool:
    """Write down what became of an attempt. False: it is not this worker's any more, its lease ran out meanwhile.

    That the carrier took a text is noted even then: it did leave.
    """
    mine = _settled(session, claimed, result, now)
    if claimed.sender_id is not None and (mine or result.receipt is not None) and result.code != transitions.NOT_BEGUN:
        kind = None if result.receipt is not None else error_class(result.code)
        selection.heard(session, claimed.sender_id, kind, result.code, now, result.retry_after)
    return mine


def note_taken(session: Session, done: Sequence[tuple[Claimed, Result]], now: datetime) -> None:
    """What nearly every attempt comes to, for many in two statements: taken, and nobody said anything about it yet.

    Raises `NotSoPlain` where somebody did: nothing of it may be kept then, and each is to be noted by itself.
    """
    if not done:
        return
    rows = []
    for claimed, result in done:
        receipt = result.receipt
        assert receipt is not None
        arrived = int(receipt.status in status.ARRIVED)
        rows.append(
            {
                "attempt_id": claimed.attempt_id,
                "message_id": claimed.id,
                "provider_message_id": receipt.provider_message_id,
                "status": receipt.status,
                "arrived": arrived,
            }
        )  # fmt: skip
    taken = _TAKEN.run(session, rows, now=now, next_check_at=now + retry_policy.POLL_INTERVAL)
    if taken != len(rows) or _LEFT.run(session, rows, now=now) != len(rows):
        raise NotSoPlain
    for sender_id in {claimed.sender_id for claimed, _result in done}:
        selection.heard(session, sender_id, None, "", now)


def plainly_taken(result: Result) -> bool:
    """Whether the carrier took it and said nothing that needs a thought."""
    receipt = result.receipt
    return receipt is not None and (not status.is_final(receipt.status) or receipt.status in status.ARRIVED)


def _settled(session: Session, claimed: Claimed, result: Result, now: datetime) -> bool:
    mine = session.scalars(
        update(DeliveryAttempt)
        .where(
            DeliveryAttempt.attempt_id == claimed.attempt_id,
            DeliveryAttempt.outcome.is_(None),
            DeliveryAttempt.lease_until.is_not(None),
        )
        .values(lease_until=None, finished_at=now, http_status=result.http_status)
        .returning(DeliveryAttempt)
        .execution_options(populate_existing=True, synchronize_session=False)
    ).one_or_none()
    if mine is None and result.receipt is None:
        return False
    row = mine or session.get_one(DeliveryAttempt, claimed.attempt_id)
    if result.receipt is not None:
        transitions.accepted(session, row, result.receipt.provider_message_id, result.receipt.status, now)
    elif result.outcome == "unclear":
        transitions.unclear(session, row, result.code, now)
    elif result.outcome == "down":
        transitions.down(session, row, result.code, now, result.retry_after)
    else:
        transitions.refused(session, row, result.code, now)
    return mine is not None


_TAKEN = Batch(
    """
    UPDATE delivery_attempt SET outcome = 'accepted', lease_until = NULL, finished_at = :now, status_at = :now,
      provider_message_id = given.provider_message_id, status = given.status,
      next_check_at = CASE WHEN given.arrived = 1 THEN NULL ELSE :next_check_at END
    FROM {rows} WHERE delivery_attempt.attempt_id = given.attempt_id AND delivery_attempt.outcome IS NULL
      AND delivery_attempt.provider_message_id IS NULL""",
    {"attempt_id": str, "provider_message_id": str, "status": str, "arrived": int},
    ("now", "next_check_at"),
)
_LEFT = Batch(
    """
    UPDATE outgoing_message SET lease_until = NULL,
      provider_message_id = given.provider_message_id, carrier_status = given.status,
      sent_at = :now,
      state = CASE WHEN given.arrived = 1 THEN 'delivered' ELSE 'accepted' END,
      final_at = CASE WHEN given.arrived = 1 THEN :now ELSE NULL END
    FROM {rows} WHERE outgoing_message.id = given.message_id AND outgoing_message.attempt_id = given.attempt_id
      AND outgoing_message.state = 'sending'""",
    {"message_id": int, "attempt_id": str, "provider_message_id": str, "status": str, "arrived": int},
    ("now",),
)
