"""Who may be texted: the append-only ledger of stops and starts. A stop holds at once, for every text queued."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from homevisits.messages.models import DeliveryAttempt, OptOutEntry, OutgoingMessage

ANSWERS = frozenset({"stop_confirmed", "wrong_number_confirmed", "help"})
"""Texts that answer the family's own word and leave even after a stop: the one confirmation, and HELP."""


def newest(session: Session, phone: str) -> OptOutEntry | None:
    """The entry that counts for `phone`; None: nobody ever said stop."""
    return session.scalar(
        select(OptOutEntry).where(OptOutEntry.phone == phone).order_by(OptOutEntry.id.desc()).limit(1)
    )


def may_text(session: Session, phone: str) -> bool:
    """Whether texts may go to `phone`."""
    entry = newest(session, phone)
    return entry is None or entry.entry == "start"


def stopped(session: Session, phones: Collection[str]) -> frozenset[str]:
    """Those of `phones` that no text may go to."""
    return frozenset(session.scalars(_STOPPED, {"phones": list(phones)}))


_NEWEST_OF = (
    select(func.max(OptOutEntry.id))
    .where(OptOutEntry.phone.in_(bindparam("phones", expanding=True)))
    .group_by(OptOutEntry.phone)
)
_STOPPED = select(OptOutEntry.phone).where(OptOutEntry.id.in_(_NEWEST_OF), OptOutEntry.entry == "stop")


def stop(
    session: Session,
    phone: str,
    reason: str,
    now: datetime,
    evidence: str | None = None,
    *,
    how: str | None = None,
    by_account: int | None = None,
) -> OptOutEntry | None:
    """End texting to `phone`: the ledger's new entry (None when it had ended already), and nothing queued leaves.

    ``how`` (text | phone | in_person | letter | web) and ``by_account``: how a person of ours was told, and who.
    """
    entry = None
    if may_text(session, phone):
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
            OutgoingMessage.template.not_in(ANSWERS),
        )
        .values(state="suppressed", error="stopped", hold_reason=None)
        .execution_options(synchronize_session="fetch")
    )
    return entry


def refused(session: Session, phone: str, message_id: int, now: datetime) -> OptOutEntry | None:
    """The carrier says that the person at `phone` stopped it, of a text of ours: ends texting, as `stop` does.

    What it says of a text that was tried before the family started anew, and tells late, is older than that start.
    """
    tried = session.scalar(select(func.max(DeliveryAttempt.started_at)).where(DeliveryAttempt.message_id == message_id))
    held = newest(session, phone)
    if held is not None and held.entry == "start" and tried is not None and tried <= held.at:
        return None
    return stop(session, phone, "carrier", now, evidence=f"outbox:{message_id}")


def start(session: Session, phone: str, now: datetime, evidence: str | None = None) -> OptOutEntry | None:
    """The family wants texts again: lifts a stop it made itself, or one the carrier reported of it; no other."""
    held = newest(session, phone)
    if held is None or held.entry == "start" or held.reason not in ("family", "carrier"):
        return None
    entry = OptOutEntry(phone=phone, entry="start", reason="family", at=now, evidence=evidence)
    session.add(entry)
    session.flush()
    return entry


def lift(
    session: Session, phone: str, now: datetime, by_account: int, *, how: str | None = None, evidence: str | None = None
) -> OptOutEntry | None:
    """A person of ours lifts a stop, because the family told them to; not one the carrier holds: it would not obey."""
    held = newest(session, phone)
    if held is None or held.entry == "start" or held.reason == "carrier":
        return None
    entry = OptOutEntry(
        phone=phone, entry="start", reason="staff", at=now, evidence=evidence, how=how, by_account=by_account
    )
    session.add(entry)
    session.flush()
    return entry
