"""Update a sender's circuit breaker, rate and pauses from provider responses."""

from datetime import datetime, timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from homevisits.core.db import is_sqlite
from homevisits.messages.models import Sender
from homevisits.messages.monitoring import alerts
from homevisits.messages.providers.error_codes import ACCOUNT_WIDE, NEEDS_REGISTRATION, ErrorClass
from homevisits.messages.senders.rate_limit import Slowdown, pacific_midnight, rate_at, slow_down

PROBE_INTERVAL = timedelta(seconds=20)
"""Interval between probe messages while a circuit breaker is open."""
MAX_FAILURES = 5
"""Consecutive failed calls that open the circuit breaker."""
WEIGHT_STEP = 10
QUEUE_FULL_PAUSE = timedelta(minutes=10)
LONG_RETRY_AFTER_SECONDS = 5.0
"""Seconds: a longer Retry-After pauses the sender, not only the message."""
RATE_LIMIT_CODES = ("429", "20429")


def lock_sender(session: Session, sender_id: int) -> Sender | None:
    """Lock the sender's row and reload it; None if it is locked and waiting could cause a deadlock."""
    query = select(Sender).where(Sender.id == sender_id).execution_options(populate_existing=True)
    if is_sqlite(session):
        return session.scalar(query)
    held: set[int] = session.info.setdefault("senders_locked", set())
    # A transaction that holds a sender's lock never waits for another, to avoid deadlocks.
    found = session.scalar(query.with_for_update(key_share=True, skip_locked=bool(held - {sender_id})))
    if found is not None:
        held.add(sender_id)
    return found


def last_slowdown(sender: Sender) -> Slowdown | None:
    """Return the sender's last slowdown, if any."""
    if sender.rate_now is None or sender.slowed_at is None:
        return None
    return Slowdown(sender.rate_failed or sender.rate_now, sender.slowed_at, sender.rate_now)


def current_rate(sender: Sender, now: datetime) -> float:
    """Return the sender's rate limit at `now`, in segments per second."""
    return rate_at(sender.segments_per_second, last_slowdown(sender), now)


def update_sender(
    session: Session, sender_id: int, kind: ErrorClass | None, code: str, now: datetime, retry_after: float | None
) -> None:
    """Update a sender after a call. `kind` None: the message was accepted."""
    if kind is ErrorClass.RETRY and code in RATE_LIMIT_CODES:
        _slow_down(session, sender_id, now, retry_after)
    elif kind in (ErrorClass.RETRY, ErrorClass.UNKNOWN):
        _count_failure(session, sender_id, code, now)
    elif kind is ErrorClass.ACCOUNT:
        _open_for_account_error(session, sender_id, code, now)
    elif kind is ErrorClass.QUEUE_FULL:
        _pause(session, sender_id, now + QUEUE_FULL_PAUSE, "queue_full")
    elif kind is ErrorClass.DAILY_CAP:
        _pause(session, sender_id, pacific_midnight(now), "daily_cap")
    else:  # the provider works, even if it rejected this message
        _count_success(session, sender_id)


def _slow_down(session: Session, sender_id: int, now: datetime, retry_after: float | None) -> None:
    row = lock_sender(session, sender_id)
    if row is None:
        return
    slowed = slow_down(row.segments_per_second, last_slowdown(row), now)
    if slowed is not None:
        row.rate_failed, row.slowed_at, row.rate_now = slowed.failed, slowed.at, slowed.fell_to
        row.tokens, row.refilled_at = min(row.tokens, 0.0), now
    if retry_after is not None and retry_after > LONG_RETRY_AFTER_SECONDS:
        row.paused_until, row.pause_reason = now + timedelta(seconds=retry_after), "rate"
    session.flush()


def _count_failure(session: Session, sender_id: int, code: str, now: datetime) -> None:
    row = lock_sender(session, sender_id)
    if row is None:
        return
    row.failures += 1
    row.weight = max(row.weight - WEIGHT_STEP, 1)
    if row.breaker == "half_open" or (row.breaker == "closed" and row.failures >= MAX_FAILURES):
        _open(session, row, code, now)
    session.flush()


def _open_for_account_error(session: Session, sender_id: int, code: str, now: datetime) -> None:
    """Open the circuit breaker after an error of the account or sender."""
    row = lock_sender(session, sender_id)
    if row is None:
        return
    if code in NEEDS_REGISTRATION and row.registration == "registered":
        # The provider would accept messages that then fail; staff must correct the registration.
        row.registration, row.note = "refused", code
    _open(session, row, code, now)
    row.weight = max(row.weight - WEIGHT_STEP, 1)
    session.flush()
    if code in ACCOUNT_WIDE:
        for other in _lock_other_senders(session, row):
            if other.breaker == "closed":
                _open(session, other, code, now)
        session.flush()


def _open(session: Session, row: Sender, code: str, now: datetime) -> None:
    if row.breaker == "closed":
        row.breaker_at = now
        alerts.raise_alert(session, "breaker", f"{row.provider} {row.address}", now, code)
    if row.probe_at is None or row.breaker == "closed":
        row.probe_at = now + PROBE_INTERVAL
    row.breaker, row.breaker_code = "open", code


def _lock_other_senders(session: Session, row: Sender) -> list[Sender]:
    ids = session.scalars(
        select(Sender.id).where(Sender.provider == row.provider, Sender.id != row.id).order_by(Sender.id)
    ).all()
    return [other for other in (lock_sender(session, one) for one in ids) if other is not None]


def _pause(session: Session, sender_id: int, until: datetime, reason: str) -> None:
    row = lock_sender(session, sender_id)
    if row is not None:
        row.paused_until, row.pause_reason = max(until, row.paused_until or until), reason
        session.flush()


def _count_success(session: Session, sender_id: int) -> None:
    seen = session.execute(_HEALTH, {"sender": sender_id}).one_or_none()
    if seen is None or (not seen.failures and seen.breaker != "half_open" and seen.weight >= seen.resting_weight):
        return  # usually nothing to write
    row = lock_sender(session, sender_id)
    if row is None:
        return
    row.failures, row.weight = 0, min(row.weight + 1, max(row.resting_weight, row.weight))
    if row.breaker == "half_open":
        code = row.breaker_code
        _close(row)
        session.flush()
        if code in ACCOUNT_WIDE:
            for other in _lock_other_senders(session, row):
                if other.breaker_code == code:
                    _close(other)
    session.flush()


_HEALTH = select(Sender.failures, Sender.breaker, Sender.weight, Sender.resting_weight).where(
    Sender.id == bindparam("sender")
)


def _close(row: Sender) -> None:
    row.breaker, row.breaker_code, row.breaker_at, row.probe_at, row.failures = "closed", None, None, None, 0
