"""F16, F19: cancellations at every stage of delivery, a long outage, opt-outs and late statuses."""

import secrets
import threading
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.db import Database
from homevisits.messages import outbox
from homevisits.messages.dispatch import transitions
from homevisits.messages.models import DeliveryAttempt, OutgoingMessage
from homevisits.messages.providers.base import Accepted, OutcomeUnknown, ProviderUnavailable
from homevisits.messages.recipients import opt_outs
from tests.faults.helpers import CallbackProvider, record_not_found, reminder
from tests.messages.conftest import NOW, PHONE, Recorder, dispatch, enqueue, load_messages, planned_message, states


def withdraw_message(session: Session) -> None:
    """Withdraw the message from the plan of the visit."""
    outbox.withdraw(session, "invitation:1", NOW)


def test_f16_message_cancelled_while_queued_is_never_sent(database: Database) -> None:
    enqueue(database, planned_message())
    with database.transaction() as session:
        withdraw_message(session)
    provider = Recorder()
    dispatch(database, provider)
    assert (provider.sent, states(database)) == ([], ["cancelled"])


@pytest.mark.parametrize(
    ("fails", "state"),
    [((), "accepted"), ((ProviderUnavailable("429", 0.0),), "cancelled"), ((OutcomeUnknown("no_answer"),), "unknown")],
)
def test_f16_message_cancelled_during_the_send_is_not_sent_again(
    database: Database, fails: tuple[Exception, ...], state: str
) -> None:
    enqueue(database, planned_message())

    def cancel() -> None:
        with database.transaction() as session:
            withdraw_message(session)

    provider = CallbackProvider(cancel, *fails)
    dispatch(database, provider)
    assert (states(database), load_messages(database)[0].cancel_requested) == ([state], True)
    record_not_found(database)
    dispatch(database, provider, NOW + timedelta(minutes=20))
    assert len(provider.sent) == (0 if fails else 1)
    assert states(database) == ["accepted" if not fails else "cancelled"]


def test_f16_unknown_message_not_found_is_retried_once_and_then_dead(database: Database) -> None:
    enqueue(database, planned_message())
    provider = Recorder(OutcomeUnknown("no_answer"), OutcomeUnknown("no_answer"))
    dispatch(database, provider)
    record_not_found(database)
    assert states(database) == ["queued"]
    dispatch(database, provider, NOW + timedelta(minutes=12))
    assert states(database) == ["unknown"]
    record_not_found(database)
    row = load_messages(database)[0]
    assert (row.state, row.error, provider.sent) == ("dead", "not_found", [])


def test_f16_unknown_message_cancelled_and_planned_again_is_sent(database: Database) -> None:
    enqueue(database, planned_message())
    provider = Recorder(OutcomeUnknown("no_answer"))
    dispatch(database, provider)
    with database.transaction() as session:
        withdraw_message(session)
    with database.transaction() as session:
        outbox.replace(session, "invitation:1", [planned_message()], NOW)
    record_not_found(database)
    dispatch(database, provider, NOW + timedelta(minutes=12))
    assert (states(database), len(provider.sent)) == (["accepted"], 1)


def test_f16_plan_changed_during_the_claim_never_sends_both_versions(database: Database) -> None:
    """Move the visit and claim its message concurrently: the old time is never sent after the change."""
    enqueue(database, planned_message("v0"))
    provider, stop = Recorder(), threading.Event()

    def deliver() -> None:
        while not stop.is_set():
            dispatch(database, provider)

    worker = threading.Thread(target=deliver)
    worker.start()
    try:
        for version in range(1, 25):
            with database.transaction() as session:
                outbox.replace(session, "invitation:1", [planned_message(f"v{version}")], NOW)
    finally:
        stop.set()
        worker.join()
    dispatch(database, provider)
    rows = load_messages(database)
    assert len(provider.sent) == len({token for _, _, token in provider.sent})
    assert {row.state for row in rows} <= {"accepted", "cancelled"}
    assert sum(row.state == "accepted" for row in rows) == len(provider.sent)
    assert rows[-1].state == "accepted"


def test_f19_after_a_three_day_outage_only_unexpired_messages_are_sent(database: Database) -> None:
    messages = [
        reminder(f"{n}", to=f"+1555555{n:04}", expires_at=NOW + timedelta(days=1 if n % 2 else 5)) for n in range(20)
    ]
    enqueue(database, *messages)
    provider = Recorder()
    dispatch(database, provider, NOW + timedelta(days=3))
    assert {to for to, _, _ in provider.sent} == {f"+1555555{n:04}" for n in range(0, 20, 2)}
    assert states(database) == ["accepted", "expired"] * 10


def test_opt_out_during_a_failed_send_ends_the_retries(database: Database) -> None:
    enqueue(database, planned_message(template="invitation", params={"school": "Lincoln"}))

    def stop() -> None:
        with database.transaction() as session:
            opt_outs.opt_out(session, PHONE, "family", NOW)

    provider = CallbackProvider(stop, ProviderUnavailable("no_connection", 0.0))
    dispatch(database, provider)
    dispatch(database, provider, NOW + timedelta(minutes=1))
    assert (provider.sent, states(database)) == ([], ["suppressed"])


def test_two_workers_never_send_to_the_same_phone_at_the_same_time(database: Database) -> None:
    enqueue(database, *(planned_message(f"{n}") for n in range(12)))
    lock, active, max_active = threading.Lock(), [0], [0]

    class CountingProvider(Recorder):
        def send(self, to: str, body: str, token: str, *, sender: str = "", valid_for: int = 36_000) -> Accepted:
            with lock:
                active[0] += 1
                max_active[0] = max(max_active[0], active[0])
            threading.Event().wait(0.005)
            with lock:
                active[0] -= 1
            return super().send(to, body, token, sender=sender, valid_for=valid_for)

    provider = CountingProvider()
    workers = [
        threading.Thread(target=lambda: [dispatch(database, provider, threads=3) for _ in range(25)]) for _ in "ab"
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    dispatch(database, provider)
    assert (max_active[0], len(provider.sent), set(states(database))) == (1, 12, {"accepted"})


def test_message_whose_check_fails_is_held_and_others_are_sent(database: Database) -> None:
    enqueue(database, planned_message("a"), planned_message("b", to="+15555550102"))

    def check(_session: Session, row: OutgoingMessage, _now: datetime) -> str | None:
        if row.dedupe_key.endswith("a"):
            raise LookupError("a fault of ours")
        return None

    provider = Recorder()
    dispatch(database, provider, checks={"invitation": check})
    assert [to for to, _, _ in provider.sent] == ["+15555550102"]
    assert (states(database), load_messages(database)[0].hold_reason) == (["held", "accepted"], "fault")
    assert dispatch(database, provider, NOW + timedelta(minutes=16)) == {"accepted": 1}


def test_late_status_of_a_message_that_was_retried_raises_an_alert(database: Database) -> None:
    enqueue(database, planned_message())
    provider = Recorder(OutcomeUnknown("no_answer"))
    dispatch(database, provider)
    record_not_found(database)
    dispatch(database, provider, NOW + timedelta(minutes=12))
    with database.transaction() as session:
        attempt = session.scalars(select(DeliveryAttempt).order_by(DeliveryAttempt.n)).first()
        assert attempt is not None
        transitions.mark_accepted(
            session, attempt, f"SM{secrets.token_hex(4)}", "delivered", NOW + timedelta(minutes=13)
        )
    assert states(database) == ["accepted"]
    with database.reading() as session:
        rows = session.execute(sa.text("SELECT kind, detail FROM message_alert")).all()
    assert [tuple(row) for row in rows] == [("contradiction", "left twice")]
