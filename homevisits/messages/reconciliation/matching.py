"""Match attempts without a provider ID to messages in the provider's list."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.messages.models import DeliveryAttempt
from homevisits.messages.providers.base import ProviderMessage

MAX_CLOCK_SKEW = timedelta(seconds=5)
"""Largest difference by which the provider's clock may be behind."""
MAX_CALL_DURATION = timedelta(minutes=10)
"""Longer than any call: a message created later belongs to another attempt."""
TRIAL_PREFIX = "Sent from your Twilio trial account - "
"""Twilio adds this prefix to messages of trial accounts, in its lists too."""


def find_match(session: Session, attempt: DeliveryAttempt, seen: Sequence[ProviderMessage]) -> ProviderMessage | None:
    """Return the message in `seen` that the attempt sent: same text and time, not matched to another attempt.

    Return the oldest match, so that each of two identical attempts gets its own message.
    """
    first, last = attempt.started_at - MAX_CLOCK_SKEW, attempt.started_at + MAX_CALL_DURATION
    fits = [
        (each.created_at, each)
        for each in seen
        if each.outbound
        and each.created_at is not None
        and first <= each.created_at <= last
        and attempt.body_sha256 in (_sha256(each.body), _sha256(each.body.removeprefix(TRIAL_PREFIX)))
    ]
    taken = set(
        session.scalars(
            select(DeliveryAttempt.provider_message_id).where(
                DeliveryAttempt.provider_message_id.in_([each.provider_message_id for _, each in fits])
            )
        )
    )
    free = [(at, each) for at, each in fits if each.provider_message_id not in taken]
    return min(free, key=lambda one: one[0])[1] if free else None


def find_unclear_attempt(session: Session, provider: str, seen: ProviderMessage) -> str | None:
    """Return the token of the unclear or lost attempt that sent this message, if any."""
    if seen.created_at is None:
        return None
    near = select(DeliveryAttempt).where(
        DeliveryAttempt.phone == seen.to,
        DeliveryAttempt.started_at <= seen.created_at + MAX_CLOCK_SKEW,
        DeliveryAttempt.started_at >= seen.created_at - MAX_CALL_DURATION,
        DeliveryAttempt.provider == provider,
        DeliveryAttempt.outcome.in_(("unclear", "not_found")),
        DeliveryAttempt.provider_message_id.is_(None),
    )
    fits = (
        each.attempt_id
        for each in session.scalars(near.order_by(DeliveryAttempt.started_at))
        if find_match(session, each, [seen])
    )
    return next(fits, None)


def _sha256(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
