"""Store delivery reports raw and apply them; duplicates and late reports are harmless."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from homevisits.core.db import is_sqlite
from homevisits.messages.dispatch import transitions
from homevisits.messages.models import DeliveryAttempt, OutgoingMessage, ProviderEvent
from homevisits.messages.providers import error_codes
from homevisits.messages.providers import status as ranks
from homevisits.messages.recipients import opt_outs

CATCH_UP = 500
"""Events processed in one batch."""


@dataclass(frozen=True)
class Report:
    """A delivery report. `attempt_id` is the token from the callback URL."""

    provider: str
    provider_message_id: str
    status: str
    code: str
    attempt_id: str | None
    raw: Mapping[str, str]


def report(session: Session, told: Report, now: datetime) -> None:
    """Store a delivery report and apply it to its attempt if the attempt is known.

    If the report arrives before the response to the send, the token links it to the attempt. A report with an
    unknown provider ID keeps `applied_at` NULL until `catch_up` applies it.
    """
    if _has_arrived(session, told, now):
        return
    attempt = _attempt_of(session, told.attempt_id, told.provider_message_id)
    new = keep(session, told, now, now if attempt is not None else None)
    if attempt is not None and (new or _had_waited(session, told, now)):
        heard(session, attempt, told.provider_message_id, told.status, told.code, now)


def _has_arrived(session: Session, told: Report, now: datetime) -> bool:
    """Fast path in three statements: mark an accepted message as delivered. False if it does not apply.

    Same effect as `heard` and `transitions.final`, if the token and the provider ID match the same attempt.
    """
    if told.attempt_id is None or told.status != "delivered" or told.code:
        return False
    written = session.connection()
    about = {"attempt": told.attempt_id, "told": told.provider_message_id, "now": now}
    message_id = written.execute(_ATTEMPT_ARRIVED, about).scalar()
    if message_id is None:
        return False
    if not keep(session, told, now, now):
        _had_waited(session, told, now)
    written.execute(_TEXT_ARRIVED, {"text": message_id, "attempt": told.attempt_id, "now": now})
    return True


_ATTEMPT_ARRIVED = (
    update(DeliveryAttempt.__table__)  # type: ignore[arg-type]
    .where(
        DeliveryAttempt.attempt_id == bindparam("attempt"),
        DeliveryAttempt.provider_message_id == bindparam("told"),
        DeliveryAttempt.outcome == "accepted",
        DeliveryAttempt.lease_until.is_(None),
        DeliveryAttempt.status.not_in(ranks.FINAL_WORDS),
    )
    .values(status="delivered", status_at=bindparam("now"), next_check_at=None)
    .returning(DeliveryAttempt.message_id)
)
_TEXT_ARRIVED = (
    update(OutgoingMessage.__table__)  # type: ignore[arg-type]
    .where(OutgoingMessage.id == bindparam("text"), OutgoingMessage.attempt_id == bindparam("attempt"))
    .values(state="delivered", provider_status="delivered", error=None, final_at=bindparam("now"))
)


def keep(session: Session, told: Report, now: datetime, applied_at: datetime | None = None) -> bool:
    """Store a report without applying it. False if it is a duplicate.

    A single statement, so that of two simultaneous duplicates the second waits for the first.
    """
    insert = _KEEP_ON_SQLITE if is_sqlite(session) else _KEEP_ON_POSTGRESQL
    event = {
        "provider": told.provider,
        "provider_message_id": told.provider_message_id,
        "status": told.status,
        "code": told.code,
        "attempt_id": told.attempt_id,
        "raw": json.dumps(dict(told.raw), ensure_ascii=False, sort_keys=True),
        "received_at": now,
        "applied_at": applied_at,
    }
    return session.connection().execute(insert, event).first() is not None


_ONCE = ("provider", "provider_message_id", "status", "code")
_EVENTS = ProviderEvent.__table__
_KEEP_ON_SQLITE = sqlite.insert(ProviderEvent).on_conflict_do_nothing(index_elements=_ONCE).returning(_EVENTS.c.id)
_KEEP_ON_POSTGRESQL = (
    postgresql.insert(ProviderEvent).on_conflict_do_nothing(index_elements=_ONCE).returning(_EVENTS.c.id)
)


def _had_waited(session: Session, told: Report, now: datetime) -> bool:
    """Mark a report that was stored without a known attempt as applied. False if there is none."""
    same = (_EVENTS.c[name] == getattr(told, name) for name in _ONCE)
    waited = update(ProviderEvent).where(*same, ProviderEvent.applied_at.is_(None)).values(applied_at=now)
    found = waited.returning(ProviderEvent.id).execution_options(synchronize_session=False)
    return session.scalar(found) is not None


def _attempt_of(session: Session, attempt_id: str | None, provider_message_id: str) -> DeliveryAttempt | None:
    """Lock and return the attempt of a report, by its token or else by the provider ID."""
    found = locked(session, attempt_id) if attempt_id is not None else None
    if found is not None and found.provider_message_id is not None:
        return found
    # A lookup may have matched this provider ID to another attempt with the same text, which then owns the status.
    owner = session.scalar(
        select(DeliveryAttempt.attempt_id).where(DeliveryAttempt.provider_message_id == provider_message_id)
    )
    return locked(session, owner) if owner is not None else found


def locked(session: Session, attempt_id: str) -> DeliveryAttempt | None:
    """Lock an attempt until the transaction ends and reload it. None if it does not exist."""
    return session.scalar(_HELD, {"held": attempt_id})


_HELD = (
    select(DeliveryAttempt)
    .where(DeliveryAttempt.attempt_id == bindparam("held"))
    .with_for_update()
    .execution_options(populate_existing=True)
)


def heard(
    session: Session, attempt: DeliveryAttempt, provider_message_id: str, status: str, code: str, now: datetime
) -> bool:
    """Apply a provider status to a locked attempt. True if the status changed.

    A status never moves backwards; a second, different final status raises an alert. The code of a status that is
    not final is ignored, because it may be left over from an earlier status.
    """
    before, last = attempt.status, ranks.is_final(status)
    if attempt.provider_message_id not in (None, provider_message_id):
        transitions.accepted(session, attempt, provider_message_id, status, now)  # raises an alert and changes nothing
        return False
    news = ranks.upward(before, status)
    if attempt.provider_message_id is None or (news and not last):
        # Record acceptance before the final status; the code belongs to the final status.
        transitions.accepted(session, attempt, provider_message_id, "accepted" if last else status, now)
    if last and before != status:
        transitions.final(session, attempt, status, code, now)
    if last and error_codes.error_class(code) is error_codes.ErrorClass.SAID_NO:
        # The recipient opted out: block the phone for all senders, whatever the state of this message.
        opt_outs.refused(session, attempt.phone, attempt.message_id, now)
    session.flush()
    return news


def catch_up(session: Session, now: datetime) -> int:
    """Apply stored reports whose provider ID has become known, and return their number."""
    waiting = (
        select(ProviderEvent, DeliveryAttempt.attempt_id)
        .join(DeliveryAttempt, DeliveryAttempt.provider_message_id == ProviderEvent.provider_message_id)
        .where(ProviderEvent.applied_at.is_(None))
        .order_by(ProviderEvent.id)
        .limit(CATCH_UP)
    )
    found = session.execute(waiting).all()
    for event, attempt_id in found:
        attempt = locked(session, attempt_id)
        if attempt is not None:
            heard(session, attempt, event.provider_message_id, event.status, event.code, now)
        event.applied_at = now
    return len(found)
