"""Look up unclear attempts at the provider and poll accepted messages for their final status.

No transaction is open during a provider call. The answer is recorded in its own transaction, if the locked attempt has
not changed since; a callback in between takes precedence. Any number of workers may run these functions.

A failed lookup does not count; it is retried with growing delays for three days. After that the message stays `unknown`
and is never resent automatically.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.db import Database
from homevisits.messages.callbacks import delivery_status
from homevisits.messages.callbacks.delivery_status import StatusUpdate
from homevisits.messages.dispatch import transitions
from homevisits.messages.dispatch.retry_policy import LOOKUP_DELAYS
from homevisits.messages.models import DeliveryAttempt
from homevisits.messages.monitoring import alerts
from homevisits.messages.providers.base import (
    MessageRejected,
    OutcomeUnknown,
    Provider,
    ProviderMessage,
    ProviderUnavailable,
)
from homevisits.messages.providers.status import is_final
from homevisits.messages.reconciliation import matching

BATCH_SIZE = 100  # attempts looked up in a run
MIN_RETRY_DELAY, MAX_RETRY_DELAY = timedelta(seconds=30), timedelta(minutes=15)  # after a failed lookup
MIN_POLL_INTERVAL = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(days=3)  # no lookups and polls after this time
LOOKUP_ERRORS = (ProviderUnavailable, OutcomeUnknown, MessageRejected)  # the lookup failed

T = TypeVar("T")
log = structlog.get_logger("homevisits.reconciliation")


@dataclass(frozen=True)
class DueAttempt:
    """Snapshot of an attempt before its lookup."""

    attempt_id: str
    provider: str
    phone: str
    provider_message_id: str | None
    lookups: int
    since: datetime  # when the call to the provider ended


def look_up_unclear(database: Database, providers: Collection[Provider], now: Callable[[], datetime]) -> int:
    """Look up unclear attempts that are due (`next_check_at`); return how many were resolved.

    An attempt is found if the provider lists a matching message (see `matching.find_match`). If it is not listed after
    ten minutes, it was not sent. If the provider has no lookup, staff must handle the message after that time; it is
    not sent again. Reports that could not be matched earlier are applied first.
    """
    with database.transaction() as session:
        resolved = delivery_status.apply_stored_reports(session, now())
    by_name = {provider.name: provider for provider in providers}
    failed: set[str] = set()  # providers that are not called again in this run
    for due in _due_attempts(database, "unclear", now(), BATCH_SIZE):
        provider = by_name.get(due.provider)
        try:
            if due.provider in failed:
                raise ProviderUnavailable("no_status")
            looked_up = provider is not None and provider.supports_lookup
            messages = (
                _call_provider(due.provider, partial(provider.find_messages, due.phone))
                if provider is not None and looked_up
                else []
            )
        except LOOKUP_ERRORS as error:
            failed.add(due.provider)
            _retry_lookup(database, due, str(error), now())
            continue
        resolved += _record_lookup(database, due, messages, now(), looked_up=looked_up)
    return resolved


def _call_provider(provider: str, call: Callable[[], T]) -> T:
    """Call the provider. Treat a bug as a failed lookup, so that it does not block other messages."""
    try:
        return call()
    except LOOKUP_ERRORS:
        raise
    except Exception as bug:
        log.exception("provider_unexpected_error", provider=provider)
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
                attempt_id=row.attempt_id,
                provider=row.provider,
                phone=row.phone,
                provider_message_id=row.provider_message_id,
                lookups=row.lookups,
                since=row.finished_at or row.started_at,
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
        or attempt.lookups != due.lookups
    ):
        return None
    return attempt


def _record_lookup(
    database: Database, due: DueAttempt, messages: Sequence[ProviderMessage], now: datetime, *, looked_up: bool
) -> int:
    with database.transaction() as session:
        attempt = _lock_unchanged(session, due)
        if attempt is None or attempt.outcome != "unclear":
            return 0
        match = matching.find_match(session, attempt, messages)
        if match is not None:
            delivery_status.apply_status(
                session, attempt, StatusUpdate(match.provider_message_id, match.status, match.code), now
            )
            return 1
        attempt.lookups += 1
        remaining = [due.since + delay for delay in LOOKUP_DELAYS if due.since + delay > now]
        if remaining:
            attempt.next_check_at = remaining[0]
            return 0
        transitions.mark_not_found(session, attempt, now, looked_up=looked_up)
        return 1


def _retry_lookup(database: Database, due: DueAttempt, error: str, now: datetime) -> None:
    """Retry a failed lookup after half the elapsed time, at most 15 minutes."""
    with database.transaction() as session:
        attempt = _lock_unchanged(session, due)
        if attempt is None:
            return
        elapsed = now - due.since
        if elapsed < GIVE_UP_AFTER:
            attempt.next_check_at = now + min(max(elapsed / 2, MIN_RETRY_DELAY), MAX_RETRY_DELAY)
            return
        attempt.next_check_at = None
        alerts.raise_alert(session, "no_status", due.provider, now, error)


def poll_accepted(
    database: Database, providers: Collection[Provider], now: Callable[[], datetime], limit: int = 500
) -> int:
    """Poll messages without a final status after an hour; return how many statuses changed.

    Each is polled every five minutes at first, then less often, for three days.
    """
    by_name = {provider.name: provider for provider in providers}
    failed: set[str] = set()
    changes = 0
    for due in _due_attempts(database, "accepted", now(), limit):
        provider = by_name.get(due.provider)
        if due.provider in failed:
            continue  # it stays due
        try:
            message = (
                _call_provider(due.provider, partial(provider.get_message, due.provider_message_id))
                if provider is not None and due.provider_message_id is not None
                else None
            )
        except LOOKUP_ERRORS as error:
            failed.add(due.provider)
            log.warning("status_poll_failed", provider=due.provider, code=str(error))
            _record_failed_poll(database, due, None, now())
            continue
        supports_lookup = provider is not None and provider.supports_lookup
        changes += _record_poll(database, due, message, now(), supports_lookup=supports_lookup)
    return changes


def _record_poll(
    database: Database, due: DueAttempt, message: ProviderMessage | None, now: datetime, *, supports_lookup: bool
) -> bool:
    if message is None:
        return _record_failed_poll(database, due, "missing" if supports_lookup else None, now)
    with database.transaction() as session:
        attempt = _lock_unchanged(session, due)
        if attempt is None:
            return False
        attempt.lookups += 1
        if is_final(message.status):
            attempt.next_check_at = None
            reported = StatusUpdate(message.provider_message_id, message.status, message.code)
            return delivery_status.apply_status(session, attempt, reported, now)
        reported = StatusUpdate(message.provider_message_id, message.status)
        has_changed = delivery_status.apply_status(session, attempt, reported, now)
        attempt.next_check_at = _next_poll_at(session, due, now)
        return has_changed


def _record_failed_poll(database: Database, due: DueAttempt, alert: str | None, now: datetime) -> bool:
    """Schedule the next poll, or stop polling and raise `alert`, if given. Always False."""
    with database.transaction() as session:
        attempt = _lock_unchanged(session, due)
        if attempt is not None:
            attempt.lookups += 1
            attempt.next_check_at = _next_poll_at(session, due, now)
            if alert is not None:
                attempt.next_check_at = None
                alerts.raise_alert(session, alert, due.provider, now, due.provider_message_id or "")
    return False


def _next_poll_at(session: Session, due: DueAttempt, now: datetime) -> datetime | None:
    """Return the time of the next poll: after 1/12 of the elapsed time. None, with an alert, after 3 days."""
    elapsed = now - due.since
    if elapsed < GIVE_UP_AFTER:
        return now + max(MIN_POLL_INTERVAL, elapsed / 12)
    alerts.raise_alert(session, "no_final_status", due.provider, now, due.provider_message_id or "")
    return None
