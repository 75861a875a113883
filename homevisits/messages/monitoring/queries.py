"""Queries for monitoring. Each uses an index range, so that old messages do not slow it down.

A window counts attempts by when they were begun; what became of them is what is known at `now`.
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
TIME_TO_ARRIVE = timedelta(minutes=5)
"""A text is given so long before it counts as one that has not arrived."""
RATE_LIMIT_CODES = ("429", "20429")
OPEN_STATES = ("held", "queued", "sending", "unknown")
CLOSED_STATES = ("accepted", "delivered", "undelivered", "rejected", "dead", "cancelled", "expired", "suppressed")
QUANTILES = (50, 95)
# Written out, not given apart: only so does SQLite see that its small indexes will do.
_WAITING = text("outgoing_message.state IN ('held', 'queued')")
_UNRESOLVED = text(
    "outgoing_message.state IN ('undelivered', 'rejected', 'dead') AND outgoing_message.resolved_at IS NULL"
)


@dataclass(frozen=True)
class LastHour:
    """Attempts of the last hour: all, those turned away as too many, those a provider took, those it gave up on.

    ``due``: texts taken between 65 and 5 minutes ago; ``arrived``: how many of these were delivered.
    """

    tried: int
    too_many: int
    taken: int
    lost: int
    due: int
    arrived: int


def count_by_state(session: Session, now: datetime) -> dict[str, int]:
    """How many texts are in each state: all that wait or are under way; of those that ended, the last seven days'."""
    of = select(OutgoingMessage.state, func.count()).group_by(OutgoingMessage.state)
    now_at = session.execute(of.where(OutgoingMessage.state.in_(OPEN_STATES))).all()
    ended = session.execute(
        of.where(OutgoingMessage.state.in_(CLOSED_STATES), OutgoingMessage.created_at >= now - WEEK)
    ).all()
    return dict.fromkeys((*OPEN_STATES, *CLOSED_STATES), 0) | dict(now_at) | dict(ended)


def count_held(session: Session) -> dict[str, int]:
    """Count waiting messages by hold reason."""
    rows = select(OutgoingMessage.hold_reason, func.count()).where(_WAITING, OutgoingMessage.state == "held")
    return {reason or "none": number for reason, number in session.execute(rows.group_by(OutgoingMessage.hold_reason))}


def oldest_due_age(session: Session, now: datetime) -> float:
    """Return the age in seconds of the oldest due message; 0 if there is none."""
    # One that a sender cannot take is held in its place: it is as due as before.
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
    """Seconds from `since` to `now`, never below 0; 0 for nothing."""
    return max(0.0, (now - since).total_seconds()) if since is not None else 0.0


def _started_since(since: datetime) -> ColumnElement[bool]:
    # By sender, of which there are few: the index on (sender, time) answers; one on time alone would cost every send.
    return and_(DeliveryAttempt.sender_id.in_(select(Sender.id)), DeliveryAttempt.started_at >= since)


def count_last_hour(session: Session, now: datetime) -> LastHour:
    """Count the attempts of the last hour by outcome."""
    recent = DeliveryAttempt.started_at >= now - HOUR
    taken = DeliveryAttempt.outcome == "accepted"
    ripe = and_(taken, DeliveryAttempt.started_at < now - TIME_TO_ARRIVE)
    kinds: Sequence[ColumnElement[bool]] = (
        recent,
        and_(recent, DeliveryAttempt.outcome == "down", DeliveryAttempt.code.in_(RATE_LIMIT_CODES)),
        and_(recent, taken),
        and_(
            recent, taken, DeliveryAttempt.status.in_(FINAL_STATUSES), DeliveryAttempt.status.not_in(ARRIVED_STATUSES)
        ),
        ripe,
        and_(ripe, DeliveryAttempt.status.in_(ARRIVED_STATUSES)),
    )
    sums = [func.coalesce(func.sum(case((kind, 1), else_=0)), 0) for kind in kinds]
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
    one = ranked.subquery()
    # The nearest rank: the smallest of which so many in a hundred took no longer.
    places = {quantile: (one.c.all * quantile + 99) // 100 for quantile in QUANTILES}
    chosen = select(one.c.took, one.c.place, one.c.all).where(one.c.place.in_(tuple(places.values())))
    rows = {place: (float(seconds), number) for seconds, place, number in session.execute(chosen)}
    number = next((number for _, number in rows.values()), 0)
    return {q: max(0.0, rows[(number * q + 99) // 100][0]) for q in QUANTILES if number}


def count_failures(session: Session, since: datetime) -> dict[tuple[str, str], int]:
    """Attempts begun since that failed, by provider and code; codes without a rule are together "other"."""
    rows = (
        select(DeliveryAttempt.provider, DeliveryAttempt.code, func.count())
        .where(
            _started_since(since),
            DeliveryAttempt.code.is_not(None),
            or_(DeliveryAttempt.status.is_(None), DeliveryAttempt.status.not_in(ARRIVED_STATUSES)),
        )
        .group_by(DeliveryAttempt.provider, DeliveryAttempt.code)
    )
    found: dict[tuple[str, str], int] = {}
    for provider, code, number in session.execute(rows):
        key = (provider, code if code and is_known(code) else "other")
        found[key] = found.get(key, 0) + number
    return found


def start_of_day(now: datetime, zone: str) -> datetime:
    """When the day that clocks in `zone` show began."""
    day = now.astimezone(ZoneInfo(zone)).date()
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def count_segments(session: Session, since: datetime) -> dict[str, int]:
    """Parts that each provider took, or may have taken, in attempts begun since."""
    rows = (
        select(DeliveryAttempt.provider, func.sum(DeliveryAttempt.segments))
        .where(_started_since(since), DeliveryAttempt.outcome.in_(("accepted", "unclear")))
        .group_by(DeliveryAttempt.provider)
    )
    return {provider: int(number) for provider, number in session.execute(rows)}


def count_unresolved(session: Session) -> int:
    """Count failed messages that staff have not handled."""
    return session.scalar(select(func.count()).select_from(OutgoingMessage).where(_UNRESOLVED)) or 0


def count_opted_out(session: Session) -> int:
    """Count phones that have opted out."""
    newest = select(func.max(OptOutEntry.id)).group_by(OptOutEntry.phone)
    rows = select(func.count()).select_from(OptOutEntry).where(OptOutEntry.id.in_(newest))
    return session.scalar(rows.where(OptOutEntry.entry == "stop")) or 0


def count_replies(session: Session, now: datetime) -> tuple[int, float]:
    """Count received messages that staff must answer, with the age of the oldest."""
    rows = select(func.count(), func.min(IncomingMessage.received_at)).where(IncomingMessage.needs_person.is_(True))
    number, first = session.execute(rows).one()
    return number, seconds_since(first, now)


def count_unprocessed(session: Session) -> int:
    """Count received messages that are not processed yet."""
    return (
        session.scalar(select(func.count()).select_from(IncomingMessage).where(IncomingMessage.taken_at.is_(None))) or 0
    )


def count_unapplied_reports(session: Session) -> int:
    """Count delivery reports without a matching attempt."""
    return (
        session.scalar(select(func.count()).select_from(ProviderEvent).where(ProviderEvent.applied_at.is_(None))) or 0
    )


def count_alerts(session: Session) -> dict[str, tuple[int, int]]:
    """Of each kind of alert: how often it was raised since it was last cleared, and how many are open."""
    times, open_ = func.sum(MessageAlert.times), func.count().filter(MessageAlert.cleared_at.is_(None))
    rows = session.execute(select(MessageAlert.kind, times, open_).group_by(MessageAlert.kind))
    return {kind: (int(number), waiting) for kind, number, waiting in rows}


def count_webhook_failures(session: Session) -> dict[str, int]:
    """How often each webhook failed since its alert was last cleared."""
    rows = select(MessageAlert.key, MessageAlert.times).where(MessageAlert.kind == "webhook")
    return {name: times for name, times in session.execute(rows)}  # noqa: C416 - a row is not a pair to mypy


def active_senders(session: Session) -> Sequence[Sender]:
    """What texts go out from."""
    return session.scalars(select(Sender).where(Sender.active).order_by(Sender.id)).all()


def job_ages(session: Session, now: datetime) -> dict[str, float]:
    """Seconds since each tick of the worker last went well, of those that ever did."""
    rows = session.scalars(select(JobLease).where(JobLease.last_ok.is_not(None)))
    return {row.name: seconds_since(row.last_ok, now) for row in rows}
