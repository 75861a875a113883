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
from homevisits.messages.senders.circuit_breaker import PROBE_EVERY, locked, rate_of
from homevisits.messages.senders.rate_limit import burst, midnight

ASK_AGAIN = timedelta(minutes=5)
"""Delay before the next check when only staff can correct the problem."""
RESERVED_FOR = timedelta(seconds=1)
LONGEST_SPREAD = 0.05
COUNTED_FOR = timedelta(seconds=10)
CLOCKS_DIFFER = timedelta(seconds=5)
READY = ("registered", "not_needed")


@dataclass(frozen=True)
class Pick:
    """The selected sender; or None, with the time of the next check and the reason.

    ``reason``: "rate" (a moment's wait), "breaker", "paused", "queue_full", "daily_cap", "unregistered", "no_sender".
    """

    sender: Sender | None
    until: datetime | None = None
    reason: str | None = None


@dataclass
class _Kept:
    """Tokens that this process has reserved in one database, and its cached daily counts."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    tokens: dict[int, tuple[float, datetime]] = field(default_factory=dict)
    spent: dict[int, tuple[int, datetime]] = field(default_factory=dict)


_KEPT: WeakKeyDictionary[object, _Kept] = WeakKeyDictionary()
_GUARD = threading.Lock()


def pick(session: Session, segments: int, now: datetime, providers: Collection[str]) -> Pick:
    """Select a sender and take `segments` from its bucket. `providers`: providers by preference.

    Senders of one provider are chosen at random by weight. The next provider is used only if no sender of the previous
    provider works, not if a sender is rate-limited for a moment.
    """
    found = session.scalars(_SENDERS, {"providers": list(providers)}).all()
    waits: list[Pick] = []
    for provider in providers:
        free = []
        for row in (each for each in found if each.provider == provider):
            hindered = _hindered(session, row, segments, now) or _led(row, found)
            waits.append(hindered) if hindered else free.append(row)
        taken, hasty = _one_of(session, free, segments, now)
        if taken is not None:
            return Pick(taken)
        if any(wait.reason == "rate" for wait in hasty):
            return min(hasty, key=_when)
        waits += hasty
    return min(waits, key=_when) if waits else Pick(None, now + ASK_AGAIN, "no_sender")


_SENDERS = (
    select(Sender)
    .where(Sender.provider.in_(bindparam("providers", expanding=True)), Sender.active)
    .order_by(Sender.id)
    .execution_options(populate_existing=True)
)


def _one_of(session: Session, free: Iterable[Sender], segments: int, now: datetime) -> tuple[Sender | None, list[Pick]]:
    rows, waits = list(free), []
    while rows:
        one = _weighted(rows)
        rows.remove(one)
        wait = _take(session, one, segments, now)
        if wait is None:
            return one, []
        waits.append(wait)
    return None, waits


def _when(wait: Pick) -> datetime:
    assert wait.until is not None
    return wait.until


def ready(sender: Sender) -> bool:
    """Whether the sender is in the settings and registered where that is required."""
    return sender.active and sender.registration in READY


def heard(
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
        kept = _kept(session)
        with kept.lock:
            kept.tokens.pop(sender_id, None)
    circuit_breaker.heard(session, sender_id, kind, code, now, retry_after)


def _hindered(session: Session, row: Sender, segments: int, now: datetime) -> Pick | None:
    if row.registration not in READY:
        return Pick(None, now + ASK_AGAIN, "unregistered")
    if row.paused_until is not None and row.paused_until > now:
        return Pick(None, row.paused_until, row.pause_reason or "paused")
    if row.breaker != "closed" and row.probe_at is not None and row.probe_at > now:
        return Pick(None, row.probe_at, "breaker")
    if row.segments_per_day is not None and _spent(session, row, segments, now) > row.segments_per_day:
        return Pick(None, midnight(now), "daily_cap")
    return None


def _led(row: Sender, rows: Sequence[Sender]) -> Pick | None:
    """After an error of the whole account, allow only the first affected sender to probe."""
    if row.breaker == "closed" or row.breaker_code not in ACCOUNT_WIDE:
        return None
    ailing = [
        each
        for each in rows
        if each.provider == row.provider
        and each.breaker != "closed"
        and each.breaker_code in ACCOUNT_WIDE
        and ready(each)
    ]
    return None if ailing[0].id == row.id else Pick(None, ailing[0].probe_at or row.probe_at, "breaker")


def _spent(session: Session, row: Sender, segments: int, now: datetime) -> int:
    """Return the segments used today, including these. The count is cached for 10 s, below 90 % of the cap."""
    kept, share = _kept(session), row.segments_per_day or 0
    with kept.lock:
        spent, at = kept.spent.get(row.id, (0, None))
        if at is not None and timedelta() <= now - at < COUNTED_FOR and spent < 0.9 * share:
            kept.spent[row.id] = (spent + segments, at)
            return spent + segments
    counted = session.scalar(
        select(func.coalesce(func.sum(DeliveryAttempt.segments), 0)).where(
            DeliveryAttempt.sender_id == row.id,
            DeliveryAttempt.started_at >= midnight(now, 0),
            or_(DeliveryAttempt.outcome.is_(None), DeliveryAttempt.outcome.in_(("accepted", "unclear"))),
        )
    )
    with kept.lock:
        kept.spent[row.id] = (int(counted or 0) + segments, now)
    return int(counted or 0) + segments


def _weighted(rows: Sequence[Sender]) -> Sender:
    if len(rows) == 1:
        return rows[0]
    return secrets.SystemRandom().choices(rows, [max(row.weight, 1) for row in rows])[0]


def _take(session: Session, row: Sender, segments: int, now: datetime) -> Pick | None:
    """Take `segments` from the bucket; None on success."""
    if row.breaker != "closed":
        return _probe(session, row, now)
    kept = _kept(session)
    with kept.lock:
        left, since = kept.tokens.get(row.id, (0.0, now))
        if left >= segments and timedelta() <= now - since < RESERVED_FOR:
            kept.tokens[row.id] = (left - segments, since)
            return None
    short = _short(row, segments, now)
    held = locked(session, row.id) if not short else None
    if held is not None:
        short = _short(held, segments, now)
    if held is None or short:  # also if another worker holds the lock
        return Pick(None, _soon(row, short or 0.01, now), "rate")
    tokens, rate = _tokens(held, now), rate_of(held, now)
    ahead = float(int(max(0.0, min(tokens - segments, rate / 10))))
    held.tokens, held.refilled_at = tokens - segments - ahead, now
    with kept.lock:
        kept.tokens[row.id] = (ahead, now)
    return None


def _tokens(row: Sender, now: datetime) -> float:
    """Return the tokens in the bucket, in segments."""
    rate = rate_of(row, now)
    if row.refilled_at is None or row.refilled_at > now + CLOCKS_DIFFER:
        return burst(rate)
    return min(burst(rate), row.tokens + max((now - row.refilled_at).total_seconds(), 0.0) * rate)


def _short(row: Sender, segments: int, now: datetime) -> float:
    """Return seconds until `segments` can be taken. A message larger than the bucket makes it negative."""
    rate = rate_of(row, now)
    return max(0.0, min(float(segments), burst(rate)) - _tokens(row, now)) / rate


def _soon(row: Sender, seconds: float, now: datetime) -> datetime:
    """Return the time of the next try, with jitter."""
    spread = min(3 / rate_of(row, now), LONGEST_SPREAD) * secrets.randbelow(1000) / 1000
    return now + timedelta(seconds=seconds + spread)


def _probe(session: Session, row: Sender, now: datetime) -> Pick | None:
    """Allow one probe message per interval; None if this message is the probe."""
    held = locked(session, row.id)
    if held is None or (held.breaker != "closed" and held.probe_at is not None and held.probe_at > now):
        return Pick(None, now + PROBE_EVERY, "breaker")
    if held.breaker != "closed":
        held.breaker, held.probe_at = "half_open", now + PROBE_EVERY
        session.flush()
    return None


def _kept(session: Session) -> _Kept:
    bind = session.get_bind()
    with _GUARD:
        return _KEPT.setdefault(bind, _Kept())
