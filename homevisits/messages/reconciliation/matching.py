"""Match attempts without a provider ID to messages in the provider's list."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.messages.models import DeliveryAttempt
from homevisits.messages.providers.base import ProviderMessage

MAX_CLOCK_SKEW = timedelta(seconds=5)  # the provider's clock may be behind by this much
MAX_CALL_DURATION = timedelta(minutes=10)  # a message created later than this belongs to another attempt
TRIAL_PREFIX = "Sent from your Twilio trial account - "  # Twilio adds it to messages of trial accounts


def find_match(
    session: Session, attempt: DeliveryAttempt, messages: Sequence[ProviderMessage]
) -> ProviderMessage | None:
    """Return the message that the attempt sent: same text and time, not matched to another attempt.

    Return the oldest match, so that each of two identical attempts gets its own message.
    """
    first, last = attempt.started_at - MAX_CLOCK_SKEW, attempt.started_at + MAX_CALL_DURATION
    matches = [
        (message.created_at, message)
        for message in messages
        if message.outbound
        and message.created_at is not None
        and first <= message.created_at <= last
        and attempt.body_sha256 in (_sha256(message.body), _sha256(message.body.removeprefix(TRIAL_PREFIX)))
    ]
    matched_ids = set(
        session.scalars(
            select(DeliveryAttempt.provider_message_id).where(
                DeliveryAttempt.provider_message_id.in_([message.provider_message_id for _, message in matches])
            )
        )
    )
    free = [(at, message) for at, message in matches if message.provider_message_id not in matched_ids]
    return min(free, key=lambda match: match[0])[1] if free else None


def find_unclear_attempt(session: Session, provider: str, message: ProviderMessage) -> str | None:
    """Return the ID of the unclear or not found attempt that sent this message, if any."""
    if message.created_at is None:
        return None
    nearby = select(DeliveryAttempt).where(
        DeliveryAttempt.provider == provider,
        DeliveryAttempt.phone == message.to,
        DeliveryAttempt.started_at.between(message.created_at - MAX_CALL_DURATION, message.created_at + MAX_CLOCK_SKEW),
        DeliveryAttempt.outcome.in_(("unclear", "not_found")),
        DeliveryAttempt.provider_message_id.is_(None),
    )
    matches = (
        attempt.attempt_id
        for attempt in session.scalars(nearby.order_by(DeliveryAttempt.started_at))
        if find_match(session, attempt, [message])
    )
    return next(matches, None)


def _sha256(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
