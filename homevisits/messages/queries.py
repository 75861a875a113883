"""Readings of the outbox: what waits, what is stuck, and what a phone was sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from homevisits.messages.models import LOST, STATES, OutboxText

STUCK_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class Trouble:
    """A text that did not arrive, or may not have: the phone's last digits only, and what happened."""

    id: int
    about: str
    phone: str
    template: str
    state: str
    error: str
    at: datetime


@dataclass(frozen=True)
class Delivery:
    """Today's numbers by state, how long the oldest due text has waited, and what is stuck."""

    counts: dict[str, int]
    due: int
    oldest_due: datetime | None
    stuck: bool
    troubles: tuple[Trouble, ...]

    @property
    def arrived(self) -> int:
        """Texts that left."""
        return self.counts.get("accepted", 0) + self.counts.get("delivered", 0)

    @property
    def waiting(self) -> int:
        """Texts that are to leave."""
        return self.counts.get("held", 0) + self.counts.get("queued", 0) + self.counts.get("sending", 0)

    @property
    def failed(self) -> int:
        """Texts that surely did not arrive."""
        return sum(self.counts.get(state, 0) for state in LOST)

    @property
    def unknown(self) -> int:
        """Texts of which nobody knows."""
        return self.counts.get("unknown", 0)


def delivery(session: Session, now: datetime) -> Delivery:
    """The delivery page: everything of the last seven days, and all that waits."""
    since = now - timedelta(days=7)
    # Naming the states lets the index on (state, created_at) be used: old texts are never read.
    recent = select(OutboxText.state, func.count()).where(OutboxText.state.in_(STATES), OutboxText.created_at >= since)
    recent = recent.group_by(OutboxText.state)
    due = select(func.count(), func.min(OutboxText.next_at)).where(
        OutboxText.state == "queued", OutboxText.next_at <= now
    )
    troubled = (
        select(OutboxText)
        .where(OutboxText.state.in_((*LOST, "unknown")), OutboxText.created_at >= since)
        .order_by(OutboxText.id.desc())
        .limit(50)
    )
    waiting, first = session.execute(due).one()
    oldest = cast("datetime | None", first)  # nothing is due: no first
    return Delivery(
        counts={row[0]: row[1] for row in session.execute(recent)},
        due=waiting,
        oldest_due=oldest,
        stuck=oldest is not None and now - oldest > STUCK_AFTER,
        troubles=tuple(_trouble(row) for row in session.scalars(troubled)),
    )


def _trouble(row: OutboxText) -> Trouble:
    return Trouble(
        row.id, row.about, row.phone[-4:], row.template, row.state, row.error or "", row.sent_at or row.created_at
    )


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
