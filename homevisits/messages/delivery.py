"""Delivery: claim a text, send it with no transaction open, note the result. Any number of workers is safe.

A text leaves at most once. Each attempt has a fresh token, and only the holder of the token may note what became of it.
When nobody can tell whether a text left (a time-out after it was sent, a worker that died), it is ``unknown`` and is
not sent again; a late word from the carrier settles it.
"""

import logging
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from homevisits.db import Database, is_sqlite
from homevisits.messages import optout
from homevisits.messages.carriers import Carrier, CarrierDown, CarrierRefused, CarrierUnclear, Receipt
from homevisits.messages.models import OutboxText

LEASE = timedelta(seconds=90)  # longer than any carrier's timeout
LONGEST_WAIT = timedelta(minutes=15)

log = logging.getLogger("homevisits.delivery")


@dataclass(frozen=True)
class Claimed:
    """A text in the hands of one worker."""

    id: int
    token: str
    phone: str
    body: str
    attempts: int


@dataclass(frozen=True)
class Result:
    """What became of one attempt."""

    state: str  # accepted | queued | rejected | unknown
    error: str | None = None
    receipt: Receipt | None = None
    wait: timedelta | None = None
    ends_texting: bool = False


def tick(database: Database, carrier: Carrier, now: Callable[[], datetime], limit: int = 200) -> Counter[str]:
    """Send what is due, at most `limit` texts: how many ended in each state."""
    counts: Counter[str] = Counter()
    with database.transaction() as session:
        counts["unknown"] += lapse(session, now())
        claimed = claim(session, now())
    while claimed is not None:
        result = attempt(carrier, claimed)
        counts[result.state] += 1
        # One commit for both: what became of this text, and the claim of the next.
        with database.transaction() as session:
            note(session, carrier.name, claimed, result, now())
            more = counts.total() < limit and result.state != "queued"  # a carrier that is down gets a pause
            claimed = claim(session, now()) if more else None
    return +counts


def lapse(session: Session, now: datetime) -> int:
    """Texts whose worker went away in the middle: unknown from here on. Returns how many."""
    lapsed = session.scalars(
        update(OutboxText)
        .where(OutboxText.state == "sending", OutboxText.lease_until < now)
        .values(state="unknown", error="worker_went_away", lease_until=None)
        .returning(OutboxText.id)
    ).all()
    return len(lapsed)


def claim(session: Session, now: datetime) -> Claimed | None:
    """Take the next due text that may still go. What is too late or unwanted is put aside on the way."""
    while (row := _next_due(session, now)) is not None:
        if row.expires_at <= now:
            row.state = "expired"
        elif not optout.lets_through(session, row.phone, row.template):
            row.state = "suppressed"
        else:
            row.state, row.token = "sending", secrets.token_hex(16)
            row.lease_until, row.attempts = now + LEASE, row.attempts + 1
            session.flush()
            return Claimed(row.id, row.token, row.phone, row.body, row.attempts)
        session.flush()
    return None


def _next_due(session: Session, now: datetime) -> OutboxText | None:
    due = (
        select(OutboxText)
        .where(OutboxText.state == "queued", OutboxText.next_at <= now)
        .order_by(OutboxText.next_at, OutboxText.id)
        .limit(1)
        .execution_options(populate_existing=True)
    )
    # On SQLite the transaction holds the one write lock already.
    return session.scalar(due if is_sqlite(session) else due.with_for_update(skip_locked=True))


def attempt(carrier: Carrier, text: Claimed) -> Result:
    """Hand one text to the carrier. No transaction is open here."""
    try:
        return Result("accepted", receipt=carrier.send(text.phone, text.body, text.token, sender="", valid_for=3600))
    except CarrierDown as down:
        return Result("queued", error=down.code, wait=_wait(text.attempts, down.retry_after))
    except CarrierRefused as refused:
        return Result("rejected", error=refused.code, ends_texting=refused.ends_texting)
    except CarrierUnclear as unclear:
        return Result("unknown", error=unclear.code)
    except Exception:  # a bug in a carrier must not send a text twice
        log.exception("the carrier failed in a way nobody foresaw")
        return Result("unknown", error="carrier_bug")


def _wait(attempts: int, asked: float | None) -> timedelta:
    if asked is not None:
        return timedelta(seconds=asked)
    longest = min(LONGEST_WAIT.total_seconds(), 2.0**attempts)
    # Full jitter: workers that failed together do not come back together.
    return timedelta(seconds=secrets.randbelow(int(longest * 1000) + 1) / 1000)


def note(session: Session, carrier: str, text: Claimed, result: Result, now: datetime) -> bool:
    """Write down what became of an attempt: only by the holder of its token, only while it is still under way."""
    values: dict[str, object] = {"state": result.state, "error": result.error, "lease_until": None, "carrier": carrier}
    if result.receipt is not None:
        status = result.receipt.status
        values |= {"sid": result.receipt.sid, "carrier_status": status, "sent_at": now}
        if status == "delivered":
            values["state"] = "delivered"
    if result.wait is not None:
        values["next_at"] = now + result.wait
    noted = session.scalars(
        update(OutboxText)
        .where(OutboxText.id == text.id, OutboxText.token == text.token, OutboxText.state == "sending")
        .values(**values)
        .returning(OutboxText.id)
    ).first()
    if result.ends_texting:
        optout.stop(session, text.phone, "carrier", now, evidence=f"outbox:{text.id}")
    return noted is not None
