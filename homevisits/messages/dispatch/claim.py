"""Claiming: each text for one worker, judged once more, with a token written down before anything leaves."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, exists, func, literal_column, select, text, union_all, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, aliased

from homevisits.core.bulk import Batch
from homevisits.core.db import is_sqlite
from homevisits.messages import message_types
from homevisits.messages.dispatch.eligibility import Hold, Send, SendPolicy, digest, judge
from homevisits.messages.dispatch.eligibility_data import gather
from homevisits.messages.models import DeliveryAttempt, OutgoingMessage, Phone, Sender
from homevisits.messages.monitoring import alerts
from homevisits.messages.senders import circuit_breaker, selection

LEASE = timedelta(seconds=60)  # longer than any carrier's timeout
AFTER_A_FAULT = timedelta(minutes=15)
PUT_ASIDE = 100
"""Texts judged in one transaction before it commits: on SQLite nobody else writes meanwhile."""


@dataclass(frozen=True)
class Claimed:
    """A text in the hands of one worker; ``n`` counts its attempts from 1, ``valid_for`` is in seconds.

    ``rate``: segments a second that its sender may send.
    """

    id: int
    attempt_id: str
    phone: str
    body: str
    n: int
    carrier: str
    sender: str
    sender_id: int | None
    valid_for: int
    rate: float = 0.0


@dataclass(frozen=True)
class Step:
    """One look at the queue: texts to send; when a sender can take the next; whether there is more to look at."""

    claimed: tuple[Claimed, ...] = ()
    until: datetime | None = None
    more: bool = False


class Stumbled(Exception):
    """A text that could not be judged, for a fault of ours. It must not stop those behind it."""

    def __init__(self, row_id: int) -> None:
        super().__init__(row_id)
        self.id = row_id


def stumble(session: Session, row_id: int, now: datetime) -> Step:
    """Let a text that could not be judged wait, and tell a person."""
    row = session.get_one(OutgoingMessage, row_id)
    _change(session, row, state="held", hold_reason="fault", next_at=now + AFTER_A_FAULT)
    alerts.raise_alert(session, "fault", f"{row.template}:{row.subject}", now)
    return Step(more=True)


def claim(session: Session, rules: SendPolicy, now: datetime, carriers: Sequence[str] = ()) -> Claimed | None:
    """Take the next due text that may leave, for one of `carriers` (names). What may not is put aside on the way."""
    found = look(session, rules, now, carriers)
    session.flush()
    session.expire_all()  # what the session knew of the rows is not as it was
    return next(iter(found.claimed), None)


def look(session: Session, rules: SendPolicy, now: datetime, carriers: Sequence[str], wanted: int = 1) -> Step:
    """Take up to `wanted` of the next due texts, never two to one phone; or say why there are fewer."""
    claimed: list[Claimed] = []
    judged = 0
    while judged < PUT_ASIDE:
        rows = _due(session, now, min(PUT_ASIDE, max(wanted - len(claimed), judged)))
        if not rows:
            return Step(tuple(claimed))
        judged += len(rows)
        ready = _judged(session, rows, rules, now)[: wanted - len(claimed)]
        begun, until = _begin_all(session, ready, now, carriers)
        claimed += begun
        if until is not None or len(claimed) >= wanted:
            return Step(tuple(claimed), until=until)
    return Step(tuple(claimed), more=True)


def _judged(
    session: Session, rows: Sequence[OutgoingMessage], rules: SendPolicy, now: datetime
) -> list[tuple[OutgoingMessage, Send]]:
    """Those that may leave; those that may not are put aside; those that must wait for another stay where they are."""
    facts = gather(session, rows, now)
    ready, phones = [], set()
    for row in rows:
        if row.phone in phones:
            continue
        phones.add(row.phone)
        try:
            found = judge(session, row, facts, rules, now)
        except DBAPIError:
            raise
        except Exception as failure:
            raise Stumbled(row.id) from failure
        if isinstance(found, Hold):
            _put_aside(session, row, found, now)
        elif found is not None:
            ready.append((row, found))
    return ready


def _begin_all(
    session: Session, ready: Sequence[tuple[OutgoingMessage, Send]], now: datetime, carriers: Sequence[str]
) -> tuple[list[Claimed], datetime | None]:
    """Begin as many as there are senders for; and when to ask again, if there are fewer."""
    if len(ready) > 1:
        pick = selection.pick(session, sum(leave.segments for _row, leave in ready), now, carriers)
        if pick.sender is not None and pick.sender.breaker == "closed":
            return _begin(session, [(row, leave, pick.sender) for row, leave in ready], now), None
        if pick.sender is not None:  # one text may try whether the trouble is over
            return _begin(session, [(*ready[0], pick.sender)], now), None
    taken: list[tuple[OutgoingMessage, Send, Sender]] = []
    until = None
    for row, leave in ready:
        pick = selection.pick(session, leave.segments, now, carriers)
        if pick.sender is None:
            # It keeps its place: the first in the queue is the first to leave when a sender can take it.
            if (row.state, row.hold_reason) != ("held", "sender"):
                _change(session, row, state="held", hold_reason="sender")
            until = pick.until
            break
        taken.append((row, leave, pick.sender))
    return _begin(session, taken, now), until


def _due(session: Session, now: datetime, most: int) -> Sequence[OutgoingMessage]:
    """The first due texts: by priority, each looked for by itself, so that what is not due is not walked through."""
    return session.scalars(_statement(most, not is_sqlite(session)), {"now": now}).all()


@lru_cache(maxsize=PUT_ASIDE * 2)
def _statement(most: int, locked: bool) -> Any:
    busy = aliased(OutgoingMessage)
    first = []
    for priority in message_types.IN_ORDER:
        # Literals, for the indexes are partial: no parameter can be proven equal to what they say.
        one = select(OutgoingMessage.id).where(
            text(f"outgoing_message.state IN ('held', 'queued') AND outgoing_message.priority = {priority:d}"),
            OutgoingMessage.next_at <= bindparam("now"),
            ~exists().where(busy.phone == OutgoingMessage.phone, busy.state == text("'sending'")),
        )
        one = one.order_by(OutgoingMessage.next_at, OutgoingMessage.id).limit(literal_column(f"{most:d}"))
        if locked:
            # The phone too: who judges a text to it sees every other one that was claimed.
            one = one.join(Phone, Phone.e164 == OutgoingMessage.phone).with_for_update(
                skip_locked=True, of=(OutgoingMessage, Phone)
            )
        first.append(select(one.subquery().c.id))
    ids = union_all(*first).limit(literal_column(f"{most:d}"))
    within = (
        OutgoingMessage.id == func.any(func.array(ids.scalar_subquery())) if locked else OutgoingMessage.id.in_(ids)
    )
    found = select(OutgoingMessage).where(within)
    found = found.order_by(OutgoingMessage.priority, OutgoingMessage.next_at, OutgoingMessage.id)
    return (found.with_for_update() if locked else found).execution_options(populate_existing=True)


def _put_aside(session: Session, row: OutgoingMessage, found: Hold, now: datetime) -> None:
    if found.until is not None:
        _change(session, row, state=found.state, hold_reason=found.reason, next_at=found.until)
        return
    _change(session, row, state=found.state, hold_reason=None, error=found.reason)
    if found == Hold("dead", "repeated"):
        alerts.raise_alert(session, "repeated", f"{row.template}:{row.subject}", now)


def _begin(session: Session, taken: Sequence[tuple[OutgoingMessage, Send, Sender]], now: datetime) -> list[Claimed]:
    """Write down that these are about to leave, each under a fresh token."""
    claimed, rows = [], []
    for row, leave, sender in taken:
        attempt_id = secrets.token_hex(16)
        n = 1 + (session.scalar(_TRIES, {"row": row.id}) or 0) if row.attempt_id is not None else 1
        rows.append(
            {
                "message_id": row.id, "attempt_id": attempt_id, "n": n, "body": leave.body, "segments": leave.segments,
                "sender_id": sender.id, "carrier": sender.carrier, "phone": row.phone, "hash": digest(leave.body),
            }
        )  # fmt: skip
        to = (
            row.phone,
            leave.body,
            n,
            sender.carrier,
            sender.address,
            sender.id,
            leave.valid_for,
            circuit_breaker.rate_of(sender, now),
        )
        claimed.append(Claimed(row.id, attempt_id, *to))
    if claimed:
        _SENDING.run(session, rows, lease=now + LEASE)
        _TRIED.run(session, rows, now=now, lease=now + LEASE)
    return claimed


_SENDING = Batch(
    """
    UPDATE outgoing_message SET state = 'sending', hold_reason = NULL, provider_message_id = NULL,
      carrier_status = NULL, error = NULL,
      attempt_id = given.attempt_id, lease_until = :lease, body = given.body, segments = given.segments,
      attempts = outgoing_message.attempts + 1, carrier = given.carrier
    FROM {rows} WHERE outgoing_message.id = given.message_id""",
    {"message_id": int, "attempt_id": str, "body": str, "segments": int, "carrier": str},
    ("lease",),
)
_TRIED = Batch(
    """
    INSERT INTO delivery_attempt (attempt_id, message_id, n, sender_id, carrier, phone, body_sha256,
      segments, started_at, lease_until)
    SELECT attempt_id, message_id, n, sender_id, carrier, phone, hash, segments, :now, :lease FROM {rows}""",
    {
        "attempt_id": str, "message_id": int, "n": int, "sender_id": int, "carrier": str, "phone": str, "hash": str,
        "segments": int,
    },
    ("now", "lease"),
)  # fmt: skip
_TRIES = select(func.count()).where(DeliveryAttempt.message_id == bindparam("row"))


def _change(session: Session, row: OutgoingMessage, **values: object) -> None:
    session.execute(
        update(OutgoingMessage)
        .where(OutgoingMessage.id == row.id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
