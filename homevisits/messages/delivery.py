"""Delivery: claim a text, send it with no transaction open, note the result. Any number of workers is safe.

A text leaves at most once. Each attempt has a fresh token, written down before anything leaves, and only the holder of
the token may note what became of it. When nobody can tell whether a text left (a time-out after it was sent, a worker
that died), it is ``unknown``: it is looked for at the carrier, and not sent again before somebody knows.
"""

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from homevisits.db import Database
from homevisits.messages.carriers import Carrier, CarrierDown, CarrierRefused, CarrierUnclear
from homevisits.messages.claims import LEASE, Claimed, Result, Step, Stumbled, claim, lapse, look, note, stumble
from homevisits.messages.judge import Check, Rules

__all__ = ["LEASE", "Check", "Claimed", "Result", "Rules", "again", "attempt", "claim", "lapse", "note", "tick"]

TRIES = 6
"""How often a transaction is tried while the database is busy or away."""
T = TypeVar("T")
log = logging.getLogger("homevisits.delivery")


def tick(
    database: Database,
    carriers: Sequence[Carrier],
    rules: Rules,
    now: Callable[[], datetime],
    limit: int = 200,
    *,
    stop: threading.Event | None = None,
) -> Counter[str]:
    """Send what is due, at most `limit` texts: how many attempts had each outcome.

    Begins nothing more once `stop` is set. With it, a sender that may send again within a second is waited for, with
    no transaction open; without it the tick ends there.
    """
    run = _Run(database, tuple(carriers), rules, now, limit, stop)
    lapsed = again(database, lambda session: lapse(session, now()))
    if lapsed:
        run.counts["unclear"] += lapsed
    run.work()
    return +run.counts


class _Run:
    """One tick: its threads share what is left to do."""

    def __init__(
        self,
        database: Database,
        carriers: tuple[Carrier, ...],
        rules: Rules,
        now: Callable[[], datetime],
        limit: int,
        stop: threading.Event | None,
    ) -> None:
        self.database, self.carriers, self.rules, self.now, self.stop = database, carriers, rules, now, stop
        self.left = limit
        self.counts: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.failed: list[Exception] = []

    def work(self) -> None:
        """Claim, send, note, in as many threads as the rules say, until nothing is due."""
        first = self._next(None)
        if first is None:
            return
        helpers = [threading.Thread(target=self._help, daemon=True) for _ in range(self.rules.threads - 1)]
        for helper in helpers:
            helper.start()
        try:
            self._go_on(first)
        finally:
            for helper in helpers:
                helper.join()
        if self.failed:
            raise self.failed[0]

    def _help(self) -> None:
        try:
            first = self._next(None)
            if first is not None:
                self._go_on(first)
        except Exception as failure:  # raised again by the thread that waits for this one
            log.exception("a thread of the delivery failed")
            self.failed.append(failure)

    def _go_on(self, claimed: Claimed | None) -> None:
        while claimed is not None:
            result = attempt(self.carriers, claimed)
            with self.lock:
                self.counts[result.outcome] += 1
            claimed = self._next((claimed, result))

    def _next(self, done: tuple[Claimed, Result] | None) -> Claimed | None:
        """One commit for both: what became of the last text, and the claim of the next."""
        more = (done is None or not _gone(done[1])) and self._take()
        while True:
            step = self._once(done, more)
            done = None
            if step.claimed is not None:
                return step.claimed
            if not step.more and not self._waited(step.until):
                self._give_back(more)
                return None

    def _once(self, done: tuple[Claimed, Result] | None, more: bool) -> Step:
        try:
            return again(self.database, lambda session: self._step(session, done, more))
        except Stumbled as stumbled:
            log.exception("a text could not be judged; it waits, and the others go on")
            stuck = stumbled.id
        return again(self.database, lambda session: self._past(session, done, stuck))

    def _step(self, session: Session, done: tuple[Claimed, Result] | None, more: bool) -> Step:
        now = self.now()
        if done is not None:
            note(session, *done, self.rules, now)
        return look(session, self.rules, now, [one.name for one in self.carriers]) if more else Step()

    def _past(self, session: Session, done: tuple[Claimed, Result] | None, row_id: int) -> Step:
        if done is not None:
            note(session, *done, self.rules, self.now())
        return stumble(session, row_id, self.now())

    def _take(self) -> bool:
        with self.lock:
            if self.left <= 0 or (self.stop is not None and self.stop.is_set()):
                return False
            self.left -= 1
            return True

    def _give_back(self, taken: bool) -> None:
        with self.lock:
            self.left += taken

    def _waited(self, until: datetime | None) -> bool:
        if until is None or self.stop is None:
            return False
        seconds = (until - self.now()).total_seconds()
        return seconds <= 1 and not self.stop.wait(max(seconds, 0.01))


def again(database: Database, work: Callable[[Session], T]) -> T:
    """Run one transaction; once more, after a pause, when the database was busy, chose it as a victim or went away."""
    for tried in range(TRIES):
        try:
            with database.transaction() as session:
                return work(session)
        except OperationalError:
            if tried == TRIES - 1:
                raise
            log.warning("the database was busy or away; trying again")
            time.sleep(secrets.randbelow(1000) / 1000 * 0.1 * 2**tried)
    raise AssertionError("the last try returns or raises")


def attempt(carriers: Sequence[Carrier], claimed: Claimed) -> Result:
    """Hand one text to its carrier. No transaction is open here."""
    carrier = next((one for one in carriers if one.name == claimed.carrier), None)
    if carrier is None:
        return Result("down", "no_connection")
    try:
        receipt = carrier.send(
            claimed.phone, claimed.body, claimed.token, sender=claimed.sender, valid_for=claimed.valid_for
        )
    except CarrierDown as down:
        return Result("down", down.code, retry_after=down.retry_after, http_status=down.http_status)
    except CarrierRefused as refused:
        return Result("refused", refused.code, http_status=refused.http_status)
    except CarrierUnclear as unclear:
        return Result("unclear", unclear.code, http_status=unclear.http_status)
    except Exception:  # a bug in a carrier must not send a text twice
        log.exception("the carrier failed in a way nobody foresaw")
        return Result("unclear", "carrier_bug")
    return Result("accepted", receipt=receipt)


def _gone(result: Result) -> bool:
    """Whether nobody is at the carrier's door: this thread gives it a pause."""
    return result.outcome == "down" and result.http_status is None
