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
from homevisits.messages.models import Attempt, CarrierEvent, OutboxText
from homevisits.messages.providers import error_codes
from homevisits.messages.providers import status as ranks
from homevisits.messages.recipients import opt_outs

CATCH_UP = 500
"""Events that are looked at again at a time."""


@dataclass(frozen=True)
class Report:
    """A carrier's word on one of its texts. ``token`` is the attempt's own, from the callback's address."""

    carrier: str
    sid: str
    status: str
    code: str
    token: str | None
    raw: Mapping[str, str]


def report(session: Session, told: Report, now: datetime) -> None:
    """Keep what the carrier told and, where an attempt of ours is known to it and it is news, note it on the text.

    Told before the answer to the send has come, the attempt's token binds the carrier's id. Told of an id nobody
    knows, it waits (``applied_at`` NULL) for `catch_up`.
    """
    if _has_arrived(session, told, now):
        return
    attempt = _attempt_of(session, told.token, told.sid)
    new = keep(session, told, now, now if attempt is not None else None)
    if attempt is not None and (new or _had_waited(session, told, now)):
        heard(session, attempt, told.sid, told.status, told.code, now)


def _has_arrived(session: Session, told: Report, now: datetime) -> bool:
    """What nearly every text comes to, in three statements: one that was taken has arrived. False: it needs a thought.

    What `heard` and `settle.final` make of it, for an attempt that the token and the carrier's id both name.
    """
    if told.token is None or told.status != "delivered" or told.code:
        return False
    written = session.connection()
    about = {"attempt": told.token, "told": told.sid, "now": now}
    outbox_id = written.execute(_ATTEMPT_ARRIVED, about).scalar()
    if outbox_id is None:
        return False
    if not keep(session, told, now, now):
        _had_waited(session, told, now)
    written.execute(_TEXT_ARRIVED, {"text": outbox_id, "attempt": told.token, "now": now})
    return True


_ATTEMPT_ARRIVED = (
    update(Attempt.__table__)  # type: ignore[arg-type]
    .where(
        Attempt.token == bindparam("attempt"),
        Attempt.sid == bindparam("told"),
        Attempt.outcome == "accepted",
        Attempt.lease_until.is_(None),
        Attempt.status.not_in(ranks.FINAL_WORDS),
    )
    .values(status="delivered", status_at=bindparam("now"), look_at=None)
    .returning(Attempt.outbox_id)
)
_TEXT_ARRIVED = (
    update(OutboxText.__table__)  # type: ignore[arg-type]
    .where(OutboxText.id == bindparam("text"), OutboxText.token == bindparam("attempt"))
    .values(state="delivered", carrier_status="delivered", error=None, final_at=bindparam("now"))
)


def keep(session: Session, told: Report, now: datetime, applied_at: datetime | None = None) -> bool:
    """Keep it as it was told, without effect. False: it was told before.

    One statement: told twice at the same moment, the second waits for the first.
    """
    insert = _KEEP_ON_SQLITE if is_sqlite(session) else _KEEP_ON_POSTGRESQL
    event = {
        "carrier": told.carrier,
        "sid": told.sid,
        "status": told.status,
        "code": told.code,
        "token": told.token,
        "raw": json.dumps(dict(told.raw), ensure_ascii=False, sort_keys=True),
        "received_at": now,
        "applied_at": applied_at,
    }
    return session.connection().execute(insert, event).first() is not None


_ONCE = ("carrier", "sid", "status", "code")
_EVENTS = CarrierEvent.__table__
_KEEP_ON_SQLITE = sqlite.insert(CarrierEvent).on_conflict_do_nothing(index_elements=_ONCE).returning(_EVENTS.c.id)
_KEEP_ON_POSTGRESQL = (
    postgresql.insert(CarrierEvent).on_conflict_do_nothing(index_elements=_ONCE).returning(_EVENTS.c.id)
)


def _had_waited(session: Session, told: Report, now: datetime) -> bool:
    """Whether it was told before, when nobody knew what it was about: this time it has its effect."""
    same = (_EVENTS.c[name] == getattr(told, name) for name in _ONCE)
    waited = update(CarrierEvent).where(*same, CarrierEvent.applied_at.is_(None)).values(applied_at=now)
    found = waited.returning(CarrierEvent.id).execution_options(synchronize_session=False)
    return session.scalar(found) is not None


def _attempt_of(session: Session, token: str | None, sid: str) -> Attempt | None:
    """The attempt a word is about, held: by the token that only its callback carries, else by the carrier's id."""
    found = locked(session, token) if token is not None else None
    if found is not None and found.sid is not None:
        return found
    # A look at the carrier may have given this id to another attempt with the same words: its status is that one's.
    owner = session.scalar(select(Attempt.token).where(Attempt.sid == sid))
    return locked(session, owner) if owner is not None else found


def locked(session: Session, token: str) -> Attempt | None:
    """An attempt, held until the transaction ends, as it is now. None: there is no such attempt."""
    return session.scalar(_HELD, {"held": token})


_HELD = (
    select(Attempt)
    .where(Attempt.token == bindparam("held"))
    .with_for_update()
    .execution_options(populate_existing=True)
)


def heard(session: Session, attempt: Attempt, sid: str, status: str, code: str, now: datetime) -> bool:
    """Apply a carrier's word to an attempt that is `locked`: True when it was news.

    Only upwards; the first final word counts and a second, different one is counted as a contradiction. A code beside a
    word that is not final may be left over from an earlier one and is not read.
    """
    before, last = attempt.status, ranks.is_final(status)
    if attempt.sid not in (None, sid):
        transitions.accepted(session, attempt, sid, status, now)  # which tells a person, and changes nothing
        return False
    news = ranks.upward(before, status)
    if attempt.sid is None or (news and not last):
        # With its last word a text is first taken and then ends: the code belongs to the end.
        transitions.accepted(session, attempt, sid, "accepted" if last else status, now)
    if last and before != status:
        transitions.final(session, attempt, status, code, now)
    if last and error_codes.error_class(code) is error_codes.ErrorClass.SAID_NO:
        # Whatever became of this one text: the person said no, and nothing goes there from any sender.
        opt_outs.refused(session, attempt.phone, attempt.outbox_id, now)
    session.flush()
    return news


def catch_up(session: Session, now: datetime) -> int:
    """Apply what was told of ids that were not known then and are now. Returns how many words had waited."""
    waiting = (
        select(CarrierEvent, Attempt.token)
        .join(Attempt, Attempt.sid == CarrierEvent.sid)
        .where(CarrierEvent.applied_at.is_(None))
        .order_by(CarrierEvent.id)
        .limit(CATCH_UP)
    )
    found = session.execute(waiting).all()
    for event, token in found:
        attempt = locked(session, token)
        if attempt is not None:
            heard(session, attempt, event.sid, event.status, event.code, now)
        event.applied_at = now
    return len(found)
