"""Select a sender for a message by registration, pause, circuit breaker, daily cap and token bucket.

The token bucket is in the sender's row and shared by all workers. A worker reserves tokens for up to 0.1 seconds in
memory; otherwise each claim would wait for the row lock of the previous claim.
"""

import secrets
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from homevisits.messages.models import DeliveryAttempt, Sender
from homevisits.messages.providers.error_codes import ACCOUNT_WIDE, ErrorClass
from homevisits.messages.senders import circuit_breaker
from homevisits.messages.senders.circuit_breaker import PROBE_INTERVAL, current_rate, lock_sender
from homevisits.messages.senders.rate_limit import bucket_size, pacific_midnight

STAFF_CHECK_INTERVAL = timedelta(minutes=5)
"""Delay before the next check when only staff can correct the problem."""
RESERVATION_LIFETIME = timedelta(seconds=1)
MAX_JITTER_SECONDS = 0.05
DAILY_COUNT_LIFETIME = timedelta(seconds=10)
MAX_CLOCK_SKEW = timedelta(seconds=5)
READY_REGISTRATIONS = ("registered", "not_needed")


@dataclass(frozen=True)
class SenderChoice:
    """The selected sender; or None, with the time of the next check and the reason.

    ``reason``: "rate" (a moment's wait), "breaker", "paused", "queue_full", "daily_cap", "unregistered", "no_sender".
    """

    sender: Sender | None
    until: datetime | None = None
    reason: str | None = None


@dataclass
class _Reservations:
    """Tokens that this process has reserved in one database, and its cached daily counts."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    tokens: dict[int, tuple[float, datetime]] = field(default_factory=dict)
    spent: dict[int, tuple[int, datetime]] = field(default_factory=dict)


_RESERVATIONS: WeakKeyDictionary[object, _Reservations] = WeakKeyDictionary()
_RESERVATIONS_LOCK = threading.Lock()


def choose_sender(session: Session, segments: int, now: datetime, providers: Collection[str]) -> SenderChoice:
    """Select a sender and take `segments` from its bucket. `providers`: providers by preference.

    Senders of one provider are chosen at random by weight. The next provider is used only if no sender of the previous
    provider works, not if a sender is rate-limited for a moment.
    """
    found = session.scalars(_SENDERS, {"providers": list(providers)}).all()
    waits: list[SenderChoice] = []
    for provider in providers:
        free = []
        for row in (each for each in found if each.provider == provider):
            hindered = _find_obstacle(session, row, segments, now) or _other_probes(row, found)
            waits.append(hindered) if hindered else free.append(row)
        taken, hasty = _take_from_any(session, free, segments, now)
        if taken is not None:
            return SenderChoice(taken)
        if any(wait.reason == "rate" for wait in hasty):
            return min(hasty, key=_retry_at)
        waits += hasty
    return min(waits, key=_retry_at) if waits else SenderChoice(None, now + STAFF_CHECK_INTERVAL, "no_sender")


_SENDERS = (
    select(Sender)
    .where(Sender.provider.in_(bindparam("providers", expanding=True)), Sender.active)
    .order_by(Sender.id)
    .execution_options(populate_existing=True)
)


def _take_from_any(
    session: Session, free: Iterable[Sender], segments: int, now: datetime
) -> tuple[Sender | None, list[SenderChoice]]:
    rows, waits = list(free), []
    while rows:
        one = _choose_by_weight(rows)
        rows.remove(one)
        wait = _take_tokens(session, one, segments, now)
        if wait is None:
            return one, []
        waits.append(wait)
    return None, waits


def _retry_at(wait: SenderChoice) -> datetime:
    assert wait.until is not None
    return wait.until


def is_ready(sender: Sender) -> bool:
    """Whether the sender is in the settings and registered where that is required."""
    return sender.active and sender.registration in READY_REGISTRATIONS


def record_call(
    session: Session,
    sender_id: int | None,
    kind: ErrorClass | None,
    code: str,
    now: datetime,
    retry_after: float | None = None,
) -> None:
    """Update a sender after each attempt. `kind` None: the message was accepted."""
    if sender_id is None:
        return
    if kind is ErrorClass.RETRY:
        kept = _reservations(session)
        with kept.lock:
            kept.tokens.pop(sender_id, None)
    circuit_breaker.update_sender(session, sender_id, kind, code, now, retry_after)


def _find_obstacle(session: Session, row: Sender, segments: int, now: datetime) -> SenderChoice | None:
    if row.registration not in READY_REGISTRATIONS:
        return SenderChoice(None, now + STAFF_CHECK_INTERVAL, "unregistered")
    if row.paused_until is not None and row.paused_until > now:
        return SenderChoice(None, row.paused_until, row.pause_reason or "paused")
    if row.breaker != "closed" and row.probe_at is not None and row.probe_at > now:
        return SenderChoice(None, row.probe_at, "breaker")
    if row.segments_per_day is not None and _segments_today(session, row, segments, now) > row.segments_per_day:
        return SenderChoice(None, pacific_midnight(now), "daily_cap")
    return None


def _other_probes(row: Sender, rows: Sequence[Sender]) -> SenderChoice | None:
    """After an error of the whole account, allow only the first affected sender to probe."""
    if row.breaker == "closed" or row.breaker_code not in ACCOUNT_WIDE:
        return None
    ailing = [
        each
        for each in rows
        if each.provider == row.provider
        and each.breaker != "closed"
        and each.breaker_code in ACCOUNT_WIDE
        and is_ready(each)
    ]
    return None if ailing[0].id == row.id else SenderChoice(None, ailing[0].probe_at or row.probe_at, "breaker")


def _segments_today(session: Session, row: Sender, segments: int, now: datetime) -> int:
    """Return the segments used today, including these. The count is cached for 10 s, below 90 % of the cap."""
    kept, share = _reservations(session), row.segments_per_day or 0
    with kept.lock:
        spent, at = kept.spent.get(row.id, (0, None))
        if at is not None and timedelta() <= now - at < DAILY_COUNT_LIFETIME and spent < 0.9 * share:
            kept.spent[row.id] = (spent + segments, at)
            return spent + segments
    counted = session.scalar(
        select(func.coalesce(func.sum(DeliveryAttempt.segments), 0)).where(
            DeliveryAttempt.sender_id == row.id,
            DeliveryAttempt.started_at >= pacific_midnight(now, 0),
            or_(DeliveryAttempt.outcome.is_(None), DeliveryAttempt.outcome.in_(("accepted", "unclear"))),
        )
    )
    with kept.lock:
        kept.spent[row.id] = (int(counted or 0) + segments, now)
    return int(counted or 0) + segments


def _choose_by_weight(rows: Sequence[Sender]) -> Sender:
    if len(rows) == 1:
        return rows[0]
    return secrets.SystemRandom().choices(rows, [max(row.weight, 1) for row in rows])[0]


def _take_tokens(session: Session, row: Sender, segments: int, now: datetime) -> SenderChoice | None:
    """Take `segments` from the bucket; None on success."""
    if row.breaker != "closed":
        return _probe(session, row, now)
    kept = _reservations(session)
    with kept.lock:
        left, since = kept.tokens.get(row.id, (0.0, now))
        if left >= segments and timedelta() <= now - since < RESERVATION_LIFETIME:
            kept.tokens[row.id] = (left - segments, since)
            return None
    short = _seconds_until_available(row, segments, now)
    held = lock_sender(session, row.id) if not short else None
    if held is not None:
        short = _seconds_until_available(held, segments, now)
    if held is None or short:  # also if another worker holds the lock
        return SenderChoice(None, _next_try(row, short or 0.01, now), "rate")
    tokens, rate = _tokens(held, now), current_rate(held, now)
    ahead = float(int(max(0.0, min(tokens - segments, rate / 10))))
    held.tokens, held.refilled_at = tokens - segments - ahead, now
    with kept.lock:
        kept.tokens[row.id] = (ahead, now)
    return None


def _tokens(row: Sender, now: datetime) -> float:
    """Return the tokens in the bucket, in segments."""
    rate = current_rate(row, now)
    if row.refilled_at is None or row.refilled_at > now + MAX_CLOCK_SKEW:
        return bucket_size(rate)
    return min(bucket_size(rate), row.tokens + max((now - row.refilled_at).total_seconds(), 0.0) * rate)


def _seconds_until_available(row: Sender, segments: int, now: datetime) -> float:
    """Return seconds until `segments` can be taken. A message larger than the bucket makes it negative."""
    rate = current_rate(row, now)
    return max(0.0, min(float(segments), bucket_size(rate)) - _tokens(row, now)) / rate


def _next_try(row: Sender, seconds: float, now: datetime) -> datetime:
    """Return the time of the next try, with jitter."""
    spread = min(3 / current_rate(row, now), MAX_JITTER_SECONDS) * secrets.randbelow(1000) / 1000
    return now + timedelta(seconds=seconds + spread)


def _probe(session: Session, row: Sender, now: datetime) -> SenderChoice | None:
    """Allow one probe message per interval; None if this message is the probe."""
    held = lock_sender(session, row.id)
    if held is None or (held.breaker != "closed" and held.probe_at is not None and held.probe_at > now):
        return SenderChoice(None, now + PROBE_INTERVAL, "breaker")
    if held.breaker != "closed":
        held.breaker, held.probe_at = "half_open", now + PROBE_INTERVAL
        session.flush()
    return None


def _reservations(session: Session) -> _Reservations:
    bind = session.get_bind()
    with _RESERVATIONS_LOCK:
        return _RESERVATIONS.setdefault(bind, _Reservations())
