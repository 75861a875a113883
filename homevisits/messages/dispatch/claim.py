"""Claim due messages for a worker, after checking again that it may be sent now."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, exists, func, literal_column, select, text, union_all, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, aliased

from homevisits.core.bulk import Batch
from homevisits.core.db import is_sqlite
from homevisits.messages import message_types
from homevisits.messages.dispatch.eligibility import Hold, Send, SendPolicy, check_eligibility, digest
from homevisits.messages.dispatch.eligibility_data import load_facts
from homevisits.messages.models import DeliveryAttempt, OutgoingMessage, Phone, Sender
from homevisits.messages.monitoring import alerts
from homevisits.messages.senders import circuit_breaker, selection

LEASE = timedelta(seconds=60)  # longer than any provider's timeout
HOLD_AFTER_FAULT = timedelta(minutes=15)
MAX_MESSAGES_CHECKED = 100  # messages checked in a single transaction; on SQLite nothing else can write meanwhile


@dataclass(frozen=True)
class ClaimedMessage:
    """A message that a worker may send now, once, under `token`.

    valid_for: seconds after which it need not be delivered. sender_rate: segments a second that the sender may send.
    """

    id: int
    attempt_id: str
    phone: str
    body: str
    attempt_number: int  # from 1
    provider: str
    sender: str
    sender_id: int
    valid_for: int
    sender_rate: float


@dataclass(frozen=True)
class ClaimResult:
    """The claimed messages, and why there are fewer than asked for.

    retry_at: another message is due, but no sender may send before this time.
    more: `MAX_MESSAGES_CHECKED` messages were checked; commit and claim again.
    """

    messages: tuple[ClaimedMessage, ...] = ()
    retry_at: datetime | None = None
    more: bool = False


class EligibilityCheckFailed(Exception):
    """A message could not be checked because of a bug. It must be held so that it does not block the others."""

    def __init__(self, message_id: int) -> None:
        super().__init__(message_id)
        self.message_id = message_id


def claim_messages(
    session: Session, policy: SendPolicy, now: datetime, providers: Sequence[str], limit: int = 1
) -> ClaimResult:
    """Claim up to `limit` due messages for `providers` (names), one for each phone; hold those not to be sent.

    Raises EligibilityCheckFailed; the transaction must then be rolled back.
    """
    claimed: list[ClaimedMessage] = []
    checked = 0
    while checked < MAX_MESSAGES_CHECKED:
        rows = _due(session, now, min(MAX_MESSAGES_CHECKED, max(limit - len(claimed), checked)))
        if not rows:
            return ClaimResult(tuple(claimed))
        checked += len(rows)
        sendable = _select_sendable(session, rows, policy, now)[: limit - len(claimed)]
        messages, retry_at = _claim(session, sendable, now, providers)
        claimed += messages
        if retry_at is not None or len(claimed) >= limit:
            return ClaimResult(tuple(claimed), retry_at)
    return ClaimResult(tuple(claimed), more=True)


def hold_faulty(session: Session, message_id: int, now: datetime) -> None:
    """Hold a message that could not be checked, and raise an alert."""
    row = session.get_one(OutgoingMessage, message_id)
    _update(session, row, state="held", hold_reason="fault", next_at=now + HOLD_AFTER_FAULT)
    alerts.raise_alert(session, "fault", f"{row.template}:{row.subject}", now)


def _select_sendable(
    session: Session, rows: Sequence[OutgoingMessage], policy: SendPolicy, now: datetime
) -> list[tuple[OutgoingMessage, Send]]:
    """Return the messages that may be sent, at most one for each phone, and hold those that may not."""
    facts = load_facts(session, rows, now)
    sendable: list[tuple[OutgoingMessage, Send]] = []
    phones: set[str] = set()
    for row in rows:
        if row.phone in phones:
            continue
        phones.add(row.phone)
        try:
            decision = check_eligibility(session, row, facts, policy, now)
        except DBAPIError:
            raise
        except Exception as error:
            raise EligibilityCheckFailed(row.id) from error
        if isinstance(decision, Send):
            sendable.append((row, decision))
        elif decision is not None:
            _hold(session, row, decision, now)
    return sendable


def _claim(
    session: Session, sendable: Sequence[tuple[OutgoingMessage, Send]], now: datetime, providers: Sequence[str]
) -> tuple[list[ClaimedMessage], datetime | None]:
    """Claim the messages for which there is a sender; the time is when to ask for the others."""
    if len(sendable) > 1:
        pick = selection.choose_sender(session, sum(send.segments for _row, send in sendable), now, providers)
        if pick.sender is not None:
            # An open circuit breaker lets one message through as a probe.
            claimed = sendable if pick.sender.breaker == "closed" else sendable[:1]
            return _store(session, [(row, send, pick.sender) for row, send in claimed], now), None
    with_sender: list[tuple[OutgoingMessage, Send, Sender]] = []
    retry_at = None
    for row, send in sendable:
        pick = selection.choose_sender(session, send.segments, now, providers)
        if pick.sender is None:
            # The message keeps its place: it is the first to be sent when a sender is available.
            if (row.state, row.hold_reason) != ("held", "sender"):
                _update(session, row, state="held", hold_reason="sender")
            retry_at = pick.retry_at
            break
        with_sender.append((row, send, pick.sender))
    return _store(session, with_sender, now), retry_at


def _store(
    session: Session, claims: Sequence[tuple[OutgoingMessage, Send, Sender]], now: datetime
) -> list[ClaimedMessage]:
    """Store each attempt under a fresh token before anything is sent."""
    if not claims:
        return []
    messages, rows = [], []
    for row, send, sender in claims:
        attempt_id = secrets.token_hex(16)
        number = 1 + (session.scalar(_COUNT_ATTEMPTS, {"message_id": row.id}) or 0) if row.attempt_id is not None else 1
        rows.append(
            {
                "message_id": row.id, "attempt_id": attempt_id, "n": number, "body": send.body,
                  "segments": send.segments,
                "sender_id": sender.id, "provider": sender.provider, "phone": row.phone, "hash": digest(send.body),
            }
        )  # fmt: skip
        messages.append(
            ClaimedMessage(
                id=row.id, attempt_id=attempt_id, phone=row.phone, body=send.body, attempt_number=number,
                provider=sender.provider, sender=sender.address, sender_id=sender.id, valid_for=send.valid_for,
                sender_rate=circuit_breaker.current_rate(sender, now),
            )
        )  # fmt: skip
        session.expire(row)
    _SET_SENDING.execute(session, rows, lease=now + LEASE)
    _INSERT_ATTEMPTS.execute(session, rows, now=now, lease=now + LEASE)
    return messages


def _hold(session: Session, row: OutgoingMessage, hold: Hold, now: datetime) -> None:
    if hold.until is not None:
        _update(session, row, state=hold.state, hold_reason=hold.reason, next_at=hold.until)
        return
    _update(session, row, state=hold.state, hold_reason=None, error=hold.reason)
    if hold == Hold("dead", "repeated"):
        alerts.raise_alert(session, "repeated", f"{row.template}:{row.subject}", now)


def _update(session: Session, row: OutgoingMessage, **values: object) -> None:
    session.execute(
        update(OutgoingMessage)
        .where(OutgoingMessage.id == row.id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    session.expire(row, list(values))


def _due(session: Session, now: datetime, limit: int) -> Sequence[OutgoingMessage]:
    """Return the first due messages by priority, locked where the engine locks rows."""
    return session.scalars(_select_due(limit, not is_sqlite(session)), {"now": now}).all()


@lru_cache(maxsize=32)
def _select_due(limit: int, lock: bool) -> Any:
    # One subquery for each priority: each reads only the due end of its index.
    sending = aliased(OutgoingMessage)
    due = []
    for priority in message_types.IN_ORDER:
        # Literals, because a partial index is not used for a parameter.
        query = select(OutgoingMessage.id).where(
            text(f"outgoing_message.state IN ('held', 'queued') AND outgoing_message.priority = {priority:d}"),
            OutgoingMessage.next_at <= bindparam("now"),
            ~exists().where(sending.phone == OutgoingMessage.phone, sending.state == text("'sending'")),
        )
        query = query.order_by(OutgoingMessage.next_at, OutgoingMessage.id).limit(literal_column(f"{limit:d}"))
        if lock:
            # The phone too: claims for one phone must see each other.
            query = query.join(Phone, Phone.e164 == OutgoingMessage.phone).with_for_update(
                skip_locked=True, of=(OutgoingMessage, Phone)
            )
        due.append(select(query.subquery().c.id))
    ids = union_all(*due).limit(literal_column(f"{limit:d}"))
    is_due = OutgoingMessage.id == func.any(func.array(ids.scalar_subquery())) if lock else OutgoingMessage.id.in_(ids)
    rows = (
        select(OutgoingMessage)
        .where(is_due)
        .order_by(OutgoingMessage.priority, OutgoingMessage.next_at, OutgoingMessage.id)
    )
    return (rows.with_for_update() if lock else rows).execution_options(populate_existing=True)


_COUNT_ATTEMPTS = select(func.count()).where(DeliveryAttempt.message_id == bindparam("message_id"))
_SET_SENDING = Batch(
    """
    UPDATE outgoing_message SET state = 'sending', hold_reason = NULL, provider_message_id = NULL,
      provider_status = NULL, error = NULL,
      attempt_id = batch.attempt_id, lease_until = :lease, body = batch.body, segments = batch.segments,
      attempts = outgoing_message.attempts + 1, provider = batch.provider
    FROM {rows} WHERE outgoing_message.id = batch.message_id""",
    {"message_id": int, "attempt_id": str, "body": str, "segments": int, "provider": str},
    ("lease",),
)
_INSERT_ATTEMPTS = Batch(
    """
    INSERT INTO delivery_attempt (attempt_id, message_id, n, sender_id, provider, phone, body_sha256, segments,
      started_at, lease_until)
    SELECT attempt_id, message_id, n, sender_id, provider, phone, hash, segments, :now, :lease FROM {rows}""",
    {
        "attempt_id": str, "message_id": int, "n": int, "sender_id": int, "provider": str, "phone": str, "hash": str,
        "segments": int,
    },
    ("now", "lease"),
)  # fmt: skip
