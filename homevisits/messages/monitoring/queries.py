"""Queries for monitoring. Each uses an index range, so that old messages do not slow it down.

Attempts are counted in a window by when they were started, with their outcome at `now`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, case, func, or_, select, text
from sqlalchemy.orm import Session

from homevisits.core.db import is_sqlite
from homevisits.core.leases import JobLease
from homevisits.messages.models import (
    DeliveryAttempt,
    IncomingMessage,
    MessageAlert,
    OptOutEntry,
    OutgoingMessage,
    ProviderEvent,
    Sender,
)
from homevisits.messages.providers.error_codes import is_known
from homevisits.messages.providers.status import ARRIVED_STATUSES, FINAL_STATUSES

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
TIME_TO_ARRIVE = timedelta(minutes=5)  # after which an accepted message counts as not delivered
RATE_LIMIT_CODES = ("429", "20429")
OPEN_STATES = ("held", "queued", "sending", "unknown")
CLOSED_STATES = ("accepted", "delivered", "undelivered", "rejected", "dead", "cancelled", "expired", "suppressed")
QUANTILES = (50, 95)
# Literal conditions instead of parameters, so that SQLite uses its partial indexes.
_WAITING = text("outgoing_message.state IN ('held', 'queued')")
_UNRESOLVED = text(
    "outgoing_message.state IN ('undelivered', 'rejected', 'dead') AND outgoing_message.resolved_at IS NULL"
)


@dataclass(frozen=True)
class LastHour:
    """Counts of the attempts of the last hour."""

    attempts: int
    rate_limited: int
    accepted: int
    undelivered: int
    delivery_due: int  # accepted between 65 and 5 minutes ago
    delivered: int  # of `delivery_due`


def count_by_state(session: Session, now: datetime) -> dict[str, int]:
    """Count messages by state. In final states, only messages created in the last 7 days are counted."""
    state = OutgoingMessage.state
    counts = select(state, func.count()).group_by(state)
    unfinished = session.execute(counts.where(state.in_(OPEN_STATES))).all()
    closed = session.execute(counts.where(state.in_(CLOSED_STATES), OutgoingMessage.created_at >= now - WEEK)).all()
    return dict.fromkeys((*OPEN_STATES, *CLOSED_STATES), 0) | dict(unfinished) | dict(closed)


def count_held(session: Session) -> dict[str, int]:
    """Count waiting messages by hold reason."""
    rows = select(OutgoingMessage.hold_reason, func.count()).where(_WAITING, OutgoingMessage.state == "held")
    return {reason or "none": count for reason, count in session.execute(rows.group_by(OutgoingMessage.hold_reason))}


def oldest_due_age(session: Session, now: datetime) -> float:
    """Return the age in seconds of the oldest due message; 0 if there is none."""
    # Includes messages held because no sender is available: `next_at` is not changed for them.
    first = session.scalar(select(func.min(OutgoingMessage.next_at)).where(_WAITING, OutgoingMessage.next_at <= now))
    return seconds_since(first, now)


def oldest_unknown_age(session: Session, now: datetime) -> float:
    """Return the age in seconds of the oldest unclear attempt; 0 if there is none."""
    first = session.scalar(
        select(func.min(DeliveryAttempt.started_at))
        .join(OutgoingMessage, OutgoingMessage.attempt_id == DeliveryAttempt.attempt_id)
        .where(OutgoingMessage.state == "unknown")
    )
    return seconds_since(first, now)


def seconds_since(since: datetime | None, now: datetime) -> float:
    """Return the seconds from `since` to `now`, at least 0; 0 for None."""
    return max(0.0, (now - since).total_seconds()) if since is not None else 0.0


def _started_since(since: datetime) -> ColumnElement[bool]:
    # The condition on the sender allows the index on (sender_id, started_at). An index on the time alone would slow
    # down each insert.
    return and_(DeliveryAttempt.sender_id.in_(select(Sender.id)), DeliveryAttempt.started_at >= since)


def count_last_hour(session: Session, now: datetime) -> LastHour:
    """Count the attempts of the last hour by outcome."""
    recent = DeliveryAttempt.started_at >= now - HOUR
    accepted = DeliveryAttempt.outcome == "accepted"
    delivery_due = and_(accepted, DeliveryAttempt.started_at < now - TIME_TO_ARRIVE)
    conditions: Sequence[ColumnElement[bool]] = (
        recent,
        and_(recent, DeliveryAttempt.outcome == "down", DeliveryAttempt.code.in_(RATE_LIMIT_CODES)),
        and_(recent, accepted),
        and_(
            recent,
            accepted,
            DeliveryAttempt.status.in_(FINAL_STATUSES),
            DeliveryAttempt.status.not_in(ARRIVED_STATUSES),
        ),
        delivery_due,
        and_(delivery_due, DeliveryAttempt.status.in_(ARRIVED_STATUSES)),
    )
    sums = [func.coalesce(func.sum(case((condition, 1), else_=0)), 0) for condition in conditions]
    return LastHour(*map(int, session.execute(select(*sums).where(_started_since(now - HOUR - TIME_TO_ARRIVE))).one()))


def delivery_seconds(session: Session, since: datetime) -> dict[int, float]:
    """Return the `QUANTILES` of the seconds from acceptance to delivery of attempts since `since`; empty if none."""
    if is_sqlite(session):
        seconds: Any = (func.julianday(DeliveryAttempt.status_at) - func.julianday(DeliveryAttempt.finished_at)) * 86400
    else:
        seconds = func.extract("epoch", DeliveryAttempt.status_at - DeliveryAttempt.finished_at)
    arrived = and_(
        _started_since(since), DeliveryAttempt.status == "delivered", DeliveryAttempt.finished_at.is_not(None)
    )
    place = func.row_number().over(order_by=seconds)
    ranked = select(seconds.label("took"), place.label("place"), func.count().over().label("all")).where(arrived)
    subquery = ranked.subquery()
    # Nearest-rank method: the quantile q of n values is the value at position ceil(n * q / 100).
    places = [(subquery.c.all * quantile + 99) // 100 for quantile in QUANTILES]
    chosen = select(subquery.c.took, subquery.c.place, subquery.c.all).where(subquery.c.place.in_(places))
    rows = {place: (float(seconds), count) for seconds, place, count in session.execute(chosen)}
    count = next((count for _, count in rows.values()), 0)
    return {q: max(0.0, rows[(count * q + 99) // 100][0]) for q in QUANTILES if count}


def count_failures(session: Session, since: datetime) -> dict[tuple[str, str], int]:
    """Count failed attempts since `since` by provider and code. Unlisted codes are counted as "other"."""
    rows = (
        select(DeliveryAttempt.provider, DeliveryAttempt.code, func.count())
        .where(
            _started_since(since),
            DeliveryAttempt.code.is_not(None),
            or_(DeliveryAttempt.status.is_(None), DeliveryAttempt.status.not_in(ARRIVED_STATUSES)),
        )
        .group_by(DeliveryAttempt.provider, DeliveryAttempt.code)
    )
    counts: dict[tuple[str, str], int] = {}
    for provider, code, count in session.execute(rows):
        key = (provider, code if code and is_known(code) else "other")
        counts[key] = counts.get(key, 0) + count
    return counts


def start_of_day(now: datetime, zone: str) -> datetime:
    """Return when the current day in `zone` began, in UTC."""
    day = now.astimezone(ZoneInfo(zone)).date()
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def count_segments(session: Session, since: datetime) -> dict[str, int]:
    """Count the segments of accepted and unclear attempts since `since` by provider."""
    rows = (
        select(DeliveryAttempt.provider, func.sum(DeliveryAttempt.segments))
        .where(_started_since(since), DeliveryAttempt.outcome.in_(("accepted", "unclear")))
        .group_by(DeliveryAttempt.provider)
    )
    return {provider: int(count) for provider, count in session.execute(rows)}


def count_unresolved(session: Session) -> int:
    """Count failed messages that staff have not handled."""
    return session.scalar(select(func.count()).select_from(OutgoingMessage).where(_UNRESOLVED)) or 0


def count_opted_out(session: Session) -> int:
    """Count phones that have opted out."""
    latest = select(func.max(OptOutEntry.id)).group_by(OptOutEntry.phone)
    rows = select(func.count()).select_from(OptOutEntry).where(OptOutEntry.id.in_(latest))
    return session.scalar(rows.where(OptOutEntry.entry == "stop")) or 0


def count_replies(session: Session, now: datetime) -> tuple[int, float]:
    """Count received messages that staff must answer, with the age of the oldest."""
    rows = select(func.count(), func.min(IncomingMessage.received_at)).where(IncomingMessage.needs_staff.is_(True))
    count, first = session.execute(rows).one()
    return count, seconds_since(first, now)


def count_unprocessed(session: Session) -> int:
    """Count received messages that are not processed yet."""
    return (
        session.scalar(select(func.count()).select_from(IncomingMessage).where(IncomingMessage.processed_at.is_(None)))
        or 0
    )


def count_unapplied_reports(session: Session) -> int:
    """Count delivery reports without a matching attempt."""
    return (
        session.scalar(select(func.count()).select_from(ProviderEvent).where(ProviderEvent.applied_at.is_(None))) or 0
    )


def count_alerts(session: Session) -> dict[str, tuple[int, int]]:
    """Count by kind how often alerts were raised since they were last cleared, and how many are open."""
    times, open_ = func.sum(MessageAlert.times), func.count().filter(MessageAlert.cleared_at.is_(None))
    rows = session.execute(select(MessageAlert.kind, times, open_).group_by(MessageAlert.kind))
    return {kind: (int(raised), count) for kind, raised, count in rows}


def count_webhook_failures(session: Session) -> dict[str, int]:
    """Count the failures of each webhook since its alert was last cleared."""
    rows = select(MessageAlert.key, MessageAlert.times).where(MessageAlert.kind == "webhook")
    return {name: times for name, times in session.execute(rows)}  # noqa: C416 - a row is not a pair to mypy


def active_senders(session: Session) -> Sequence[Sender]:
    """Return the senders that are in the settings."""
    return session.scalars(select(Sender).where(Sender.active).order_by(Sender.id)).all()


def job_ages(session: Session, now: datetime) -> dict[str, float]:
    """Return the seconds since each job of the worker last succeeded. Jobs that never did are omitted."""
    rows = session.scalars(select(JobLease).where(JobLease.last_ok.is_not(None)))
    return {row.name: seconds_since(row.last_ok, now) for row in rows}
