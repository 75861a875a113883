"""Claiming: one text for one worker, judged once more, with a token written down before anything leaves.

And noting what became of it: only by the holder of the token.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, exists, func, insert, or_, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, aliased

from homevisits.db import is_sqlite
from homevisits.messages import alerts, kinds, senders, settle
from homevisits.messages.carriers import Receipt
from homevisits.messages.codes import kind_of
from homevisits.messages.judge import Aside, Leave, Rules, digest, judge
from homevisits.messages.models import Attempt, OutboxText, Phone

LEASE = timedelta(seconds=60)  # longer than any carrier's timeout
JUMP = timedelta(minutes=10)
"""A lease that ends later than this from now was given before the clock was put back."""
AFTER_A_FAULT = timedelta(minutes=15)
PUT_ASIDE = 100
"""Texts judged in one transaction before it commits: on SQLite nobody else writes meanwhile."""


@dataclass(frozen=True)
class Claimed:
    """A text in the hands of one worker; ``n`` counts its attempts from 1, ``valid_for`` is in seconds."""

    id: int
    token: str
    phone: str
    body: str
    n: int
    carrier: str
    sender: str
    sender_id: int | None
    valid_for: int


@dataclass(frozen=True)
class Result:
    """What became of one attempt."""

    outcome: str  # accepted | down | refused | unclear
    code: str = ""
    receipt: Receipt | None = None
    retry_after: float | None = None
    http_status: int | None = None


@dataclass(frozen=True)
class Step:
    """One look at the queue: a text to send; or when a sender can take the next; or that there is more to look at."""

    claimed: Claimed | None = None
    until: datetime | None = None
    more: bool = False


class Stumbled(Exception):
    """A text that could not be judged, for a fault of ours. It must not stop those behind it."""

    def __init__(self, row_id: int) -> None:
        super().__init__(row_id)
        self.id = row_id


def stumble(session: Session, row_id: int, now: datetime) -> Step:
    """Let a text that could not be judged wait, and tell a person."""
    row = session.get_one(OutboxText, row_id)
    _change(session, row, state="held", hold_reason="fault", next_at=now + AFTER_A_FAULT)
    alerts.raise_(session, "fault", f"{row.template}:{row.about}", now)
    return Step(more=True)


def lapse(session: Session, now: datetime) -> int:
    """Attempts whose worker went away in the middle: nobody knows of them from here on. Returns how many."""
    gone = select(Attempt).where(
        Attempt.lease_until.is_not(None), or_(Attempt.lease_until < now, Attempt.lease_until > now + LEASE + JUMP)
    )
    lapsed = session.scalars(gone.with_for_update(skip_locked=True)).all()
    for one in lapsed:
        one.finished_at = now
        settle.unclear(session, one, "worker_went_away", now)
    return len(lapsed)


def claim(session: Session, rules: Rules, now: datetime, carriers: Sequence[str] = ()) -> Claimed | None:
    """Take the next due text that may leave, for one of `carriers` (names). What may not is put aside on the way."""
    return look(session, rules, now, carriers).claimed


def look(session: Session, rules: Rules, now: datetime, carriers: Sequence[str]) -> Step:
    """Take the next due text, or say why there is none."""
    for _ in range(PUT_ASIDE):
        row = session.scalars(_DUE_LOCKED if not is_sqlite(session) else _DUE, {"now": now}).one_or_none()
        if row is None:
            return Step()
        try:
            found = judge(session, row, rules, now)
        except DBAPIError:
            raise
        except Exception as failure:
            raise Stumbled(row.id) from failure
        if isinstance(found, Aside):
            _put_aside(session, row, found, now)
        elif found is not None:
            pick = senders.pick(session, found.segments, now, carriers)
            if pick.sender is not None:
                return Step(_begin(session, row, found, pick.sender, now))
            # It keeps its place: the first in the queue is the first to leave when a sender can take it.
            _change(session, row, state="held", hold_reason="sender")
            return Step(until=pick.until)
    return Step(more=True)


def _due(*, locked: bool) -> Any:
    """The first due text: by priority, each looked for by itself, so that what is not due is not walked through."""
    busy = aliased(OutboxText)
    first = []
    for priority in kinds.IN_ORDER:
        # Literals, for the indexes are partial: no parameter can be proven equal to what they say.
        one = select(OutboxText.id).where(
            text(f"outbox.state IN ('held', 'queued') AND outbox.priority = {priority:d}"),
            OutboxText.next_at <= bindparam("now"),
            ~exists().where(busy.phone == OutboxText.phone, busy.state == text("'sending'")),
        )
        one = one.order_by(OutboxText.next_at, OutboxText.id).limit(1)
        if locked:
            # The phone too: who judges a text to it sees every other one that was claimed.
            one = one.join(Phone, Phone.e164 == OutboxText.phone).with_for_update(
                skip_locked=True, of=(OutboxText, Phone)
            )
        first.append(one.scalar_subquery())
    found = select(OutboxText).where(OutboxText.id == func.coalesce(*first))
    return (found.with_for_update() if locked else found).execution_options(populate_existing=True)


_DUE, _DUE_LOCKED = _due(locked=False), _due(locked=True)


def _put_aside(session: Session, row: OutboxText, found: Aside, now: datetime) -> None:
    if found.until is not None:
        _change(session, row, state=found.state, hold_reason=found.reason, next_at=found.until)
        return
    _change(session, row, state=found.state, hold_reason=None, error=found.reason)
    if found.reason == "repeated":
        alerts.raise_(session, "repeated", f"{row.template}:{row.about}", now)


def _begin(session: Session, row: OutboxText, found: Leave, sender: Any, now: datetime) -> Claimed:
    token = secrets.token_hex(16)
    before = select(func.count()).where(Attempt.outbox_id == row.id)
    n = 1 + (session.scalar(before) or 0) if row.token is not None else 1
    _change(
        session, row, state="sending", hold_reason=None, token=token, lease_until=now + LEASE, body=found.body,
        segments=found.segments, attempts=row.attempts + 1, carrier=sender.carrier, sid=None, carrier_status=None,
    )  # fmt: skip
    session.execute(
        insert(Attempt.__table__),  # type: ignore[arg-type]
        {
            "token": token, "outbox_id": row.id, "n": n, "sender_id": sender.id, "carrier": sender.carrier,
            "phone": row.phone, "body_sha256": digest(found.body), "segments": found.segments, "started_at": now,
            "lease_until": now + LEASE,
        },
    )  # fmt: skip
    return Claimed(row.id, token, row.phone, found.body, n, sender.carrier, sender.address, sender.id, found.valid_for)


def _change(session: Session, row: OutboxText, **values: object) -> None:
    session.execute(
        update(OutboxText).where(OutboxText.id == row.id).values(**values).execution_options(synchronize_session=False)
    )


def note(session: Session, claimed: Claimed, result: Result, rules: Rules, now: datetime) -> bool:
    """Write down what became of an attempt. False: it is not this worker's any more, its lease ran out meanwhile.

    That the carrier took a text is noted even then: it did leave.
    """
    del rules
    mine = session.scalars(
        update(Attempt)
        .where(Attempt.token == claimed.token, Attempt.outcome.is_(None), Attempt.lease_until.is_not(None))
        .values(lease_until=None, finished_at=now, http_status=result.http_status)
        .returning(Attempt)
        .execution_options(populate_existing=True, synchronize_session=False)
    ).one_or_none()
    if mine is None and result.receipt is None:
        return False
    row = mine or session.get_one(Attempt, claimed.token)
    if result.receipt is not None:
        settle.accepted(session, row, result.receipt.sid, result.receipt.status, now)
    elif result.outcome == "unclear":
        settle.unclear(session, row, result.code, now)
    elif result.outcome == "down":
        settle.down(session, row, result.code, now, result.retry_after)
    else:
        settle.refused(session, row, result.code, now)
    if claimed.sender_id is not None:
        kind = None if result.receipt is not None else kind_of(result.code)
        senders.heard(session, claimed.sender_id, kind, result.code, now, result.retry_after)
    return mine is not None
