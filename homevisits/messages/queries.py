"""Readings of the outbox for whoever put a text in: the newest question of a phone, the texts about something."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.messages.models import OutboxText


def newest_question(session: Session, phone: str) -> OutboxText | None:
    """The newest text to `phone` that asked something and left."""
    return session.scalar(
        select(OutboxText)
        .where(
            OutboxText.phone == phone,
            OutboxText.asks.is_not(None),
            OutboxText.state.in_(("sending", "accepted", "delivered", "unknown")),
        )
        .order_by(OutboxText.id.desc())
        .limit(1)
    )


def about(session: Session, subject: str) -> Sequence[OutboxText]:
    """The texts about `subject`, oldest first."""
    return session.scalars(select(OutboxText).where(OutboxText.about == subject).order_by(OutboxText.id)).all()
