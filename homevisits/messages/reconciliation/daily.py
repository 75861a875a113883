"""Compare the delivery attempts of a past day with the providers' message lists."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.db import Database
from homevisits.messages.callbacks import delivery_status
from homevisits.messages.models import DeliveryAttempt, Sender
from homevisits.messages.monitoring import alerts
from homevisits.messages.providers.base import Provider, ProviderMessage
from homevisits.messages.reconciliation import matching

BATCH_SIZE = 100

log = logging.getLogger("homevisits.reconcile")


def compare_day(
    database: Database, providers: Collection[Provider], day: date, now: Callable[[], datetime]
) -> Counter[str]:
    """Compare the providers' lists of `day` (UTC) with the delivery attempts and return the counts:

    ``agreed``; ``learnt`` (a missed status); ``found`` (an unclear attempt); ``foreign`` (only at the provider: raises
    an alert); ``missing`` (not at the provider: raises an alert). Exceptions of the provider are passed on. Idempotent.
    """
    counts: Counter[str] = Counter()
    for provider in providers:
        if not provider.can_find:
            continue
        listed: set[str] = set()
        for some in _in_batches(each for each in provider.on_day(day) if each.outbound):
            listed.update(each.provider_message_id for each in some)
            with database.transaction() as session:
                counts.update(_compare_batch(session, provider.name, some, day, now()))
        counts.update(_compare_unlisted(database, provider, day, listed, now))
    log.info("message lists of the providers for %s: %s", day, dict(counts))
    return counts


def _in_batches(seen: Iterable[ProviderMessage]) -> Iterator[list[ProviderMessage]]:
    rest = iter(seen)
    # Read before a transaction is opened, because the next page may need a call to the provider.
    while some := list(islice(rest, BATCH_SIZE)):
        yield some


def _compare_batch(
    session: Session, provider: str, some: Sequence[ProviderMessage], day: date, now: datetime
) -> Iterator[str]:
    """Classify messages of the list; those that agree are found in one query."""
    sids = [each.provider_message_id for each in some]
    known = dict(session.execute(_STATUS_BY_ID.where(DeliveryAttempt.provider_message_id.in_(sids))).all())
    for each in some:
        yield (
            "agreed"
            if known.get(each.provider_message_id) == each.status
            else _compare(session, provider, each, day, now)
        )


_STATUS_BY_ID = select(DeliveryAttempt.provider_message_id, DeliveryAttempt.status)


def _compare(session: Session, provider: str, seen: ProviderMessage, day: date, now: datetime) -> str:
    attempt_id = session.scalar(
        select(DeliveryAttempt.attempt_id).where(DeliveryAttempt.provider_message_id == seen.provider_message_id)
    )
    attempt_id = attempt_id or matching.find_unclear_attempt(session, provider, seen)
    attempt = delivery_status.lock_attempt(session, attempt_id) if attempt_id is not None else None
    if attempt is None:
        alerts.raise_alert(session, "foreign", f"{provider} {day}", now, seen.provider_message_id)
        return "foreign"
    known = attempt.provider_message_id is not None
    news = delivery_status.apply_status(session, attempt, seen.provider_message_id, seen.status, seen.code, now)
    return "found" if not known else "learnt" if news else "agreed"


def _compare_unlisted(
    database: Database, provider: Provider, day: date, listed: set[str], now: Callable[[], datetime]
) -> Iterator[str]:
    """Look up messages accepted on `day` but not listed, because they may have been sent a day later."""
    for provider_message_id in _accepted_ids(database, provider.name, day):
        if provider_message_id in listed:
            continue
        seen = provider.status(provider_message_id)
        with database.transaction() as session:
            if seen is not None:
                yield _compare(session, provider.name, seen, day, now())
            else:
                alerts.raise_alert(session, "missing", f"{provider.name} {day}", now(), provider_message_id)
                yield "missing"


def _accepted_ids(database: Database, provider: str, day: date) -> list[str]:
    begins = datetime.combine(day, time(), UTC)
    ours = select(DeliveryAttempt.provider_message_id).where(
        # The condition on the sender allows the index on (sender_id, started_at).
        DeliveryAttempt.sender_id.in_(select(Sender.id).where(Sender.provider == provider)),
        DeliveryAttempt.started_at >= begins,
        DeliveryAttempt.started_at < begins + timedelta(days=1),
        DeliveryAttempt.outcome == "accepted",
    )
    with database.reading() as session:
        return [
            provider_message_id
            for provider_message_id in session.scalars(ours.order_by(DeliveryAttempt.started_at))
            if provider_message_id is not None
        ]
