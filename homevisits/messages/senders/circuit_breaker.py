"""Update a sender's circuit breaker, rate and pauses from provider responses."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from homevisits.core.db import is_sqlite
from homevisits.messages.models import Sender
from homevisits.messages.monitoring import alerts
from homevisits.messages.providers.error_codes import ACCOUNT_WIDE, NEEDS_REGISTRATION, ErrorClass
from homevisits.messages.senders.rate_limit import Slowdown, pacific_midnight, rate_at, slow_down

PROBE_INTERVAL = timedelta(seconds=20)  # between probe messages while a circuit breaker is open
MAX_FAILURES = 5  # consecutive failed calls that open the circuit breaker
WEIGHT_STEP = 10  # weight that a sender loses for each failed call; it regains 1 for each successful call
QUEUE_FULL_PAUSE = timedelta(minutes=10)
LONG_RETRY_AFTER_SECONDS = 5.0  # a longer Retry-After pauses the sender, not only the message
RATE_LIMIT_CODES = ("429", "20429")


@dataclass(frozen=True)
class CallResult:
    """Result of a provider call. `error_class` None: the message was accepted."""

    error_class: ErrorClass | None = None
    code: str = ""
    retry_after: float | None = None  # seconds


def lock_sender(session: Session, sender_id: int) -> Sender | None:
    """Lock the sender's row and reload it; None if it is locked and waiting could cause a deadlock."""
    query = select(Sender).where(Sender.id == sender_id).execution_options(populate_existing=True)
    if is_sqlite(session):
        return session.scalar(query)
    locked_ids: set[int] = session.info.setdefault("senders_locked", set())
    # A transaction that holds a sender's lock never waits for another, to avoid deadlocks.
    sender = session.scalar(query.with_for_update(key_share=True, skip_locked=bool(locked_ids - {sender_id})))
    if sender is not None:
        locked_ids.add(sender_id)
    return sender


def last_slowdown(sender: Sender) -> Slowdown | None:
    """Return the sender's last slowdown, if any."""
    if sender.rate_now is None or sender.slowed_at is None:
        return None
    return Slowdown(
        failed_rate=sender.rate_failed or sender.rate_now, at=sender.slowed_at, reduced_rate=sender.rate_now
    )


def current_rate(sender: Sender, now: datetime) -> float:
    """Return the sender's rate limit at `now`, in segments per second."""
    return rate_at(sender.segments_per_second, last_slowdown(sender), now)


def update_sender(session: Session, sender_id: int, result: CallResult, now: datetime) -> None:
    """Update a sender after a call."""
    error_class = result.error_class
    if error_class is ErrorClass.RETRY and result.code in RATE_LIMIT_CODES:
        _slow_down(session, sender_id, now, result.retry_after)
    elif error_class in (ErrorClass.RETRY, ErrorClass.UNKNOWN):
        _count_failure(session, sender_id, result.code, now)
    elif error_class is ErrorClass.ACCOUNT:
        _open_for_account_error(session, sender_id, result.code, now)
    elif error_class is ErrorClass.QUEUE_FULL:
        _pause(session, sender_id, now + QUEUE_FULL_PAUSE, "queue_full")
    elif error_class is ErrorClass.DAILY_CAP:
        _pause(session, sender_id, pacific_midnight(now), "daily_cap")
    else:  # the provider works, even if it rejected this message
        _count_success(session, sender_id)


def _slow_down(session: Session, sender_id: int, now: datetime, retry_after: float | None) -> None:
    sender = lock_sender(session, sender_id)
    if sender is None:
        return
    slowdown = slow_down(sender.segments_per_second, last_slowdown(sender), now)
    if slowdown is not None:
        sender.rate_failed, sender.slowed_at = slowdown.failed_rate, slowdown.at
        sender.rate_now = slowdown.reduced_rate
        sender.tokens, sender.refilled_at = min(sender.tokens, 0.0), now
    if retry_after is not None and retry_after > LONG_RETRY_AFTER_SECONDS:
        sender.paused_until, sender.pause_reason = now + timedelta(seconds=retry_after), "rate"
    session.flush()


def _count_failure(session: Session, sender_id: int, code: str, now: datetime) -> None:
    sender = lock_sender(session, sender_id)
    if sender is None:
        return
    sender.failures += 1
    sender.weight = max(sender.weight - WEIGHT_STEP, 1)
    if sender.breaker == "half_open" or (sender.breaker == "closed" and sender.failures >= MAX_FAILURES):
        _open(session, sender, code, now)
    session.flush()


def _open_for_account_error(session: Session, sender_id: int, code: str, now: datetime) -> None:
    """Open the circuit breaker after an error of the account or sender."""
    sender = lock_sender(session, sender_id)
    if sender is None:
        return
    if code in NEEDS_REGISTRATION and sender.registration == "registered":
        # The provider would accept messages that then fail; staff must correct the registration.
        sender.registration, sender.note = "refused", code
    _open(session, sender, code, now)
    sender.weight = max(sender.weight - WEIGHT_STEP, 1)
    session.flush()
    if code in ACCOUNT_WIDE:
        for other in _lock_other_senders(session, sender):
            if other.breaker == "closed":
                _open(session, other, code, now)
        session.flush()


def _open(session: Session, sender: Sender, code: str, now: datetime) -> None:
    if sender.breaker == "closed":
        sender.breaker_at = now
        alerts.raise_alert(session, "breaker", f"{sender.provider} {sender.address}", now, code)
    if sender.probe_at is None or sender.breaker == "closed":
        sender.probe_at = now + PROBE_INTERVAL
    sender.breaker, sender.breaker_code = "open", code


def _lock_other_senders(session: Session, sender: Sender) -> list[Sender]:
    """Lock the provider's other senders, except those that another transaction has locked."""
    ids = session.scalars(
        select(Sender.id).where(Sender.provider == sender.provider, Sender.id != sender.id).order_by(Sender.id)
    ).all()
    return [other for other in (lock_sender(session, other_id) for other_id in ids) if other is not None]


def _pause(session: Session, sender_id: int, until: datetime, reason: str) -> None:
    sender = lock_sender(session, sender_id)
    if sender is not None:
        sender.paused_until, sender.pause_reason = max(until, sender.paused_until or until), reason
        session.flush()


def _count_success(session: Session, sender_id: int) -> None:
    health = session.execute(_HEALTH, {"sender": sender_id}).one_or_none()
    if health is None or (
        not health.failures and health.breaker != "half_open" and health.weight >= health.resting_weight
    ):
        return  # usually nothing to write
    sender = lock_sender(session, sender_id)
    if sender is None:
        return
    sender.failures, sender.weight = 0, min(sender.weight + 1, max(sender.resting_weight, sender.weight))
    if sender.breaker == "half_open":
        code = sender.breaker_code
        _close(sender)
        session.flush()
        if code in ACCOUNT_WIDE:
            for other in _lock_other_senders(session, sender):
                if other.breaker_code == code:
                    _close(other)
    session.flush()


_HEALTH = select(Sender.failures, Sender.breaker, Sender.weight, Sender.resting_weight).where(
    Sender.id == bindparam("sender")
)


def _close(sender: Sender) -> None:
    sender.breaker, sender.breaker_code, sender.breaker_at = "closed", None, None
    sender.probe_at, sender.failures = None, 0
