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
BATCH_SIZE = 100
MIN_RETRY_DELAY, MAX_RETRY_DELAY = timedelta(seconds=30), timedelta(minutes=15)
MIN_POLL_INTERVAL = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(days=3)
"""Lookups and polls end after this time."""
LOOKUP_ERRORS = (ProviderUnavailable, OutcomeUnknown, MessageRejected)
"""Exceptions that mean that a lookup failed."""

T = TypeVar("T")
log = logging.getLogger("homevisits.reconcile")


@dataclass(frozen=True)
class DueAttempt:
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


def look_up_unclear(database: Database, providers: Collection[Provider], now: Callable[[], datetime]) -> int:
    """Look up unclear attempts that are due (`next_check_at`); return how many were resolved.

    An attempt is found if the provider lists a matching message (see `matching.same`). If it is not listed after ten
    minutes, it was not sent. If the provider has no lookup, staff must handle the message after that time; it is not
    sent again. Reports that could not be matched earlier are applied first.
    """
    with database.transaction() as session:
        settled = delivery_status.apply_stored_reports(session, now())
    by_name = {provider.name: provider for provider in providers}
    silent: set[str] = set()
    for due in _due_attempts(database, "unclear", now(), BATCH_SIZE):
        provider = by_name.get(due.provider)
        try:
            if due.provider in silent:
                raise ProviderUnavailable("not_asked")
            asked = provider is not None and provider.can_find
            seen = _call_provider(partial(provider.find, due.phone)) if provider is not None and asked else []
        except LOOKUP_ERRORS as failure:
            silent.add(due.provider)
            _retry_lookup(database, due, str(failure), now())
            continue
        settled += _record_lookup(database, due, seen, now(), asked=asked)
    return settled


def _call_provider(question: Callable[[], T]) -> T:
    """Call the provider. Treat a bug as a failed lookup, so that it does not block other messages."""
    try:
        return question()
    except LOOKUP_ERRORS:
        raise
    except Exception as bug:
        log.exception("unexpected provider exception")
        raise OutcomeUnknown("provider_bug") from bug


def _due_attempts(database: Database, outcome: str, now: datetime, limit: int) -> list[DueAttempt]:
    with database.reading() as session:
        rows = session.scalars(
            select(DeliveryAttempt)
            .where(DeliveryAttempt.next_check_at <= now, DeliveryAttempt.outcome == outcome)
            .order_by(DeliveryAttempt.next_check_at, DeliveryAttempt.started_at)
            .limit(limit)
        )
        return [
            DueAttempt(
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


def _lock_unchanged(session: Session, due: DueAttempt) -> DeliveryAttempt | None:
    """Lock and return the attempt; None if it was updated or checked in the meantime."""
    attempt = delivery_status.lock_attempt(session, due.attempt_id)
    if (
        attempt is None
        or attempt.provider_message_id != due.provider_message_id
        or attempt.next_check_at is None
        or attempt.looks != due.looks
    ):
        return None
    return attempt


def _record_lookup(
    database: Database, due: DueAttempt, seen: Sequence[ProviderMessage], now: datetime, *, asked: bool
) -> int:
    with database.transaction() as session:
        attempt = _lock_unchanged(session, due)
        if attempt is None or attempt.outcome != "unclear":
            return 0
        found = matching.find_match(session, attempt, seen)
        if found is not None:
            delivery_status.apply_status(session, attempt, found.provider_message_id, found.status, found.code, now)
            return 1
        attempt.looks += 1
        coming = [due.since + after for after in LOOKS if due.since + after > now]
        if coming:
            attempt.next_check_at = coming[0]
            return 0
        transitions.not_found(session, attempt, now, asked=asked)
        return 1


def _retry_lookup(database: Database, due: DueAttempt, why: str, now: datetime) -> None:
    """Retry a failed lookup after half the elapsed time, at most 15 minutes."""
    with database.transaction() as session:
        attempt = _lock_unchanged(session, due)
        if attempt is None:
            return
        been = now - due.since
        if been < GIVE_UP_AFTER:
            attempt.next_check_at = now + min(max(been / 2, MIN_RETRY_DELAY), MAX_RETRY_DELAY)
            return
        attempt.next_check_at = None
        alerts.raise_alert(session, "not_asked", due.provider, now, why)


def poll_accepted(
    database: Database, providers: Collection[Provider], now: Callable[[], datetime], limit: int = 500
) -> int:
    """Poll messages without a final status after an hour; return how many statuses changed.

    Each is polled every five minutes at first, then less often, for three days.
    """
    by_name = {provider.name: provider for provider in providers}
    silent: set[str] = set()
    news = 0
    for due in _due_attempts(database, "accepted", now(), limit):
        provider = by_name.get(due.provider)
        if due.provider in silent:
            continue  # it stays due
        try:
            seen = (
                _call_provider(partial(provider.status, due.provider_message_id))
                if provider is not None and due.provider_message_id is not None
                else None
            )
        except LOOKUP_ERRORS as failure:
            silent.add(due.provider)
            log.warning("no message status from provider %s: %s", due.provider, failure)
            _record_failed_poll(database, due, None, now())
            continue
        can_tell = provider is not None and provider.can_find
        news += _record_poll(database, due, seen, can_tell, now())
    return news


def _record_poll(
    database: Database, due: DueAttempt, seen: ProviderMessage | None, can_tell: bool, now: datetime
) -> bool:
    if seen is None:
        return _record_failed_poll(database, due, "missing" if can_tell else None, now)
    with database.transaction() as session:
        attempt = _lock_unchanged(session, due)
        if attempt is None:
            return False
        attempt.looks += 1
        if ranks.is_final(seen.status):
            attempt.next_check_at = None
            return delivery_status.apply_status(session, attempt, seen.provider_message_id, seen.status, seen.code, now)
        news = delivery_status.apply_status(session, attempt, seen.provider_message_id, seen.status, "", now)
        attempt.next_check_at = _next_poll_at(session, due, now)
        return news


def _record_failed_poll(database: Database, due: DueAttempt, alert: str | None, now: datetime) -> bool:
    """Schedule the next poll, or stop polling and raise `alert`, if given. Always False."""
    with database.transaction() as session:
        attempt = _lock_unchanged(session, due)
        if attempt is not None:
            attempt.looks += 1
            attempt.next_check_at = _next_poll_at(session, due, now)
            if alert is not None:
                attempt.next_check_at = None
                alerts.raise_alert(session, alert, due.provider, now, due.provider_message_id or "")
    return False


def _next_poll_at(session: Session, due: DueAttempt, now: datetime) -> datetime | None:
    """Return the time of the next poll: after 1/12 of the elapsed time. None, with an alert, after 3 days."""
    been = now - due.since
    if been < GIVE_UP_AFTER:
        return now + max(MIN_POLL_INTERVAL, been / 12)
    alerts.raise_alert(session, "no_last_word", due.provider, now, due.provider_message_id or "")
    return None
