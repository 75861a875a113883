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
from homevisits.messages.senders.circuit_breaker import PROBE_INTERVAL, CallResult, current_rate, lock_sender
from homevisits.messages.senders.rate_limit import bucket_size, pacific_midnight

STAFF_CHECK_INTERVAL = timedelta(minutes=5)  # before the next check if only staff can correct the problem
RESERVATION_LIFETIME = timedelta(seconds=1)
MAX_JITTER_SECONDS = 0.05
DAILY_COUNT_LIFETIME = timedelta(seconds=10)
MAX_CLOCK_SKEW = timedelta(seconds=5)  # between the clocks of the workers
READY_REGISTRATIONS = ("registered", "not_needed")


@dataclass(frozen=True)
class SenderChoice:
    """The selected sender; or None, with the time of the next check and the reason.

    reason: "rate" (limited for a moment), "breaker", "paused", "queue_full", "daily_cap", "unregistered", "no_sender".
    """

    sender: Sender | None
    retry_at: datetime | None = None
    reason: str | None = None


@dataclass
class _Reservations:
    """Tokens that this process has reserved in a database, and its cached daily counts, by sender ID."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    tokens: dict[int, tuple[float, datetime]] = field(default_factory=dict)
    segments_today: dict[int, tuple[int, datetime]] = field(default_factory=dict)


_RESERVATIONS: WeakKeyDictionary[object, _Reservations] = WeakKeyDictionary()
_RESERVATIONS_LOCK = threading.Lock()


def choose_sender(session: Session, segments: int, now: datetime, providers: Collection[str]) -> SenderChoice:
    """Select a sender and take `segments` from its bucket. `providers`: names, by preference.

    Senders of one provider are chosen at random by weight. The next provider is used only if no sender of the previous
    provider works, not if a sender is rate-limited for a moment.
    """
    senders = session.scalars(_SENDERS, {"providers": list(providers)}).all()
    obstacles: list[SenderChoice] = []
    for provider in providers:
        free = []
        for sender in (sender for sender in senders if sender.provider == provider):
            obstacle = _find_obstacle(session, sender, segments, now) or _other_probes(sender, senders)
            obstacles.append(obstacle) if obstacle else free.append(sender)
        chosen, limited = _choose_sender_with_tokens(session, free, segments, now)
        if chosen is not None:
            return SenderChoice(chosen)
        if any(obstacle.reason == "rate" for obstacle in limited):
            return min(limited, key=_retry_at)
        obstacles += limited
    return min(obstacles, key=_retry_at) if obstacles else SenderChoice(None, now + STAFF_CHECK_INTERVAL, "no_sender")


_SENDERS = (
    select(Sender)
    .where(Sender.provider.in_(bindparam("providers", expanding=True)), Sender.active)
    .order_by(Sender.id)
    .execution_options(populate_existing=True)
)


def _choose_sender_with_tokens(
    session: Session, free: Iterable[Sender], segments: int, now: datetime
) -> tuple[Sender | None, list[SenderChoice]]:
    senders, obstacles = list(free), []
    while senders:
        sender = _choose_by_weight(senders)
        senders.remove(sender)
        obstacle = _take_tokens(session, sender, segments, now)
        if obstacle is None:
            return sender, []
        obstacles.append(obstacle)
    return None, obstacles


def _retry_at(obstacle: SenderChoice) -> datetime:
    assert obstacle.retry_at is not None
    return obstacle.retry_at


def is_ready(sender: Sender) -> bool:
    """Whether the sender is in the settings and registered where that is required."""
    return sender.active and sender.registration in READY_REGISTRATIONS


def record_call(session: Session, sender_id: int | None, result: CallResult, now: datetime) -> None:
    """Update a sender after each attempt."""
    if sender_id is None:
        return
    if result.error_class is ErrorClass.RETRY:
        reserved = _reservations(session)
        with reserved.lock:
            reserved.tokens.pop(sender_id, None)
    circuit_breaker.update_sender(session, sender_id, result, now)


def _find_obstacle(session: Session, sender: Sender, segments: int, now: datetime) -> SenderChoice | None:
    if sender.registration not in READY_REGISTRATIONS:
        return SenderChoice(None, now + STAFF_CHECK_INTERVAL, "unregistered")
    if sender.paused_until is not None and sender.paused_until > now:
        return SenderChoice(None, sender.paused_until, sender.pause_reason or "paused")
    if sender.breaker != "closed" and sender.probe_at is not None and sender.probe_at > now:
        return SenderChoice(None, sender.probe_at, "breaker")
    daily_cap = sender.segments_per_day
    if daily_cap is not None and _segments_today(session, sender, segments, now) > daily_cap:
        return SenderChoice(None, pacific_midnight(now), "daily_cap")
    return None


def _other_probes(sender: Sender, senders: Sequence[Sender]) -> SenderChoice | None:
    """After an error of the whole account, allow only the first affected sender to probe."""
    if sender.breaker == "closed" or sender.breaker_code not in ACCOUNT_WIDE:
        return None
    affected = [
        other
        for other in senders
        if other.provider == sender.provider
        and other.breaker != "closed"
        and other.breaker_code in ACCOUNT_WIDE
        and is_ready(other)
    ]
    if affected[0].id == sender.id:
        return None
    return SenderChoice(None, affected[0].probe_at or sender.probe_at, "breaker")


def _segments_today(session: Session, sender: Sender, segments: int, now: datetime) -> int:
    """Return the segments used today, including these. The count is cached for 10 s, below 90 % of the cap."""
    cache, cap = _reservations(session), sender.segments_per_day or 0
    with cache.lock:
        used, counted_at = cache.segments_today.get(sender.id, (0, None))
        is_fresh = counted_at is not None and timedelta() <= now - counted_at < DAILY_COUNT_LIFETIME
        if counted_at is not None and is_fresh and used < 0.9 * cap:
            cache.segments_today[sender.id] = (used + segments, counted_at)
            return used + segments
    count = session.scalar(
        select(func.coalesce(func.sum(DeliveryAttempt.segments), 0)).where(
            DeliveryAttempt.sender_id == sender.id,
            DeliveryAttempt.started_at >= pacific_midnight(now, 0),
            or_(DeliveryAttempt.outcome.is_(None), DeliveryAttempt.outcome.in_(("accepted", "unclear"))),
        )
    )
    used = int(count or 0) + segments
    with cache.lock:
        cache.segments_today[sender.id] = (used, now)
    return used


def _choose_by_weight(senders: Sequence[Sender]) -> Sender:
    if len(senders) == 1:
        return senders[0]
    return secrets.SystemRandom().choices(senders, [max(sender.weight, 1) for sender in senders])[0]


def _take_tokens(session: Session, sender: Sender, segments: int, now: datetime) -> SenderChoice | None:
    """Take `segments` from the bucket; None on success."""
    if sender.breaker != "closed":
        return _probe(session, sender, now)
    reserved = _reservations(session)
    with reserved.lock:
        tokens, since = reserved.tokens.get(sender.id, (0.0, now))
        if tokens >= segments and timedelta() <= now - since < RESERVATION_LIFETIME:
            reserved.tokens[sender.id] = (tokens - segments, since)
            return None
    wait = _seconds_until_available(sender, segments, now)
    locked = lock_sender(session, sender.id) if not wait else None
    if locked is not None:
        wait = _seconds_until_available(locked, segments, now)
    if locked is None or wait:  # also if another worker holds the lock
        return SenderChoice(None, _next_try(sender, wait or 0.01, now), "rate")
    tokens, rate = _tokens(locked, now), current_rate(locked, now)
    reservation = float(int(max(0.0, min(tokens - segments, rate / 10))))
    locked.tokens, locked.refilled_at = tokens - segments - reservation, now
    with reserved.lock:
        reserved.tokens[sender.id] = (reservation, now)
    return None


def _tokens(sender: Sender, now: datetime) -> float:
    """Return the tokens in the bucket, in segments."""
    rate = current_rate(sender, now)
    if sender.refilled_at is None or sender.refilled_at > now + MAX_CLOCK_SKEW:
        return bucket_size(rate)
    added = max((now - sender.refilled_at).total_seconds(), 0.0) * rate
    return min(bucket_size(rate), sender.tokens + added)


def _seconds_until_available(sender: Sender, segments: int, now: datetime) -> float:
    """Return seconds until `segments` can be taken. A message larger than the bucket makes it negative."""
    rate = current_rate(sender, now)
    return max(0.0, min(float(segments), bucket_size(rate)) - _tokens(sender, now)) / rate


def _next_try(sender: Sender, seconds: float, now: datetime) -> datetime:
    """Return the time of the next try, with jitter."""
    jitter = min(3 / current_rate(sender, now), MAX_JITTER_SECONDS) * secrets.randbelow(1000) / 1000
    return now + timedelta(seconds=seconds + jitter)


def _probe(session: Session, sender: Sender, now: datetime) -> SenderChoice | None:
    """Allow a probe message per interval; None if this message is the probe."""
    locked = lock_sender(session, sender.id)
    if locked is None or (locked.breaker != "closed" and locked.probe_at is not None and locked.probe_at > now):
        return SenderChoice(None, now + PROBE_INTERVAL, "breaker")
    if locked.breaker != "closed":
        locked.breaker, locked.probe_at = "half_open", now + PROBE_INTERVAL
        session.flush()
    return None


def _reservations(session: Session) -> _Reservations:
    bind = session.get_bind()
    with _RESERVATIONS_LOCK:
        return _RESERVATIONS.setdefault(bind, _Reservations())
