"""Which text in a carrier's list is the one an attempt sent, when the answer that would have told its id is lost."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.messages.models import DeliveryAttempt
from homevisits.messages.providers.base import ProviderMessage

SKEW = timedelta(seconds=5)
"""The carrier's clock may be so far behind ours."""
LONGEST = timedelta(minutes=10)
"""No call takes so long: what the carrier took later is another text with the same words."""
TRIAL_PREFIX = "Sent from your Twilio trial account - "
"""What Twilio puts before a trial account's words, in its lists too."""


def same(session: Session, attempt: DeliveryAttempt, seen: Sequence[ProviderMessage]) -> ProviderMessage | None:
    """The text among `seen` (all to the attempt's phone) that it sent: ours, the same words, not older, nobody else's.

    The oldest that can be: of two alike, each attempt finds one.
    """
    first, last = attempt.started_at - SKEW, attempt.started_at + LONGEST
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


def unsure(session: Session, carrier: str, seen: ProviderMessage) -> str | None:
    """The token of an attempt nobody was sure of, or taken for lost, that sent this text; None: there is none."""
    if seen.created_at is None:
        return None
    near = select(DeliveryAttempt).where(
        DeliveryAttempt.phone == seen.to,
        DeliveryAttempt.started_at <= seen.created_at + SKEW,
        DeliveryAttempt.started_at >= seen.created_at - LONGEST,
        DeliveryAttempt.carrier == carrier,
        DeliveryAttempt.outcome.in_(("unclear", "not_found")),
        DeliveryAttempt.provider_message_id.is_(None),
    )
    fits = (
        each.attempt_id
        for each in session.scalars(near.order_by(DeliveryAttempt.started_at))
        if same(session, each, [seen])
    )
    return next(fits, None)


def _sha256(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
