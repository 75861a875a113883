"""Opt-outs: append-only ledger. An opt-out also applies to messages that are already queued."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from homevisits.messages import message_types
from homevisits.messages.models import DeliveryAttempt, OptOutEntry, OutgoingMessage


def latest_entry(session: Session, phone: str) -> OptOutEntry | None:
    """Return the current entry of `phone`; None if it never opted out."""
    return session.scalar(
        select(OptOutEntry).where(OptOutEntry.phone == phone).order_by(OptOutEntry.id.desc()).limit(1)
    )


def may_receive(session: Session, phone: str) -> bool:
    """Whether messages may be sent to `phone`: it has not opted out."""
    entry = latest_entry(session, phone)
    return entry is None or entry.entry == "start"


def find_opted_out(session: Session, phones: Collection[str]) -> frozenset[str]:
    """Return those of `phones` that have opted out."""
    return frozenset(session.scalars(_OPTED_OUT, {"phones": list(phones)}))


_LATEST_IDS = (
    select(func.max(OptOutEntry.id))
    .where(OptOutEntry.phone.in_(bindparam("phones", expanding=True)))
    .group_by(OptOutEntry.phone)
)
_OPTED_OUT = select(OptOutEntry.phone).where(OptOutEntry.id.in_(_LATEST_IDS), OptOutEntry.entry == "stop")


def opt_out(
    session: Session,
    phone: str,
    reason: str,
    now: datetime,
    evidence: str | None = None,
    *,
    how: str | None = None,
    by_account: int | None = None,
) -> OptOutEntry | None:
    """Opt out `phone` and suppress its queued messages. None if it had already opted out.

    how: text, phone, in_person, letter or web. by_account: the staff account that recorded it.
    """
    entry = None
    if may_receive(session, phone):
        entry = OptOutEntry(
            phone=phone, entry="stop", reason=reason, at=now, evidence=evidence, how=how, by_account=by_account
        )
        session.add(entry)
        session.flush()
    session.execute(
        update(OutgoingMessage)
        .where(
            OutgoingMessage.phone == phone,
            OutgoingMessage.state.in_(("held", "queued")),
            OutgoingMessage.template.not_in(message_types.names_sent_after_opt_out()),
        )
        .values(state="suppressed", error="stopped", hold_reason=None)
        .execution_options(synchronize_session="fetch")
    )
    return entry


def record_provider_opt_out(session: Session, phone: str, message_id: int, now: datetime) -> OptOutEntry | None:
    """Record an opt-out that the provider reported for a message.

    Ignore a late report of a message that was sent before the family opted in again.
    """
    last_attempt_at = session.scalar(
        select(func.max(DeliveryAttempt.started_at)).where(DeliveryAttempt.message_id == message_id)
    )
    current = latest_entry(session, phone)
    has_opted_in = current is not None and current.entry == "start"
    if current is not None and has_opted_in and last_attempt_at is not None and last_attempt_at <= current.at:
        return None
    return opt_out(session, phone, "provider", now, evidence=f"outbox:{message_id}")


def opt_in(session: Session, phone: str, now: datetime, evidence: str | None = None) -> OptOutEntry | None:
    """Opt in again at the family's request. Return None unless the family or the provider had opted it out."""
    current = latest_entry(session, phone)
    if current is None or current.entry == "start" or current.reason not in ("family", "provider"):
        return None
    entry = OptOutEntry(phone=phone, entry="start", reason="family", at=now, evidence=evidence)
    session.add(entry)
    session.flush()
    return entry


def opt_in_by_staff(
    session: Session, phone: str, now: datetime, by_account: int, *, how: str | None = None, evidence: str | None = None
) -> OptOutEntry | None:
    """Opt in again by staff. Return None after a provider opt-out, because the provider still blocks it."""
    current = latest_entry(session, phone)
    if current is None or current.entry == "start" or current.reason == "provider":
        return None
    entry = OptOutEntry(
        phone=phone, entry="start", reason="staff", at=now, evidence=evidence, how=how, by_account=by_account
    )
    session.add(entry)
    session.flush()
    return entry
