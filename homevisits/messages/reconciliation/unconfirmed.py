"""Look up unclear attempts at the provider and poll accepted messages for their final status.

No transaction is open during a provider call. The answer is recorded in its own transaction, if the locked attempt has
not changed since; a callback in between takes precedence. Any number of workers may run these functions.

A failed lookup does not count; it is retried with growing delays for three days. After that the message stays `unknown`
and is never resent automatically.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.db import Database
from homevisits.messages.callbacks import delivery_status
from homevisits.messages.dispatch import retry_policy, transitions
from homevisits.messages.models import DeliveryAttempt
from homevisits.messages.monitoring import alerts
from homevisits.messages.providers import status as ranks
from homevisits.messages.providers.base import (
    MessageRejected,
    OutcomeUnknown,
    Provider,
    ProviderMessage,
    ProviderUnavailable,
)
from homevisits.messages.reconciliation import matching

LOOKS = retry_policy.LOOKUP_DELAYS
AT_A_TIME = 100
AGAIN_AT_FIRST, AGAIN_AT_MOST = timedelta(seconds=30), timedelta(minutes=15)
POLL_EVERY = timedelta(minutes=5)
PATIENCE = timedelta(days=3)
"""Lookups and polls end after this time."""
SILENT = (ProviderUnavailable, OutcomeUnknown, MessageRejected)
"""Exceptions that mean that a lookup failed."""

T = TypeVar("T")
log = logging.getLogger("homevisits.reconcile")


@dataclass(frozen=True)
class Due:
    """Snapshot of an attempt before its lookup."""

    attempt_id: str
    provider: str
    phone: str
    body_sha256: str
    provider_message_id: str | None
    status: str | None
    looks: int
    started_at: datetime
    since: datetime


def look(database: Database, providers: Collection[Provider], now: Callable[[], datetime]) -> int:
    """Look up unclear attempts that are due (`next_check_at`); return how many were resolved.

    An attempt is found if the provider lists a matching message (see `matching.same`). If it is not listed after ten
    minutes, it was not sent. If the provider has no lookup, staff must handle the message after that time; it is not
    sent again. Reports that could not be matched earlier are applied first.
    """
    with database.transaction() as session:
        settled = delivery_status.catch_up(session, now())
    by_name = {provider.name: provider for provider in providers}
    silent: set[str] = set()
    for due in _due(database, "unclear", now(), AT_A_TIME):
        provider = by_name.get(due.provider)
        try:
            if due.provider in silent:
                raise ProviderUnavailable("not_asked")
            asked = provider is not None and provider.can_find
            seen = _ask(partial(provider.find, due.phone)) if provider is not None and asked else []
        except SILENT as failure:
            silent.add(due.provider)
            _later(database, due, str(failure), now())
            continue
        settled += _looked(database, due, seen, now(), asked=asked)
    return settled


def _ask(question: Callable[[], T]) -> T:
    """Call the provider. Treat a bug as a failed lookup, so that it does not block other messages."""
    try:
        return question()
    except SILENT:
        raise
    except Exception as bug:
        log.exception("unexpected provider exception")
        raise OutcomeUnknown("provider_bug") from bug


def _due(database: Database, outcome: str, now: datetime, limit: int) -> list[Due]:
    with database.reading() as session:
        rows = session.scalars(
            select(DeliveryAttempt)
            .where(DeliveryAttempt.next_check_at <= now, DeliveryAttempt.outcome == outcome)
            .order_by(DeliveryAttempt.next_check_at, DeliveryAttempt.started_at)
            .limit(limit)
        )
        return [
            Due(
                row.attempt_id,
                row.provider,
                row.phone,
                row.body_sha256,
                row.provider_message_id,
                row.status,
                row.looks,
                row.started_at,
                row.finished_at or row.started_at,
            )
            for row in rows
        ]


def _held(session: Session, due: Due) -> DeliveryAttempt | None:
    """Lock and return the attempt; None if it was updated or checked in the meantime."""
    attempt = delivery_status.locked(session, due.attempt_id)
    if (
        attempt is None
        or attempt.provider_message_id != due.provider_message_id
        or attempt.next_check_at is None
        or attempt.looks != due.looks
    ):
        return None
    return attempt


def _looked(database: Database, due: Due, seen: Sequence[ProviderMessage], now: datetime, *, asked: bool) -> int:
    with database.transaction() as session:
        attempt = _held(session, due)
        if attempt is None or attempt.outcome != "unclear":
            return 0
        found = matching.same(session, attempt, seen)
        if found is not None:
            delivery_status.heard(session, attempt, found.provider_message_id, found.status, found.code, now)
            return 1
        attempt.looks += 1
        coming = [due.since + after for after in LOOKS if due.since + after > now]
        if coming:
            attempt.next_check_at = coming[0]
            return 0
        transitions.not_found(session, attempt, now, asked=asked)
        return 1


def _later(database: Database, due: Due, why: str, now: datetime) -> None:
    """Retry a failed lookup after half the elapsed time, at most 15 minutes."""
    with database.transaction() as session:
        attempt = _held(session, due)
        if attempt is None:
            return
        been = now - due.since
        if been < PATIENCE:
            attempt.next_check_at = now + min(max(been / 2, AGAIN_AT_FIRST), AGAIN_AT_MOST)
            return
        attempt.next_check_at = None
        alerts.raise_alert(session, "not_asked", due.provider, now, why)


def poll(database: Database, providers: Collection[Provider], now: Callable[[], datetime], limit: int = 500) -> int:
    """Poll messages without a final status after an hour; return how many statuses changed.

    Each is polled every five minutes at first, then less often, for three days.
    """
    by_name = {provider.name: provider for provider in providers}
    silent: set[str] = set()
    news = 0
    for due in _due(database, "accepted", now(), limit):
        provider = by_name.get(due.provider)
        if due.provider in silent:
            continue  # it stays due
        try:
            seen = (
                _ask(partial(provider.status, due.provider_message_id))
                if provider is not None and due.provider_message_id is not None
                else None
            )
        except SILENT as failure:
            silent.add(due.provider)
            log.warning("no message status from provider %s: %s", due.provider, failure)
            _asked_later(database, due, None, now())
            continue
        can_tell = provider is not None and provider.can_find
        news += _polled(database, due, seen, can_tell, now())
    return news


def _polled(database: Database, due: Due, seen: ProviderMessage | None, can_tell: bool, now: datetime) -> bool:
    if seen is None:
        return _asked_later(database, due, "missing" if can_tell else None, now)
    with database.transaction() as session:
        attempt = _held(session, due)
        if attempt is None:
            return False
        attempt.looks += 1
        if ranks.is_final(seen.status):
            attempt.next_check_at = None
            return delivery_status.heard(session, attempt, seen.provider_message_id, seen.status, seen.code, now)
        news = delivery_status.heard(session, attempt, seen.provider_message_id, seen.status, "", now)
        attempt.next_check_at = _next_poll(session, due, now)
        return news


def _asked_later(database: Database, due: Due, alert: str | None, now: datetime) -> bool:
    """Schedule the next poll, or stop polling and raise `alert`, if given. Always False."""
    with database.transaction() as session:
        attempt = _held(session, due)
        if attempt is not None:
            attempt.looks += 1
            attempt.next_check_at = _next_poll(session, due, now)
            if alert is not None:
                attempt.next_check_at = None
                alerts.raise_alert(session, alert, due.provider, now, due.provider_message_id or "")
    return False


def _next_poll(session: Session, due: Due, now: datetime) -> datetime | None:
    """Return the time of the next poll: after 1/12 of the elapsed time. None, with an alert, after 3 days."""
    been = now - due.since
    if been < PATIENCE:
        return now + max(POLL_EVERY, been / 12)
    alerts.raise_alert(session, "no_last_word", due.provider, now, due.provider_message_id or "")
    return None
