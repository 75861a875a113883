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
from homevisits.messages.models import Attempt, OutboxText, Phone, Sender
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
    token: str
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
    row = session.get_one(OutboxText, row_id)
    _change(session, row, state="held", hold_reason="fault", next_at=now + AFTER_A_FAULT)
    alerts.raise_alert(session, "fault", f"{row.template}:{row.about}", now)
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
    session: Session, rows: Sequence[OutboxText], rules: SendPolicy, now: datetime
) -> list[tuple[OutboxText, Send]]:
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
    session: Session, ready: Sequence[tuple[OutboxText, Send]], now: datetime, carriers: Sequence[str]
) -> tuple[list[Claimed], datetime | None]:
    """Begin as many as there are senders for; and when to ask again, if there are fewer."""
    if len(ready) > 1:
        pick = selection.pick(session, sum(leave.segments for _row, leave in ready), now, carriers)
        if pick.sender is not None and pick.sender.breaker == "closed":
            return _begin(session, [(row, leave, pick.sender) for row, leave in ready], now), None
        if pick.sender is not None:  # one text may try whether the trouble is over
            return _begin(session, [(*ready[0], pick.sender)], now), None
    taken: list[tuple[OutboxText, Send, Sender]] = []
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


def _due(session: Session, now: datetime, most: int) -> Sequence[OutboxText]:
    """The first due texts: by priority, each looked for by itself, so that what is not due is not walked through."""
    return session.scalars(_statement(most, not is_sqlite(session)), {"now": now}).all()


@lru_cache(maxsize=PUT_ASIDE * 2)
def _statement(most: int, locked: bool) -> Any:
    busy = aliased(OutboxText)
    first = []
    for priority in message_types.IN_ORDER:
        # Literals, for the indexes are partial: no parameter can be proven equal to what they say.
        one = select(OutboxText.id).where(
            text(f"outbox.state IN ('held', 'queued') AND outbox.priority = {priority:d}"),
            OutboxText.next_at <= bindparam("now"),
            ~exists().where(busy.phone == OutboxText.phone, busy.state == text("'sending'")),
        )
        one = one.order_by(OutboxText.next_at, OutboxText.id).limit(literal_column(f"{most:d}"))
        if locked:
            # The phone too: who judges a text to it sees every other one that was claimed.
            one = one.join(Phone, Phone.e164 == OutboxText.phone).with_for_update(
                skip_locked=True, of=(OutboxText, Phone)
            )
        first.append(select(one.subquery().c.id))
    ids = union_all(*first).limit(literal_column(f"{most:d}"))
    within = OutboxText.id == func.any(func.array(ids.scalar_subquery())) if locked else OutboxText.id.in_(ids)
    found = select(OutboxText).where(within)
    found = found.order_by(OutboxText.priority, OutboxText.next_at, OutboxText.id)
    return (found.with_for_update() if locked else found).execution_options(populate_existing=True)


def _put_aside(session: Session, row: OutboxText, found: Hold, now: datetime) -> None:
    if found.until is not None:
        _change(session, row, state=found.state, hold_reason=found.reason, next_at=found.until)
        return
    _change(session, row, state=found.state, hold_reason=None, error=found.reason)
    if found == Hold("dead", "repeated"):
        alerts.raise_alert(session, "repeated", f"{row.template}:{row.about}", now)


def _begin(session: Session, taken: Sequence[tuple[OutboxText, Send, Sender]], now: datetime) -> list[Claimed]:
    """Write down that these are about to leave, each under a fresh token."""
    claimed, rows = [], []
    for row, leave, sender in taken:
        token = secrets.token_hex(16)
        n = 1 + (session.scalar(_TRIES, {"row": row.id}) or 0) if row.token is not None else 1
        rows.append(
            {
                "outbox_id": row.id, "token": token, "n": n, "body": leave.body, "segments": leave.segments,
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
        claimed.append(Claimed(row.id, token, *to))
    if claimed:
        _SENDING.run(session, rows, lease=now + LEASE)
        _TRIED.run(session, rows, now=now, lease=now + LEASE)
    return claimed


_SENDING = Batch(
    """
    UPDATE outbox SET state = 'sending', hold_reason = NULL, sid = NULL, carrier_status = NULL, error = NULL,
      token = given.token, lease_until = :lease, body = given.body, segments = given.segments,
      attempts = outbox.attempts + 1, carrier = given.carrier
    FROM {rows} WHERE outbox.id = given.outbox_id""",
    {"outbox_id": int, "token": str, "body": str, "segments": int, "carrier": str},
    ("lease",),
)
_TRIED = Batch(
    """
    INSERT INTO attempt (token, outbox_id, n, sender_id, carrier, phone, body_sha256, segments, started_at, lease_until)
    SELECT token, outbox_id, n, sender_id, carrier, phone, hash, segments, :now, :lease FROM {rows}""",
    {
        "token": str, "outbox_id": int, "n": int, "sender_id": int, "carrier": str, "phone": str, "hash": str,
        "segments": int,
    },
    ("now", "lease"),
)  # fmt: skip
_TRIES = select(func.count()).where(Attempt.outbox_id == bindparam("row"))


def _change(session: Session, row: OutboxText, **values: object) -> None:
    session.execute(
        update(OutboxText).where(OutboxText.id == row.id).values(**values).execution_options(synchronize_session=False)
    )
