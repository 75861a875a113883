"""Compare the delivery attempts of a past day with the providers' message lists."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.db import Database
from homevisits.messages.callbacks import delivery_status
from homevisits.messages.callbacks.delivery_status import StatusUpdate
from homevisits.messages.models import DeliveryAttempt, Sender
from homevisits.messages.monitoring import alerts
from homevisits.messages.providers.base import Provider, ProviderMessage
from homevisits.messages.reconciliation import matching

BATCH_SIZE = 100  # messages compared in a single transaction

log = structlog.get_logger("homevisits.reconciliation")


def compare_day(
    database: Database, providers: Collection[Provider], day: date, now: Callable[[], datetime]
) -> Counter[str]:
    """Compare the providers' lists of `day` (UTC) with the delivery attempts and count the results. Idempotent.

    agreed: same status. learnt: a missed status was applied. found: an unclear attempt was found. foreign: only at the
    provider; raises an alert. missing: not at the provider; raises an alert. Exceptions of a provider are passed on.
    """
    counts: Counter[str] = Counter()
    for provider in providers:
        if not provider.supports_lookup:
            continue
        listed: set[str] = set()
        for batch in _in_batches(message for message in provider.list_messages(day) if message.outbound):
            listed.update(message.provider_message_id for message in batch)
            with database.transaction() as session:
                counts.update(_compare_batch(session, provider.name, batch, day, now()))
        counts.update(_compare_unlisted(database, provider, day, listed, now))
    log.info("provider_lists_compared", day=day.isoformat(), **counts)
    return counts


def _in_batches(messages: Iterable[ProviderMessage]) -> Iterator[list[ProviderMessage]]:
    rest = iter(messages)
    # Read before a transaction is opened, because the next page may need a call to the provider.
    while batch := list(islice(rest, BATCH_SIZE)):
        yield batch


def _compare_batch(
    session: Session, provider: str, batch: Sequence[ProviderMessage], day: date, now: datetime
) -> Iterator[str]:
    """Classify listed messages. One query finds those that agree."""
    ids = [message.provider_message_id for message in batch]
    known = dict(session.execute(_STATUS_BY_ID.where(DeliveryAttempt.provider_message_id.in_(ids))).all())
    for message in batch:
        if known.get(message.provider_message_id) == message.status:
            yield "agreed"
        else:
            yield _compare(session, provider, message, day, now)


_STATUS_BY_ID = select(DeliveryAttempt.provider_message_id, DeliveryAttempt.status)


def _compare(session: Session, provider: str, message: ProviderMessage, day: date, now: datetime) -> str:
    attempt_id = session.scalar(
        select(DeliveryAttempt.attempt_id).where(DeliveryAttempt.provider_message_id == message.provider_message_id)
    )
    attempt_id = attempt_id or matching.find_unclear_attempt(session, provider, message)
    attempt = delivery_status.lock_attempt(session, attempt_id) if attempt_id is not None else None
    if attempt is None:
        alerts.raise_alert(session, "foreign", f"{provider} {day}", now, message.provider_message_id)
        return "foreign"
    was_known = attempt.provider_message_id is not None
    reported = StatusUpdate(message.provider_message_id, message.status, message.code)
    changed = delivery_status.apply_status(session, attempt, reported, now)
    return "found" if not was_known else "learnt" if changed else "agreed"


def _compare_unlisted(
    database: Database, provider: Provider, day: date, listed: set[str], now: Callable[[], datetime]
) -> Iterator[str]:
    """Look up messages accepted on `day` but not listed, because they may have been sent a day later."""
    for provider_message_id in _accepted_ids(database, provider.name, day):
        if provider_message_id in listed:
            continue
        message = provider.get_message(provider_message_id)
        with database.transaction() as session:
            if message is not None:
                yield _compare(session, provider.name, message, day, now())
            else:
                alerts.raise_alert(session, "missing", f"{provider.name} {day}", now(), provider_message_id)
                yield "missing"


def _accepted_ids(database: Database, provider: str, day: date) -> list[str]:
    begins = datetime.combine(day, time(), UTC)
    accepted = select(DeliveryAttempt.provider_message_id).where(
        # The condition on the sender allows the index on (sender_id, started_at).
        DeliveryAttempt.sender_id.in_(select(Sender.id).where(Sender.provider == provider)),
        DeliveryAttempt.started_at >= begins,
        DeliveryAttempt.started_at < begins + timedelta(days=1),
        DeliveryAttempt.outcome == "accepted",
    )
    with database.reading() as session:
        return [
            provider_message_id
            for provider_message_id in session.scalars(accepted.order_by(DeliveryAttempt.started_at))
            if provider_message_id is not None
        ]
