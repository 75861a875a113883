"""What a carrier tells us later about a text: kept raw, applied upward only, harmless when doubled or out of order."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from homevisits.db import savepoint
from homevisits.messages import optout
from homevisits.messages.models import CarrierEvent, OutboxText

RANKS: Mapping[str, int] = {
    "accepted": 10,
    "scheduled": 10,
    "queued": 20,
    "sending": 30,
    "sent": 40,
    "delivered": 90,
    "undelivered": 90,
    "failed": 90,
    "canceled": 90,
    "read": 95,
}
"""How far along a status is. Words we do not know are kept and change nothing."""
FINAL = 90
RECIPIENT_SAID_NO = "21610"


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
    """Keep what the carrier told and, where it is news, note it on the text."""
    if not _keep(session, told, now):
        return
    text = _text_of(session, told)
    if text is None:
        return
    if text.sid is None:
        text.sid, text.carrier = told.sid, told.carrier
    rank, reached = RANKS.get(told.status, 0), RANKS.get(text.carrier_status or "", 0)
    if rank > reached and not (reached >= FINAL and told.status != "read"):
        text.carrier_status = told.status
        _move(text, told, now)
    if told.code == RECIPIENT_SAID_NO:
        optout.stop(session, text.phone, "carrier", now, evidence=f"outbox:{text.id}")


def _keep(session: Session, told: Report, now: datetime) -> bool:
    known = select(CarrierEvent.id).where(
        CarrierEvent.carrier == told.carrier,
        CarrierEvent.sid == told.sid,
        CarrierEvent.status == told.status,
        CarrierEvent.code == told.code,
    )
    if session.scalar(known) is not None:
        return False
    event = CarrierEvent(
        carrier=told.carrier,
        sid=told.sid,
        status=told.status,
        code=told.code,
        token=told.token,
        raw=json.dumps(dict(told.raw), ensure_ascii=False, sort_keys=True),
        received_at=now,
    )
    try:
        with savepoint(session):
            session.add(event)
    except IntegrityError:  # the carrier told it twice at the same moment
        return False
    return True


def _text_of(session: Session, told: Report) -> OutboxText | None:
    found = OutboxText.sid == told.sid
    if told.token:
        found = or_(found, OutboxText.token == told.token)
    return session.scalar(select(OutboxText).where(found).order_by(OutboxText.id).limit(1).with_for_update())


def _move(text: OutboxText, told: Report, now: datetime) -> None:
    """The carrier has the text, so it left: whatever we thought before, it is not sent again."""
    if text.state not in ("sending", "unknown", "accepted"):
        return
    text.lease_until = None
    text.sent_at = text.sent_at or now
    if told.status in ("delivered", "read"):
        text.state, text.error = "delivered", None
    elif told.status in ("undelivered", "failed", "canceled"):
        text.state, text.error = "undelivered", told.code or told.status
    else:
        text.state, text.error = "accepted", None
