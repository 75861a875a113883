"""The threads that send. Whoever comes back from the carrier, with nobody at the database, takes everyone's results

there and brings texts for all: one transaction records what became of some and claims the next, and while it runs the
others are at the carrier. Nothing is ever open during a call.
"""

import logging
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from homevisits.core.db import Database
from homevisits.messages.dispatch import transitions
from homevisits.messages.dispatch.claim import Claimed, Step, Stumbled, look, stumble
from homevisits.messages.dispatch.eligibility import SendPolicy
from homevisits.messages.dispatch.results import NotSoPlain, Result, note, note_taken, plainly_taken
from homevisits.messages.providers.base import MessageRejected, OutcomeUnknown, Provider, ProviderUnavailable

TRIES = 6
"""How often a transaction is tried while the database is busy or away."""
QUICK = 0.25
"""Seconds: while calls take less, as many texts are claimed ahead as there are threads, so that none waits."""
IN_HAND, MOST_IN_HAND = 0.05, 64
"""A quicker carrier still: texts claimed ahead for so many seconds of its time, so that they share one commit; no more
than a tenth of a second's worth of what the sender may send, for it must not come in bursts, nor than so many.
"""
STALE = 2.0
"""Seconds after which a text claimed ahead goes back unsent: what it was judged by may have changed."""
Done = tuple[Claimed, Result]
T = TypeVar("T")
log = logging.getLogger("homevisits.delivery")


class Crew:
    """One tick's threads, and what they share under one lock."""

    def __init__(
        self,
        database: Database,
        carriers: tuple[Provider, ...],
        rules: SendPolicy,
        now: Callable[[], datetime],
        limit: int,
        stop: threading.Event | None,
    ) -> None:
        self.database, self.carriers, self.rules, self.now, self.stop = database, carriers, rules, now, stop
        self.left = limit
        self.counts: Counter[str] = Counter()
        self.failed: list[Exception] = []
        self._changed = threading.Condition()
        self._ready: deque[tuple[float, Claimed]] = deque()
        self._done: list[Done] = []
        self._leading = self._ended = False
        self._calling = 0
        self._not_before = 0.0
        self._took: float | None = None  # seconds a call takes, lately
        # What a killed worker had in hand is looked for at the carrier; one that cannot be asked is given nothing ahead
        self._may_look = all(one.can_find for one in carriers)
        self._rate = 0.0  # segments a second of the slowest sender, lately

    def work(self) -> Counter[str]:
        """Claim, send, note, in as many threads as the rules say, until nothing is due: the attempts by outcome."""
        self._lead([], self.rules.threads)
        helpers: list[threading.Thread] = []
        if len(self._ready) > 1 or not self._ended:
            helpers = [threading.Thread(target=self._send, daemon=True) for _ in range(self.rules.threads - 1)]
        for helper in helpers:
            helper.start()
        self._send()
        for helper in helpers:
            helper.join()
        if self.failed:
            raise self.failed[0]
        return self.counts

    def _send(self) -> None:
        try:
            while (one := self._next()) is not None:
                claimed_at, claimed = one
                began = time.monotonic()
                if began - claimed_at > STALE:
                    result = Result("down", transitions.NOT_BEGUN)
                else:
                    result = attempt(self.carriers, claimed)
                self._back(claimed, result, time.monotonic() - began)
        except Exception as failure:  # raised again by the thread that waits for all
            log.exception("delivery thread failed")
            with self._changed:
                self.failed.append(failure)
                self._ended = True
                self._changed.notify_all()

    def _back(self, claimed: Claimed, result: Result, took: float) -> None:
        with self._changed:
            self._calling -= 1
            self._done.append((claimed, result))
            if result.code != transitions.NOT_BEGUN:
                self.counts[result.outcome] += 1
                self._took = took if self._took is None else 0.8 * self._took + 0.2 * took
            if result.outcome == "down" and result.http_status is None and result.code != transitions.NOT_BEGUN:
                self._ended = True  # nobody is at the carrier's door: it gets a pause

    def _next(self) -> tuple[float, Claimed] | None:
        """The next text to send; on the way to it, perhaps, a turn at the database for everyone."""
        while True:
            with self._changed:
                if self.stop is not None and self.stop.is_set():
                    self._ended = True
                turn = not self._leading and self._wants_a_turn()
                if not turn:
                    if self._ready:
                        self._calling += 1
                        return self._ready.popleft()
                    if self._ended and not self._done and not self._leading:
                        return None
                    pause = self._not_before - time.monotonic()
                    self._changed.wait(min(max(pause, 0.001), 1.0) if pause > 0 else 1.0)
                    continue
                self._leading = True
                done, self._done = self._done, []
                wanted = self._wanted()
            self._lead(done, wanted)

    def _wants_a_turn(self) -> bool:
        few = len(self._ready) <= max(self._ahead() // 4, min(self._ahead(), self.rules.threads) // 2)
        due = not self._ended and self.left > 0 and time.monotonic() >= self._not_before
        return bool(self._done and (few or len(self._done) >= max(self._ahead(), self.rules.threads))) or (few and due)

    def _ahead(self) -> int:
        threads = self.rules.threads
        if self._took is None or self._took >= QUICK or threads == 1 or not self._may_look:
            return 0
        return max(threads, min(MOST_IN_HAND, int(self._rate / 10), int(threads * IN_HAND / max(self._took, 0.001))))

    def _wanted(self) -> int:
        idle = self.rules.threads - self._calling
        return 0 if self._ended else max(0, min(self.left, idle + self._ahead() - len(self._ready)))

    def _lead(self, done: list[Done], wanted: int) -> None:
        """One commit for all: what became of the texts that are back, and the claim of the next."""
        step = Step()
        wanted = min(wanted, self.left)
        try:
            step = self._step(done, wanted)
        except Exception:
            self._ended = True
            raise
        finally:
            with self._changed:
                self._leading = False
                self.left -= len(step.claimed)
                self._rate = min((one.rate for one in step.claimed), default=self._rate)
                self._ready.extend((time.monotonic(), one) for one in step.claimed)
                if wanted:
                    self._look_again(step, wanted)
                elif self.left <= 0:
                    self._ended = True
                self._changed.notify_all()

    def _look_again(self, step: Step, wanted: int) -> None:
        if step.until is not None:
            pause = (step.until - self.now()).total_seconds()
            if self.stop is None or pause > 1:
                self._ended = True
            self._not_before = time.monotonic() + max(pause, 0.005)
        elif (len(step.claimed) < wanted and not step.more) or self.left <= 0:
            self._ended = True

    def _step(self, done: list[Done], wanted: int) -> Step:
        plain = [one for one in done if plainly_taken(one[1])]
        others = [one for one in done if not plainly_taken(one[1])]
        for attempted in (plain, []):
            each = [*others, *(plain if attempted is not plain else [])]
            try:
                return self._judged(attempted, each, wanted)
            except NotSoPlain:
                log.info("batch contains already updated attempts; recording each one separately")
        raise AssertionError("what is noted by itself is never too plain")

    def _judged(self, plain: list[Done], others: list[Done], wanted: int) -> Step:
        try:
            return again(self.database, lambda session: self._once(session, plain, others, wanted))
        except Stumbled as stumbled:
            log.exception("text could not be checked; it stays queued")
            stuck = stumbled.id
        return again(self.database, lambda session: self._past(session, plain, others, stuck))

    def _once(self, session: Session, plain: list[Done], others: list[Done], wanted: int) -> Step:
        now = self.now()
        self._note(session, plain, others, now)
        names = [one.name for one in self.carriers]
        return look(session, self.rules, now, names, wanted) if wanted else Step()

    def _past(self, session: Session, plain: list[Done], others: list[Done], stuck: int) -> Step:
        now = self.now()
        self._note(session, plain, others, now)
        return stumble(session, stuck, now)

    def _note(self, session: Session, plain: list[Done], others: list[Done], now: datetime) -> None:
        note_taken(session, plain, now)
        for claimed, result in others:
            note(session, claimed, result, now)


def again(database: Database, work: Callable[[Session], T]) -> T:
    """Run one transaction; once more, after a pause, when the database was busy, chose it as a victim or went away."""
    for tried in range(TRIES):
        try:
            with database.transaction() as session:
                return work(session)
        except OperationalError:
            if tried == TRIES - 1:
                raise
            log.warning("database busy or unreachable; retrying")
            time.sleep(secrets.randbelow(1000) / 1000 * 0.1 * 2**tried)
    raise AssertionError("the last try returns or raises")


def attempt(carriers: Sequence[Provider], claimed: Claimed) -> Result:
    """Hand one text to its carrier. No transaction is open here."""
    carrier = next((one for one in carriers if one.name == claimed.carrier), None)
    if carrier is None:
        return Result("down", "no_connection")
    try:
        receipt = carrier.send(
            claimed.phone, claimed.body, claimed.attempt_id, sender=claimed.sender, valid_for=claimed.valid_for
        )
    except ProviderUnavailable as down:
        return Result("down", down.code, retry_after=down.retry_after, http_status=down.http_status)
    except MessageRejected as refused:
        return Result("refused", refused.code, http_status=refused.http_status)
    except OutcomeUnknown as unclear:
        return Result("unclear", unclear.code, http_status=unclear.http_status)
    except Exception:  # a bug in a carrier must not send a text twice
        log.exception("unexpected provider exception")
        return Result("unclear", "carrier_bug")
    return Result("accepted", receipt=receipt)
