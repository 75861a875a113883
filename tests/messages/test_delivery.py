"""Delivery: each text leaves once at most, whoever else is at work and whatever breaks; on both engines."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from homevisits.core.db import Database
from homevisits.messages import outbox
from homevisits.messages.dispatch import claim, results
from homevisits.messages.dispatch.claim import ClaimedMessage
from homevisits.messages.dispatch.results import Result
from homevisits.messages.providers.base import MessageRejected, OutcomeUnknown, ProviderUnavailable
from homevisits.messages.recipients import opt_outs
from tests.messages.conftest import NOW, PHONE, Recorder, planned, put, rows, rules, states, tick


def claimed_of(session: Session) -> ClaimedMessage:
    """The next text, claimed."""
    claimed = next(iter(claim.claim_messages(session, rules(), NOW, ["recorder"]).messages), None)
    assert claimed is not None
    return claimed


def test_a_due_text_leaves_once(database: Database) -> None:
    put(database, planned())
    provider = Recorder()
    assert tick(database, provider) == {"accepted": 1}
    assert tick(database, provider, NOW + timedelta(hours=1)) == {}
    assert len(provider.sent) == 1
    assert states(database) == ["accepted"]
    assert rows(database)[0].sent_at == NOW


def test_a_text_waits_for_its_hour_and_is_not_sent_after_it_is_of_use(database: Database) -> None:
    put(database, planned(not_before=NOW + timedelta(hours=1)), planned("old", expires_at=NOW - timedelta(minutes=1)))
    provider = Recorder()
    tick(database, provider)
    assert (provider.sent, states(database)) == ([], ["queued", "expired"])


def test_the_same_plan_made_twice_is_sent_once(database: Database) -> None:
    put(database, planned(), planned())
    put(database, planned())
    provider = Recorder()
    tick(database, provider)
    assert len(provider.sent) == 1


def test_what_is_no_longer_in_the_plan_is_withdrawn_and_what_comes_back_is_sent(database: Database) -> None:
    put(database, planned("a"), planned("b"))
    with database.transaction() as session:
        outbox.replace(session, "invitation:1", [planned("b"), planned("c")], NOW)
    assert states(database) == ["cancelled", "queued", "queued"]
    with database.transaction() as session:
        outbox.replace(session, "invitation:1", [planned("a")], NOW)
    assert states(database) == ["queued", "cancelled", "cancelled"]


def test_a_stop_holds_for_what_is_queued_and_for_what_comes_later(database: Database) -> None:
    put(database, planned("a"), planned("other", to="+15555550102"))
    with database.transaction() as session:
        assert opt_outs.opt_out(session, PHONE, "family", NOW) is not None
        assert opt_outs.opt_out(session, PHONE, "family", NOW) is None
    put(database, planned("later"), planned("stop", template="stop_confirmed"))
    provider = Recorder()
    tick(database, provider)
    assert states(database) == ["suppressed", "accepted", "suppressed", "accepted"]
    assert [to for to, _, _ in provider.sent] == ["+15555550102", PHONE]


def test_a_stop_between_queueing_and_sending_is_seen_at_the_claim(database: Database) -> None:
    put(database, planned())
    with database.transaction() as session:
        claimed = claimed_of(session)
        results.record_result(session, claimed, Result("down", "429", retry_after=0), NOW)
        opt_outs.opt_out(session, PHONE, "family", NOW)
    put(database, planned("b", to=PHONE))
    assert tick(database, Recorder()) == {}
    assert states(database) == ["suppressed", "suppressed"]


def test_start_lifts_only_the_stop_the_family_made(database: Database) -> None:
    with database.transaction() as session:
        opt_outs.opt_out(session, PHONE, "family", NOW)
        assert opt_outs.opt_in(session, PHONE, NOW) is not None
        assert opt_outs.may_receive(session, PHONE)
        opt_outs.opt_out(session, PHONE, "staff", NOW)
        assert opt_outs.opt_in(session, PHONE, NOW) is None
        assert not opt_outs.may_receive(session, PHONE)


def test_a_worker_that_dies_between_claim_and_send_leaves_unknown_and_no_second_text(database: Database) -> None:
    put(database, planned())
    with database.transaction() as session:
        claimed_of(session)
    provider = Recorder()
    assert tick(database, provider) == {}
    assert states(database) == ["sending"]
    later = NOW + claim.LEASE + timedelta(seconds=1)
    assert tick(database, provider, later) == {"unclear": 1}
    assert tick(database, provider, later + timedelta(minutes=30)) == {}
    assert (provider.sent, states(database)) == ([], ["unknown"])


def test_only_the_holder_of_the_token_notes_the_result(database: Database) -> None:
    put(database, planned())
    with database.transaction() as session:
        claimed = claimed_of(session)
    with database.transaction() as session:
        results.expire_leases(session, NOW + claim.LEASE + timedelta(seconds=1))
        assert not results.record_result(session, claimed, Result("down", "429"), NOW)
    assert states(database) == ["unknown"]


@pytest.mark.parametrize(
    ("failure", "state", "error"),
    [
        (MessageRejected("21211"), "rejected", "21211"),
        (OutcomeUnknown("no_answer"), "unknown", "no_answer"),
        (ProviderUnavailable("429", 7.0), "queued", "429"),
        (RuntimeError("a bug"), "unknown", "provider_bug"),
    ],
)
def test_every_failure_has_its_state(database: Database, failure: Exception, state: str, error: str) -> None:
    put(database, planned())
    tick(database, Recorder(failure))
    row = rows(database)[0]
    assert (row.state, row.error, row.lease_until) == (state, error, None)


def test_a_provider_that_is_down_gets_a_pause_and_then_the_text(database: Database) -> None:
    put(database, planned("a"), planned("b"))
    provider = Recorder(ProviderUnavailable("no_connection", 7.0))
    assert tick(database, provider) == {"down": 1}
    assert provider.sent == []
    tick(database, provider, NOW + timedelta(seconds=8))
    assert states(database) == ["accepted", "accepted"]


def test_the_providers_word_that_a_family_said_stop_counts_as_the_familys(database: Database) -> None:
    put(database, planned("a"), planned("b", not_before=NOW + timedelta(hours=1)))
    tick(database, Recorder(MessageRejected("21610")))
    assert states(database) == ["suppressed", "suppressed"]


def test_two_workers_never_send_a_text_twice(database: Database) -> None:
    put(database, *(planned(f"{n}", to=f"+1555555{n:04}") for n in range(60)))
    providers = [Recorder() for _ in range(4)]
    failures: list[BaseException] = []

    def work(provider: Recorder) -> None:
        try:
            while tick(database, provider):
                pass
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(provider,)) for provider in providers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    counts = Counter(to for provider in providers for to, _, _ in provider.sent)
    assert len(counts) == 60
    assert set(counts.values()) == {1}
    assert states(database) == ["accepted"] * 60
