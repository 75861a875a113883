"""Send the messages that are due. Any number of worker processes may do so at the same time.

The calling thread does all database work: one transaction records the results of finished calls and claims the next
messages. A pool of threads calls the provider, with no transaction open. A message is sent at most once: a claim stores
a fresh token before the call, and only the holder of the token may record the result. If the result is unknown (timeout
after the request was sent, worker killed), the message is `unknown` and is not sent again until reconciliation has
found out.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from queue import Empty, SimpleQueue

import structlog
from sqlalchemy.orm import Session

from homevisits.core.db import Database, retry_transaction
from homevisits.messages.dispatch.claim import (
    ClaimedMessage,
    ClaimResult,
    EligibilityCheckFailed,
    claim_messages,
    hold_faulty,
)
from homevisits.messages.dispatch.eligibility import SendPolicy
from homevisits.messages.dispatch.results import Finished, Result, expire_leases, record_results
from homevisits.messages.dispatch.transitions import NOT_STARTED
from homevisits.messages.providers.base import MessageRejected, OutcomeUnknown, Provider, ProviderUnavailable

MAX_SENDER_WAIT_SECONDS = 1.0  # a longer wait for a rate limit or a circuit breaker ends the run
MIN_SENDER_WAIT_SECONDS = 0.005
FAST_CALL_SECONDS = 0.25  # messages are claimed ahead only while a call takes less
PREFETCH_SECONDS = 0.05  # claim ahead what the threads send in this time
MAX_PREFETCH = 64
MAX_BURST_SECONDS = 0.1  # claim no more at once than the sender may send in this time
MAX_RECORD_DELAY_SECONDS = 0.25  # a result is recorded at the latest after this time, alone if need be
MAX_CLAIM_AGE_SECONDS = 2.0  # a message claimed ahead that waited longer goes back: what it was judged by may change

log = structlog.get_logger("homevisits.delivery")


def dispatch_due(
    database: Database,
    providers: Sequence[Provider],
    policy: SendPolicy,
    now: Callable[[], datetime],
    limit: int = 200,
    *,
    stop: threading.Event | None = None,
) -> Counter[str]:
    """Send at most `limit` due messages and return the number of attempts by outcome.

    Once `stop` is set, no further message is claimed. If `stop` is given, a sender that is available again within
    `MAX_SENDER_WAIT_SECONDS` is waited for; otherwise the run ends there.
    """
    expired = retry_transaction(database, lambda session: expire_leases(session, now()))
    counts = Dispatcher(database, providers, policy, now, limit=limit, stop=stop).run()
    counts["unclear"] += expired
    return +counts


class Dispatcher:
    """A run over the due messages. `limit` and `stop` as in `dispatch_due`."""

    def __init__(
        self,
        database: Database,
        providers: Sequence[Provider],
        policy: SendPolicy,
        now: Callable[[], datetime],
        *,
        limit: int = 200,
        stop: threading.Event | None = None,
    ) -> None:
        self._database, self._policy, self._now, self._stop = database, policy, now, stop
        self._providers = {provider.name: provider for provider in providers}
        # After a crash, a message that was claimed but not sent is found out by asking the provider.
        self._may_claim_ahead = policy.threads > 1 and all(provider.supports_lookup for provider in providers)
        self._results: SimpleQueue[tuple[Finished, float]] = SimpleQueue()
        self._remaining = limit
        self._in_flight = 0
        self._has_stopped_claiming = False
        self._paused_until = 0.0  # of time.monotonic(): no sender may send before
        self._call_seconds: float | None = None  # moving average
        self._sender_rate = 0.0  # of the slowest sender in the last claim
        self._counts: Counter[str] = Counter()
        self._errors: list[Exception] = []

    def run(self) -> Counter[str]:
        """Send until nothing is due and return the number of attempts by outcome."""
        finished: list[Finished] = []
        with ThreadPoolExecutor(self._policy.threads) as pool:
            while True:
                limit = self._claim_limit()
                if finished or limit:
                    for message in self._record_and_claim(finished, limit):
                        self._in_flight += 1
                        pool.submit(self._call_provider, message, time.monotonic())
                if self._has_stopped_claiming and not self._in_flight:
                    break
                finished = self._collect_results()
        if self._errors:
            raise self._errors[0]
        return self._counts

    def _claim_limit(self) -> int:
        """Return how many messages to claim now."""
        if self._remaining <= 0 or (self._stop is not None and self._stop.is_set()):
            self._has_stopped_claiming = True
        if self._has_stopped_claiming or time.monotonic() < self._paused_until:
            return 0
        # A claim larger than the sender's burst would leave at once and be answered with 429.
        burst = max(1, int(self._sender_rate * MAX_BURST_SECONDS)) if self._sender_rate else MAX_PREFETCH
        return max(0, min(self._remaining, burst, self._policy.threads + self._prefetch_limit() - self._in_flight))

    def _prefetch_limit(self) -> int:
        """Return how many messages to claim for threads that are still busy, so that they need not wait for a commit.

        0 if the provider is slow, because a message should be sent soon after it was checked.
        """
        if self._call_seconds is None or self._call_seconds >= FAST_CALL_SECONDS or not self._may_claim_ahead:
            return 0
        sent_soon = int(self._policy.threads * PREFETCH_SECONDS / max(self._call_seconds, 0.001))
        no_burst = int(self._sender_rate * MAX_BURST_SECONDS)
        return max(self._policy.threads, min(MAX_PREFETCH, sent_soon, no_burst))

    def _record_and_claim(self, finished: Sequence[Finished], limit: int) -> Sequence[ClaimedMessage]:
        """Record results and claim up to `limit` messages in a single transaction."""

        def work(session: Session) -> ClaimResult:
            now = self._now()
            record_results(session, finished, now)
            return claim_messages(session, self._policy, now, list(self._providers), limit) if limit else ClaimResult()

        try:
            claim = self._run_transaction(work)
        except Exception as error:  # run() raises it after the results of the other calls are recorded
            log.exception("dispatch_transaction_failed", results=len(finished), limit=limit)
            self._errors.append(error)
            self._has_stopped_claiming = True
            return ()
        if limit:
            self._paused_until = 0.0
        self._remaining -= len(claim.messages)
        self._sender_rate = min((message.sender_rate for message in claim.messages), default=self._sender_rate)
        if claim.retry_at is not None:
            seconds = (claim.retry_at - self._now()).total_seconds()
            self._paused_until = time.monotonic() + max(seconds, MIN_SENDER_WAIT_SECONDS)
            self._has_stopped_claiming |= self._stop is None or seconds > MAX_SENDER_WAIT_SECONDS
        elif len(claim.messages) < limit and not claim.more:
            self._has_stopped_claiming = True
        return claim.messages

    def _run_transaction(self, work: Callable[[Session], ClaimResult]) -> ClaimResult:
        while True:
            try:
                return retry_transaction(self._database, work)
            except EligibilityCheckFailed as failure:
                message_id = failure.message_id
                log.exception("message_check_failed", message_id=message_id)
            retry_transaction(self._database, lambda session: hold_faulty(session, message_id, self._now()))  # noqa: B023

    def _call_provider(self, message: ClaimedMessage, claimed_at: float) -> None:
        """Call the provider; runs in a thread of the pool."""
        started = time.monotonic()
        stopping = self._stop is not None and self._stop.is_set()
        if stopping or started - claimed_at > MAX_CLAIM_AGE_SECONDS:
            result = Result("down", NOT_STARTED)
        else:
            result = send(self._providers, message)
        self._results.put((Finished(message, result), time.monotonic() - started))

    def _collect_results(self) -> list[Finished]:
        """Wait for results until half of the messages claimed ahead are used up; while paused, until the pause ends."""
        finished: list[Finished] = []
        refill_at = self._policy.threads + self._prefetch_limit() // 2
        while self._in_flight:
            pause = 0.0 if self._has_stopped_claiming else self._paused_until - time.monotonic()
            if pause <= 0 and (finished or self._paused_until):
                enough = self._in_flight <= refill_at and self._results.empty()
                if enough and (finished or self._claim_limit()):
                    break
            timeout = pause if pause > 0 else None
            if finished:
                timeout = min(timeout or MAX_RECORD_DELAY_SECONDS, MAX_RECORD_DELAY_SECONDS)
            try:
                entry, seconds = self._results.get(timeout=timeout)
            except Empty:
                break
            finished.append(entry)
            self._in_flight -= 1
            self._count(entry.result, seconds)
        if not finished and not self._in_flight and self._stop is not None:
            self._stop.wait(max(0.0, self._paused_until - time.monotonic()))
        return finished

    def _count(self, result: Result, seconds: float) -> None:
        if result.code == NOT_STARTED:
            return
        self._counts[result.outcome] += 1
        self._call_seconds = seconds if self._call_seconds is None else 0.8 * self._call_seconds + 0.2 * seconds
        if result.outcome == "down" and result.http_status is None:
            self._has_stopped_claiming = True  # the provider cannot be reached: pause until the next run


def send(providers: Mapping[str, Provider], message: ClaimedMessage) -> Result:
    """Call the provider and return the result. Must be called with no transaction open."""
    provider = providers.get(message.provider)
    if provider is None:
        return Result("down", "no_connection")
    try:
        receipt = provider.send(
            message.phone, message.body, message.attempt_id, sender=message.sender, valid_for=message.valid_for
        )
    except ProviderUnavailable as error:
        return Result("down", error.code, retry_after=error.retry_after, http_status=error.http_status)
    except MessageRejected as error:
        return Result("refused", error.code, http_status=error.http_status)
    except OutcomeUnknown as error:
        return Result("unclear", error.code, http_status=error.http_status)
    except Exception:  # a bug in a provider must not send a message twice
        log.exception("provider_unexpected_error", provider=message.provider, message_id=message.id)
        return Result("unclear", "provider_bug")
    return Result("accepted", receipt=receipt)
