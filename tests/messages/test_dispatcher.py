"""Threads and transactions of the dispatcher."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from homevisits.core import db
from homevisits.core.db import Database, retry_transaction
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.models import OutgoingMessage, Phone
from homevisits.messages.providers.base import Accepted
from tests.messages.conftest import (
    NOW,
    Recorder,
    enqueue,
    fixed_clock,
    load_messages,
    make_send_policy,
    planned_message,
    states,
)


class HookedRecorder(Recorder):
    """Provider with lookup that calls `before` with the number of the call, starting at 1."""

    supports_lookup = True

    def __init__(self, before: Callable[[int], None]) -> None:
        super().__init__()
        self.before, self.calls, self.lock = before, 0, threading.Lock()

    def send(self, to: str, body: str, token: str, *, sender: str = "", valid_for: int = 36_000) -> Accepted:
        """Accept a message after the call of `before`."""
        with self.lock:
            self.calls += 1
            number = self.calls
        self.before(number)
        return super().send(to, body, token, sender=sender, valid_for=valid_for)


def enqueue_many(database: Database, count: int) -> None:
    """Put messages to different phones into the outbox."""
    enqueue(database, *(planned_message(f"{n}", to=f"+1555555{n:04}") for n in range(count)))


def test_stop_sends_nothing_more_and_gives_back_what_was_claimed_ahead(database: Database) -> None:
    stop = threading.Event()

    def before(number: int) -> None:
        time.sleep(0.01)
        if number == 20:
            stop.set()

    enqueue_many(database, 100)
    provider = HookedRecorder(before)
    sent = dispatcher.dispatch_due(database, (provider,), make_send_policy(threads=4), fixed_clock(), stop=stop)
    assert 20 <= sent["accepted"] == len(provider.sent) <= 24
    assert Counter(states(database)) == {"accepted": len(provider.sent), "queued": 100 - len(provider.sent)}
    assert all(row.attempts == 0 for row in load_messages(database) if row.state == "queued")
    dispatcher.dispatch_due(database, (provider,), make_send_policy(threads=4), fixed_clock())
    assert Counter(to for to, _, _ in provider.sent) == {f"+1555555{n:04}": 1 for n in range(100)}


def test_result_is_recorded_while_another_call_hangs(database: Database) -> None:
    release = threading.Event()

    def before(number: int) -> None:
        if number == 1:
            release.wait(30)

    enqueue_many(database, 3)
    run = threading.Thread(
        target=dispatcher.dispatch_due,
        args=(database, (HookedRecorder(before),), make_send_policy(threads=4), fixed_clock()),
        daemon=True,
    )
    run.start()
    until = time.monotonic() + 20
    while states(database).count("accepted") < 2 and time.monotonic() < until:
        time.sleep(0.05)
    seen = Counter(states(database))
    release.set()
    run.join(30)
    assert seen == {"accepted": 2, "sending": 1}
    assert states(database) == ["accepted"] * 3


def test_no_connection_is_in_use_during_a_call(database: Database) -> None:
    in_use: list[int] = []
    enqueue_many(database, 3)
    pool = database.engine.pool
    provider = HookedRecorder(lambda _number: in_use.append(pool.checkedout()))  # type: ignore[attr-defined]
    dispatcher.dispatch_due(database, (provider,), make_send_policy(threads=1), fixed_clock())
    assert in_use == [0, 0, 0]


def test_failing_transaction_ends_the_run_and_is_raised(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise LookupError("a bug")

    enqueue_many(database, 3)
    monkeypatch.setattr(dispatcher, "record_results", fail)
    provider = HookedRecorder(lambda _number: None)
    with pytest.raises(LookupError):
        dispatcher.dispatch_due(database, (provider,), make_send_policy(threads=2), fixed_clock())
    assert provider.sent == []


def test_transaction_is_repeated_after_a_database_error_and_kept_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "MAX_FIRST_PAUSE_SECONDS", 0.0)
    runs: list[int] = []

    def work(session: Session) -> int:
        runs.append(1)
        session.add(Phone(e164=f"+1555555000{len(runs)}", state="ok"))
        session.flush()
        if len(runs) < 3:
            raise OperationalError("UPDATE", {}, Exception("deadlock"))
        return len(runs)

    assert retry_transaction(database, work) == 3
    with database.reading() as session:
        assert session.scalars(select(Phone.e164)).all() == ["+15555550003"]


def test_transaction_that_keeps_failing_raises_after_the_last_try(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "MAX_FIRST_PAUSE_SECONDS", 0.0)
    runs: list[int] = []

    def work(_session: Session) -> None:
        runs.append(1)
        raise OperationalError("UPDATE", {}, Exception("deadlock"))

    with pytest.raises(OperationalError):
        retry_transaction(database, work)
    assert len(runs) == db.MAX_TRANSACTION_TRIES


def test_message_is_not_claimed_while_another_to_the_same_phone_is_sent(database: Database) -> None:
    enqueue(database, planned_message("a"), planned_message("b"), planned_message("c", to="+15555550102"))
    concurrent: list[set[str]] = []

    def before(_number: int) -> None:
        with database.reading() as session:
            sending = session.scalars(select(OutgoingMessage.phone).where(OutgoingMessage.state == "sending")).all()
        assert len(sending) == len(set(sending))
        concurrent.append(set(sending))

    provider = HookedRecorder(before)
    while dispatcher.dispatch_due(database, (provider,), make_send_policy(threads=4), lambda: NOW):
        pass
    assert len(provider.sent) == len(concurrent) == 3
