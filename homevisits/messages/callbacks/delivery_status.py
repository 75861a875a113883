"""What a carrier tells us later about a text: kept raw, applied upward only, harmless when doubled or out of order."""

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
"""Events that are looked at again at a time."""


@dataclass(frozen=True)
class Report:
    """A carrier's word on one of its texts. ``token`` is the attempt's own, from the callback's address."""

    carrier: str
    provider_message_id: str
    status: str
    code: str
    attempt_id: str | None
    raw: Mapping[str, str]


def report(session: Session, told: Report, now: datetime) -> None:
    """Keep what the carrier told and, where an attempt of ours is known to it and it is news, note it on the text.

    Told before the answer to the send has come, the attempt's token binds the carrier's id. Told of an id nobody
    knows, it waits (``applied_at`` NULL) for `catch_up`.
    """
    if _has_arrived(session, told, now):
        return
    attempt = _attempt_of(session, told.attempt_id, told.provider_message_id)
    new = keep(session, told, now, now if attempt is not None else None)
    if attempt is not None and (new or _had_waited(session, told, now)):
        heard(session, attempt, told.provider_message_id, told.status, told.code, now)


def _has_arrived(session: Session, told: Report, now: datetime) -> bool:
    """What nearly every text comes to, in three statements: one that was taken has arrived. False: it needs a thought.

    What `heard` and `settle.final` make of it, for an attempt that the token and the carrier's id both name.
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
    .values(state="delivered", carrier_status="delivered", error=None, final_at=bindparam("now"))
)


def keep(session: Session, told: Report, now: datetime, applied_at: datetime | None = None) -> bool:
    """Keep it as it was told, without effect. False: it was told before.

    One statement: told twice at the same moment, the second waits for the first.
    """
    insert = _KEEP_ON_SQLITE if is_sqlite(session) else _KEEP_ON_POSTGRESQL
    event = {
        "carrier": told.carrier,
        "provider_message_id": told.provider_message_id,
        "status": told.status,
        "code": told.code,
        "attempt_id": told.attempt_id,
        "raw": json.dumps(dict(told.raw), ensure_ascii=False, sort_keys=True),
        "received_at": now,
        "applied_at": applied_at,
    }
    return session.connection().execute(insert, event).first() is not None


_ONCE = ("carrier", "provider_message_id", "status", "code")
_EVENTS = ProviderEvent.__table__
_KEEP_ON_SQLITE = sqlite.insert(ProviderEvent).on_conflict_do_nothing(index_elements=_ONCE).returning(_EVENTS.c.id)
_KEEP_ON_POSTGRESQL = (
    postgresql.insert(ProviderEvent).on_conflict_do_nothing(index_elements=_ONCE).returning(_EVENTS.c.id)
)


def _had_waited(session: Session, told: Report, now: datetime) -> bool:
    """Whether it was told before, when nobody knew what it was about: this time it has its effect."""
    same = (_EVENTS.c[name] == getattr(told, name) for name in _ONCE)
    waited = update(ProviderEvent).where(*same, ProviderEvent.applied_at.is_(None)).values(applied_at=now)
    found = waited.returning(ProviderEvent.id).execution_options(synchronize_session=False)
    return session.scalar(found) is not None


def _attempt_of(session: Session, attempt_id: str | None, provider_message_id: str) -> DeliveryAttempt | None:
    """The attempt a word is about, held: by the token that only its callback carries, else by the carrier's id."""
    found = locked(session, attempt_id) if attempt_id is not None else None
    if found is not None and found.provider_message_id is not None:
        return found
    # A look at the carrier may have given this id to another attempt with the same words: its status is that one's.
    owner = session.scalar(
        select(DeliveryAttempt.attempt_id).where(DeliveryAttempt.provider_message_id == provider_message_id)
    )
    return locked(session, owner) if owner is not None else found


def locked(session: Session, attempt_id: str) -> DeliveryAttempt | None:
    """An attempt, held until the transaction ends, as it is now. None: there is no such attempt."""
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
    """Apply a carrier's word to an attempt that is `locked`: True when it was news.

    Only upwards; the first final word counts and a second, different one is counted as a contradiction. A code beside a
    word that is not final may be left over from an earlier one and is not read.
    """
    before, last = attempt.status, ranks.is_final(status)
    if attempt.provider_message_id not in (None, provider_message_id):
        transitions.accepted(
            session, attempt, provider_message_id, status, now
        )  # which tells a person, and changes nothing
        return False
    news = ranks.upward(before, status)
    if attempt.provider_message_id is None or (news and not last):
        # With its last word a text is first taken and then ends: the code belongs to the end.
        transitions.accepted(session, attempt, provider_message_id, "accepted" if last else status, now)
    if last and before != status:
        transitions.final(session, attempt, status, code, now)
    if last and error_codes.error_class(code) is error_codes.ErrorClass.SAID_NO:
        # Whatever became of this one text: the person said no, and nothing goes there from any sender.
        opt_outs.refused(session, attempt.phone, attempt.message_id, now)
    session.flush()
    return news


def catch_up(session: Session, now: datetime) -> int:
    """Apply what was told of ids that were not known then and are now. Returns how many words had waited."""
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
