"""Lost, repeated, late and early responses and callbacks give a single message and final status."""

import itertools
import threading
import time
from datetime import timedelta

import pytest

from homevisits.core.db import Database
from homevisits.messages.dispatch import claim, dispatcher, results
from homevisits.messages.dispatch.claim import LEASE
from homevisits.messages.providers.base import MessageRejected
from homevisits.messages.recipients import opt_outs
from tests.messages import fake_twilio
from tests.messages.conftest import (
    PHONE,
    Recorder,
    dispatch,
    enqueue,
    fixed_clock,
    load_messages,
    make_send_policy,
    planned_message,
    states,
)
from tests.messages.installation import Installation

CPU_TIME = time.thread_time
"""CPU time of this thread, because other processes must not matter. Benchmark B7 uses real time."""
STATUS_SEQUENCE = ("queued", "sending", "sent", "delivered")


@pytest.fixture
def installation(database: Database) -> Installation:
    """An installation with a fake Twilio."""
    with fake_twilio.running(auth_token="token") as twilio:
        yield Installation(database, twilio)


def test_f2_missing_response_to_an_accepted_message_gives_a_single_message(installation: Installation) -> None:
    installation.enqueue()
    installation.twilio.next.append("stall")
    assert installation.send() == {"unclear": 1}
    assert installation.states == ["unknown"]
    installation.advance_clock(seconds=31)
    assert installation.look_up_unclear() == 1
    assert (installation.sent_count, installation.states, installation.send()) == (1, ["accepted"], {})
    assert installation.report("delivered") == 200
    assert (installation.sent_count, installation.states) == (1, ["delivered"])


def test_f3_truncated_response_gives_a_single_message(installation: Installation) -> None:
    installation.enqueue()
    installation.twilio.next.append("cut")
    installation.send()
    assert installation.message.error == "unreadable_answer"
    installation.advance_clock(seconds=31)
    assert installation.look_up_unclear() == 1
    assert (installation.sent_count, installation.states, installation.message.provider_message_id) == (
        1,
        ["accepted"],
        installation.twilio.sent[0]["Sid"],
    )
    # The callback sets the final status, although the first response was lost.
    installation.report("undelivered", 30005)
    assert (installation.states, installation.message.error) == (["undelivered"], "30005")


@pytest.mark.parametrize("failure", ["stall", "cut", "reset", "taken:html502", "taken:503/20503"])
def test_f2_callback_resolves_an_unclear_message_before_the_lookup(installation: Installation, failure: str) -> None:
    installation.enqueue()
    installation.twilio.next.append(failure)
    installation.send()
    assert installation.states == ["unknown"]
    assert installation.report("sent") == 200
    assert (installation.states, installation.message.provider_message_id) == (
        ["accepted"],
        installation.twilio.sent[0]["Sid"],
    )
    installation.advance_clock(seconds=31)
    assert (installation.look_up_unclear(), installation.twilio.lookups, installation.sent_count) == (0, 0, 1)
    installation.report("delivered")
    assert installation.states == ["delivered"]


def test_f2_message_not_found_is_sent_once_after_the_third_lookup(installation: Installation) -> None:
    installation.enqueue()
    installation.twilio.next.append("html502")
    installation.send()
    installation.advance_clock(seconds=31)
    for after, resolved in ((0, 0), (89, 0), (1, 0), (478, 0), (1, 1)):
        installation.advance_clock(seconds=after)
        assert installation.look_up_unclear() == resolved
    assert (installation.twilio.lookups, installation.sent_count, installation.states) == (3, 0, ["queued"])
    assert installation.send() == {"accepted": 1}
    assert (installation.sent_count, installation.states) == (1, ["accepted"])


def test_f2_delayed_provider_list_is_looked_up_again(installation: Installation) -> None:
    installation.enqueue()
    installation.twilio.next.append("stall")
    installation.twilio.list_lag = 300
    installation.send()
    for after, resolved in ((31, 0), (120, 0), (480, 1)):
        installation.advance_clock(seconds=after)
        assert installation.look_up_unclear() == resolved
    assert (installation.sent_count, installation.states) == (1, ["accepted"])


def test_f7_callback_before_the_response_to_the_send_is_applied(installation: Installation) -> None:
    """Twilio accepts the message and sends a callback before its response arrives."""
    installation.enqueue()
    statuses: list[int] = []

    def post_callback_early(form: dict[str, str]) -> None:
        thread = threading.Thread(target=lambda: statuses.append(installation.post_callback(form["Sid"], "sent")))
        threads.append(thread)
        thread.start()

    threads: list[threading.Thread] = []
    installation.twilio.on_accepted, installation.twilio.latency = post_callback_early, 0.3
    assert installation.send() == {"accepted": 1}
    for thread in threads:
        thread.join()
    row, (attempt,) = installation.message, installation.attempts()
    assert (statuses, installation.states, row.provider_message_id, row.provider_status) == (
        [200],
        ["accepted"],
        attempt.provider_message_id,
        "sent",
    )
    assert (attempt.status, attempt.lease_until, attempt.next_check_at is not None) == ("sent", None, True)
    installation.report("delivered")
    assert (installation.states, installation.attempts()[0].next_check_at) == (["delivered"], None)


def test_f7_final_status_before_the_response_to_the_send_is_kept(installation: Installation) -> None:
    installation.enqueue()
    installation.twilio.on_accepted = lambda form: accepted.append(form["Sid"])
    accepted: list[str] = []
    installation.twilio.latency = 0.3

    def post_final_status() -> None:
        while not accepted:
            time.sleep(0.01)
        installation.report("failed", 30005)

    thread = threading.Thread(target=post_final_status)
    thread.start()
    installation.send()
    thread.join()
    assert (installation.states, installation.message.error, installation.message.provider_status) == (
        ["undelivered"],
        "30005",
        "failed",
    )


@pytest.mark.parametrize("last", ["delivered", "undelivered"])
def test_f8_reordered_and_repeated_callbacks_give_the_same_state(installation: Installation, last: str) -> None:
    orders = list(itertools.permutations([*STATUS_SEQUENCE[:-1], last]))
    installation.enqueue(*(planned_message(f"{n}", to=f"+1555555{n:04}") for n in range(len(orders))))
    installation.send()
    for number, order in enumerate(orders):
        for status in (*order, *reversed(order), *order):
            assert installation.report(status, 30006 if status == last == "undelivered" else None, number) == 200
    assert installation.states == [last] * len(orders)
    assert {(row.status, row.next_check_at) for row in installation.attempts()} == {(last, None)}
    assert {(row.provider_status, row.error) for row in load_messages(installation.database)} == {
        (last, "30006" if last == "undelivered" else None)
    }
    assert len(installation.events()) == 4 * len(orders)
    assert installation.alerts() == []


def test_f8_simultaneous_duplicate_callbacks_have_a_single_effect(installation: Installation) -> None:
    installation.enqueue()
    installation.send()
    provider_message_id, statuses = installation.twilio.sent[0]["Sid"], []
    threads = [
        threading.Thread(target=lambda s=status: statuses.append(installation.post_callback(provider_message_id, s)))  # type: ignore[misc]
        for status in ("sent", "delivered") * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (set(statuses), installation.states, len(installation.events())) == ({200}, ["delivered"], 2)


def test_f8_first_of_two_final_statuses_is_kept_and_raises_an_alert(installation: Installation) -> None:
    installation.enqueue()
    installation.send()
    installation.report("delivered")
    installation.post_callback(installation.twilio.sent[0]["Sid"], "undelivered", 30003)
    assert (installation.states, installation.message.error, installation.sent_count) == (["delivered"], None, 1)
    assert [kind for kind, _ in installation.alerts()] == ["contradiction"]


def test_f9_polling_finds_the_final_status_without_callbacks(installation: Installation) -> None:
    installation.enqueue(*(planned_message(f"{n}", to=f"+1555555{n:04}") for n in range(3)))
    installation.send()
    message_ids = [sent["Sid"] for sent in installation.twilio.sent]
    installation.twilio.move(message_ids[0], "delivered")
    installation.twilio.move(message_ids[1], "undelivered", 30006)
    installation.twilio.move(message_ids[2], "sent")
    installation.advance_clock(minutes=59)
    assert (installation.poll_accepted(), installation.twilio.lookups) == (0, 0)
    for _ in range(6):  # once a minute from the hour on
        installation.advance_clock(minutes=1)
        installation.poll_accepted()
    assert installation.states == ["delivered", "undelivered", "accepted"]
    installation.twilio.move(message_ids[2], "delivered")
    for _ in range(6):
        installation.advance_clock(minutes=1)
        installation.poll_accepted()
    assert installation.states == ["delivered", "undelivered", "delivered"]
    lookups = installation.twilio.lookups
    installation.advance_clock(hours=2)
    assert (installation.poll_accepted(), installation.twilio.lookups) == (0, lookups)


def test_f13_opt_out_error_from_a_send_suppresses_all_messages_at_once(installation: Installation) -> None:
    """Error 21610 in response to a send suppresses the message and all waiting messages."""
    installation.enqueue(
        planned_message("a"), planned_message("b", not_before=installation.now() + timedelta(minutes=30))
    )
    installation.twilio.stopped.add(PHONE)
    started = CPU_TIME()
    installation.send()
    assert CPU_TIME() - started < 1
    assert installation.states == ["suppressed", "suppressed"]
    check_phone_is_suppressed(installation)


def test_f13_opt_out_error_in_a_callback_suppresses_all_messages_at_once(installation: Installation) -> None:
    installation.enqueue(
        planned_message("a"), planned_message("b", not_before=installation.now() + timedelta(minutes=30))
    )
    installation.send()
    started = CPU_TIME()
    assert installation.report("undelivered", 21610) == 200
    assert CPU_TIME() - started < 1
    assert installation.states == ["suppressed", "suppressed"]
    check_phone_is_suppressed(installation)


def check_phone_is_suppressed(installation: Installation) -> None:
    """Check that no further request for this phone reaches the provider."""
    with installation.database.reading() as session:
        assert not opt_outs.may_receive(session, PHONE)
    requests = installation.twilio.requests
    installation.enqueue(planned_message("later"))
    installation.advance_clock(minutes=31)
    assert (installation.send(), installation.twilio.requests) == ({}, requests)
    assert set(installation.states) == {"suppressed"}


def test_f13_opt_out_code_with_a_non_final_status_does_not_opt_out(installation: Installation) -> None:
    installation.enqueue()
    installation.send()
    installation.post_callback(installation.twilio.sent[0]["Sid"], "sent", 21610)
    with installation.database.reading() as session:
        assert opt_outs.may_receive(session, PHONE)
    installation.report("delivered")
    assert (installation.states, installation.message.error) == (["delivered"], None)


def test_f13_opt_out_after_the_claim_lets_only_the_claimed_message_go(database: Database) -> None:
    """The claimed message may be sent; whatever its result, the next claim is refused."""
    enqueue(database, planned_message("a"), planned_message("b"))
    with database.transaction() as session:
        claimed = next(
            iter(claim.claim_messages(session, make_send_policy(), fixed_clock()(), ["recorder"]).messages), None
        )
    assert claimed is not None
    started = CPU_TIME()
    with database.transaction() as session:
        opt_outs.opt_out(session, PHONE, "family", fixed_clock()())
    assert CPU_TIME() - started < 1
    result = dispatcher.send({"recorder": Recorder(MessageRejected("21610"))}, claimed)
    with database.transaction() as session:
        results.record_result(session, claimed, result, fixed_clock()())
    assert states(database) == ["suppressed", "suppressed"]
    assert dispatch(database, Recorder(), fixed_clock()() + LEASE) == {}


def test_f13_message_waiting_for_a_retry_is_suppressed_after_an_opt_out(installation: Installation) -> None:
    installation.enqueue()
    installation.twilio.next.append("429/20429/3")
    installation.send()
    assert installation.states == ["queued"]
    with installation.database.transaction() as session:
        opt_outs.opt_out(session, PHONE, "family", installation.now())
    installation.advance_clock(minutes=5)
    assert (installation.send(), installation.sent_count, installation.states) == ({}, 0, ["suppressed"])
