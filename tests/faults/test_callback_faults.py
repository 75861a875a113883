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
    fixed_clock,
    load_messages,
    make_send_policy,
    planned_message,
    put,
    states,
)
from tests.messages.installation import Installation

WORK = time.thread_time
"""CPU time of this thread, because other processes must not matter. Benchmark B7 uses real time."""
LIFE = ("queued", "sending", "sent", "delivered")


@pytest.fixture
def line(database: Database) -> Installation:
    """An installation with a fake Twilio."""
    with fake_twilio.running(auth_token="token") as twilio:
        yield Installation(database, twilio)


def test_f2_missing_response_to_an_accepted_message_gives_a_single_message(line: Installation) -> None:
    line.put()
    line.twilio.next.append("stall")
    assert line.send() == {"unclear": 1}
    assert line.states == ["unknown"]
    line.advance_clock(seconds=31)
    assert line.look_up_unclear() == 1
    assert (line.sent_count, line.states, line.send()) == (1, ["accepted"], {})
    assert line.report("delivered") == 200
    assert (line.sent_count, line.states) == (1, ["delivered"])


def test_f3_truncated_response_gives_a_single_message(line: Installation) -> None:
    line.put()
    line.twilio.next.append("cut")
    line.send()
    assert line.message.error == "unreadable_answer"
    line.advance_clock(seconds=31)
    assert line.look_up_unclear() == 1
    assert (line.sent_count, line.states, line.message.provider_message_id) == (
        1,
        ["accepted"],
        line.twilio.sent[0]["Sid"],
    )
    # The callback sets the final status, although the first response was lost.
    line.report("undelivered", 30005)
    assert (line.states, line.message.error) == (["undelivered"], "30005")


@pytest.mark.parametrize("how", ["stall", "cut", "reset", "taken:html502", "taken:503/20503"])
def test_f2_callback_resolves_an_unclear_message_before_the_lookup(line: Installation, how: str) -> None:
    line.put()
    line.twilio.next.append(how)
    line.send()
    assert line.states == ["unknown"]
    assert line.report("sent") == 200
    assert (line.states, line.message.provider_message_id) == (["accepted"], line.twilio.sent[0]["Sid"])
    line.advance_clock(seconds=31)
    assert (line.look_up_unclear(), line.twilio.lookups, line.sent_count) == (0, 0, 1)
    line.report("delivered")
    assert line.states == ["delivered"]


def test_f2_message_not_found_is_sent_once_after_the_third_lookup(line: Installation) -> None:
    line.put()
    line.twilio.next.append("html502")
    line.send()
    line.advance_clock(seconds=31)
    for after, settled in ((0, 0), (89, 0), (1, 0), (478, 0), (1, 1)):
        line.advance_clock(seconds=after)
        assert line.look_up_unclear() == settled
    assert (line.twilio.lookups, line.sent_count, line.states) == (3, 0, ["queued"])
    assert line.send() == {"accepted": 1}
    assert (line.sent_count, line.states) == (1, ["accepted"])


def test_f2_delayed_provider_list_is_looked_up_again(line: Installation) -> None:
    line.put()
    line.twilio.next.append("stall")
    line.twilio.list_lag = 300
    line.send()
    for after, settled in ((31, 0), (120, 0), (480, 1)):
        line.advance_clock(seconds=after)
        assert line.look_up_unclear() == settled
    assert (line.sent_count, line.states) == (1, ["accepted"])


def test_f7_callback_before_the_response_to_the_send_is_applied(line: Installation) -> None:
    """Twilio accepts the message and sends a callback before its response arrives."""
    line.put()
    told: list[int] = []

    def early(form: dict[str, str]) -> None:
        thread = threading.Thread(target=lambda: told.append(line.post_callback(form["Sid"], "sent")))
        threads.append(thread)
        thread.start()

    threads: list[threading.Thread] = []
    line.twilio.on_accepted, line.twilio.latency = early, 0.3
    assert line.send() == {"accepted": 1}
    for thread in threads:
        thread.join()
    row, (attempt,) = line.message, line.attempts()
    assert (told, line.states, row.provider_message_id, row.provider_status) == (
        [200],
        ["accepted"],
        attempt.provider_message_id,
        "sent",
    )
    assert (attempt.status, attempt.lease_until, attempt.next_check_at is not None) == ("sent", None, True)
    line.report("delivered")
    assert (line.states, line.attempts()[0].next_check_at) == (["delivered"], None)


def test_f7_final_status_before_the_response_to_the_send_is_kept(line: Installation) -> None:
    line.put()
    line.twilio.on_accepted = lambda form: early.append(form["Sid"])
    early: list[str] = []
    line.twilio.latency = 0.3

    def ends() -> None:
        while not early:
            time.sleep(0.01)
        line.report("failed", 30005)

    thread = threading.Thread(target=ends)
    thread.start()
    line.send()
    thread.join()
    assert (line.states, line.message.error, line.message.provider_status) == (["undelivered"], "30005", "failed")


@pytest.mark.parametrize("last", ["delivered", "undelivered"])
def test_f8_reordered_and_repeated_callbacks_give_the_same_state(line: Installation, last: str) -> None:
    orders = list(itertools.permutations([*LIFE[:-1], last]))
    line.put(*(planned_message(f"{n}", to=f"+1555555{n:04}") for n in range(len(orders))))
    line.send()
    for number, order in enumerate(orders):
        for status in (*order, *reversed(order), *order):
            assert line.report(status, 30006 if status == last == "undelivered" else None, number) == 200
    assert line.states == [last] * len(orders)
    assert {(row.status, row.next_check_at) for row in line.attempts()} == {(last, None)}
    assert {(row.provider_status, row.error) for row in load_messages(line.database)} == {
        (last, "30006" if last == "undelivered" else None)
    }
    assert len(line.events()) == 4 * len(orders)
    assert line.alerts() == []


def test_f8_simultaneous_duplicate_callbacks_have_a_single_effect(line: Installation) -> None:
    line.put()
    line.send()
    provider_message_id, answers = line.twilio.sent[0]["Sid"], []
    threads = [
        threading.Thread(target=lambda s=status: answers.append(line.post_callback(provider_message_id, s)))  # type: ignore[misc]
        for status in ("sent", "delivered") * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (set(answers), line.states, len(line.events())) == ({200}, ["delivered"], 2)


def test_f8_first_of_two_final_statuses_is_kept_and_raises_an_alert(line: Installation) -> None:
    line.put()
    line.send()
    line.report("delivered")
    line.post_callback(line.twilio.sent[0]["Sid"], "undelivered", 30003)
    assert (line.states, line.message.error, line.sent_count) == (["delivered"], None, 1)
    assert [kind for kind, _ in line.alerts()] == ["contradiction"]


def test_f9_polling_finds_the_final_status_without_callbacks(line: Installation) -> None:
    line.put(*(planned_message(f"{n}", to=f"+1555555{n:04}") for n in range(3)))
    line.send()
    sids = [sent["Sid"] for sent in line.twilio.sent]
    line.twilio.move(sids[0], "delivered")
    line.twilio.move(sids[1], "undelivered", 30006)
    line.twilio.move(sids[2], "sent")
    line.advance_clock(minutes=59)
    assert (line.poll_accepted(), line.twilio.lookups) == (0, 0)
    for _ in range(6):  # once a minute from the hour on
        line.advance_clock(minutes=1)
        line.poll_accepted()
    assert line.states == ["delivered", "undelivered", "accepted"]
    line.twilio.move(sids[2], "delivered")
    for _ in range(6):
        line.advance_clock(minutes=1)
        line.poll_accepted()
    assert line.states == ["delivered", "undelivered", "delivered"]
    asked = line.twilio.lookups
    line.advance_clock(hours=2)
    assert (line.poll_accepted(), line.twilio.lookups) == (0, asked)


def test_f13_opt_out_error_from_a_send_suppresses_all_messages_at_once(line: Installation) -> None:
    """Error 21610 in response to a send suppresses the message and all waiting messages."""
    line.put(planned_message("a"), planned_message("b", not_before=line.now() + timedelta(minutes=30)))
    line.twilio.stopped.add(PHONE)
    begun = WORK()
    line.send()
    assert WORK() - begun < 1
    assert line.states == ["suppressed", "suppressed"]
    refuses_from_now_on(line)


def test_f13_opt_out_error_in_a_callback_suppresses_all_messages_at_once(line: Installation) -> None:
    line.put(planned_message("a"), planned_message("b", not_before=line.now() + timedelta(minutes=30)))
    line.send()
    begun = WORK()
    assert line.report("undelivered", 21610) == 200
    assert WORK() - begun < 1
    assert line.states == ["suppressed", "suppressed"]
    refuses_from_now_on(line)


def refuses_from_now_on(line: Installation) -> None:
    """Check that no further request for this phone reaches the provider."""
    with line.database.reading() as session:
        assert not opt_outs.may_receive(session, PHONE)
    asked = line.twilio.requests
    line.put(planned_message("later"))
    line.advance_clock(minutes=31)
    assert (line.send(), line.twilio.requests) == ({}, asked)
    assert set(line.states) == {"suppressed"}


def test_f13_opt_out_code_with_a_non_final_status_does_not_opt_out(line: Installation) -> None:
    line.put()
    line.send()
    line.post_callback(line.twilio.sent[0]["Sid"], "sent", 21610)
    with line.database.reading() as session:
        assert opt_outs.may_receive(session, PHONE)
    line.report("delivered")
    assert (line.states, line.message.error) == (["delivered"], None)


def test_f13_opt_out_after_the_claim_lets_only_the_claimed_message_go(database: Database) -> None:
    """The claimed message may be sent; whatever its result, the next claim is refused."""
    put(database, planned_message("a"), planned_message("b"))
    with database.transaction() as session:
        claimed = next(
            iter(claim.claim_messages(session, make_send_policy(), fixed_clock()(), ["recorder"]).messages), None
        )
    assert claimed is not None
    begun = WORK()
    with database.transaction() as session:
        opt_outs.opt_out(session, PHONE, "family", fixed_clock()())
    assert WORK() - begun < 1
    result = dispatcher.send({"recorder": Recorder(MessageRejected("21610"))}, claimed)
    with database.transaction() as session:
        results.record_result(session, claimed, result, fixed_clock()())
    assert states(database) == ["suppressed", "suppressed"]
    assert dispatch(database, Recorder(), fixed_clock()() + LEASE) == {}


def test_f13_message_waiting_for_a_retry_is_suppressed_after_an_opt_out(line: Installation) -> None:
    line.put()
    line.twilio.next.append("429/20429/3")
    line.send()
    assert line.states == ["queued"]
    with line.database.transaction() as session:
        opt_outs.opt_out(session, PHONE, "family", line.now())
    line.advance_clock(minutes=5)
    assert (line.send(), line.sent_count, line.states) == ({}, 0, ["suppressed"])
