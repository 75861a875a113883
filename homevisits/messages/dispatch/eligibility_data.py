"""Load the data that `eligibility.check_eligibility` needs, for many messages in a few queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, exists, or_, select, text
from sqlalchemy.orm import Session

from homevisits.messages.models import (
    DeliveryAttempt,
    MessageAlert,
    OptOutEntry,
    OutgoingMessage,
    Phone,
    QuietDay,
    TrialRecipient,
)

DAY, WEEK = timedelta(hours=24), timedelta(days=7)


@dataclass(frozen=True)
class Facts:
    """By phone: state, opt-out entry and recently sent messages, newest first; also paused templates."""

    phones: dict[str, Row[Any]]
    sent: dict[str, list[Any]]
    paused: frozenset[str]
    quiet: Sequence[tuple[int | None, date]]

    def quiet_days(self, school_id: int | None) -> frozenset[date]:
        """Return the quiet days of a school."""
        return frozenset(day for school, day in self.quiet if school is None or school == school_id)


def load_facts(session: Session, rows: Sequence[OutgoingMessage], now: datetime) -> Facts:
    """Load the data for these messages. On PostgreSQL the caller must have locked the phones."""
    params = {"phones": sorted({row.phone for row in rows}), "since": now - WEEK, "yesterday": now.date() - DAY}
    phones = {one.e164: one for one in session.execute(_PHONES, params)}
    sent: dict[str, list[Any]] = {}
    if any(one.sent for one in phones.values()):
        for each in session.execute(_SENT, params):
            sent.setdefault(each.phone, []).append(each)
    paused = session.scalars(_PAUSED).all()
    quiet = [(one.school_id, one.day) for one in session.execute(_QUIET, params)]
    return Facts(phones, sent, frozenset(paused), quiet)


def _phones() -> Any:
    entry = (
        select(OptOutEntry.entry)
        .where(OptOutEntry.phone == Phone.e164)
        .order_by(OptOutEntry.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    # A literal, because a partial index is not used for a parameter.
    busy = exists().where(OutgoingMessage.phone == Phone.e164, text("outgoing_message.state = 'sending'"))
    sent = exists().where(DeliveryAttempt.phone == Phone.e164, DeliveryAttempt.started_at > bindparam("since"))
    return select(
        Phone.e164,
        Phone.state,
        entry.label("entry"),
        exists().where(TrialRecipient.phone == Phone.e164).label("guest"),
        busy.label("busy"),
        sent.label("sent"),
    ).where(Phone.e164.in_(bindparam("phones", expanding=True)))


_PHONES = _phones()
_SENT = (
    select(
        DeliveryAttempt.phone,
        DeliveryAttempt.message_id,
        DeliveryAttempt.started_at,
        DeliveryAttempt.body_sha256,
        OutgoingMessage.category,
        OutgoingMessage.subject,
        OutgoingMessage.not_before,
    )
    .join(OutgoingMessage, OutgoingMessage.id == DeliveryAttempt.message_id)
    .where(
        DeliveryAttempt.phone.in_(bindparam("phones", expanding=True)),
        DeliveryAttempt.started_at > bindparam("since"),
        # Unclear attempts count as sent.
        or_(DeliveryAttempt.outcome.is_(None), DeliveryAttempt.outcome.in_(("accepted", "unclear"))),
    )
    .order_by(DeliveryAttempt.started_at.desc())
)
_PAUSED = select(MessageAlert.key).where(MessageAlert.kind == "template_paused", MessageAlert.cleared_at.is_(None))
_QUIET = select(QuietDay.school_id, QuietDay.day).where(QuietDay.day >= bindparam("yesterday"))
