"""Sending of messages: each is sent at most once, also with several workers and after failures."""

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
from tests.messages.conftest import (
    NOW,
    PHONE,
    Recorder,
    dispatch,
    enqueue,
    load_messages,
    make_send_policy,
    planned_message,
    states,
)


def claim_next(session: Session) -> ClaimedMessage:
    """Claim the next message."""
    claimed = next(iter(claim.claim_messages(session, make_send_policy(), NOW, ["recorder"]).messages), None)
    assert claimed is not None
    return claimed


def test_due_message_is_sent_once(database: Database) -> None:
    enqueue(database, planned_message())
    provider = Recorder()
    assert dispatch(database, provider) == {"accepted": 1}
    assert dispatch(database, provider, NOW + timedelta(hours=1)) == {}
    assert len(provider.sent) == 1
    assert states(database) == ["accepted"]
    assert load_messages(database)[0].sent_at == NOW


def test_message_waits_until_not_before_and_expires_unsent(database: Database) -> None:
    enqueue(
        database,
        planned_message(not_before=NOW + timedelta(hours=1)),
        planned_message("old", expires_at=NOW - timedelta(minutes=1)),
    )
    provider = Recorder()
    dispatch(database, provider)
    assert (provider.sent, states(database)) == ([], ["queued", "expired"])


def test_message_planned_twice_is_sent_once(database: Database) -> None:
    enqueue(database, planned_message(), planned_message())
    enqueue(database, planned_message())
    provider = Recorder()
    dispatch(database, provider)
    assert len(provider.sent) == 1


def test_message_dropped_from_the_plan_is_cancelled_until_planned_again(database: Database) -> None:
    enqueue(database, planned_message("a"), planned_message("b"))
    with database.transaction() as session:
        outbox.replace(session, "invitation:1", [planned_message("b"), planned_message("c")], NOW)
    assert states(database) == ["cancelled", "queued", "queued"]
    with database.transaction() as session:
        outbox.replace(session, "invitation:1", [planned_message("a")], NOW)
    assert states(database) == ["queued", "cancelled", "cancelled"]


def test_opt_out_suppresses_queued_and_later_messages(database: Database) -> None:
    enqueue(database, planned_message("a"), planned_message("other", to="+15555550102"))
    with database.transaction() as session:
        assert opt_outs.opt_out(session, PHONE, "family", NOW) is not None
        assert opt_outs.opt_out(session, PHONE, "family", NOW) is None
    enqueue(database, planned_message("later"), planned_message("stop", template="stop_confirmed"))
    provider = Recorder()
    dispatch(database, provider)
    assert states(database) == ["suppressed", "accepted", "suppressed", "accepted"]
    assert [to for to, _, _ in provider.sent] == ["+15555550102", PHONE]


def test_opt_out_after_queueing_is_respected_at_the_claim(database: Database) -> None:
    enqueue(database, planned_message())
    with database.transaction() as session:
        claimed = claim_next(session)
        results.record_result(session, claimed, Result("down", "429", retry_after=0), NOW)
        opt_outs.opt_out(session, PHONE, "family", NOW)
    enqueue(database, planned_message("b", to=PHONE))
    assert dispatch(database, Recorder()) == {}
    assert states(database) == ["suppressed", "suppressed"]


def test_opt_in_lifts_an_opt_out_by_the_family_but_not_by_staff(database: Database) -> None:
    with database.transaction() as session:
        opt_outs.opt_out(session, PHONE, "family", NOW)
        assert opt_outs.opt_in(session, PHONE, NOW) is not None
        assert opt_outs.may_receive(session, PHONE)
        opt_outs.opt_out(session, PHONE, "staff", NOW)
        assert opt_outs.opt_in(session, PHONE, NOW) is None
        assert not opt_outs.may_receive(session, PHONE)


def test_worker_death_after_claim_leaves_state_unknown_and_no_resend(database: Database) -> None:
    enqueue(database, planned_message())
    with database.transaction() as session:
        claim_next(session)
    provider = Recorder()
    assert dispatch(database, provider) == {}
    assert states(database) == ["sending"]
    later = NOW + claim.LEASE + timedelta(seconds=1)
    assert dispatch(database, provider, later) == {"unclear": 1}
    assert dispatch(database, provider, later + timedelta(minutes=30)) == {}
    assert (provider.sent, states(database)) == ([], ["unknown"])


def test_result_after_lease_expiry_is_refused(database: Database) -> None:
    enqueue(database, planned_message())
    with database.transaction() as session:
        claimed = claim_next(session)
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
def test_failure_sets_state_and_error(database: Database, failure: Exception, state: str, error: str) -> None:
    enqueue(database, planned_message())
    dispatch(database, Recorder(failure))
    row = load_messages(database)[0]
    assert (row.state, row.error, row.lease_until) == (state, error, None)


def test_unavailable_provider_is_retried_after_a_pause(database: Database) -> None:
    enqueue(database, planned_message("a"), planned_message("b"))
    provider = Recorder(ProviderUnavailable("no_connection", 7.0))
    assert dispatch(database, provider) == {"down": 1}
    assert provider.sent == []
    dispatch(database, provider, NOW + timedelta(seconds=8))
    assert states(database) == ["accepted", "accepted"]


def test_opt_out_reported_by_the_provider_suppresses_all_messages(database: Database) -> None:
    enqueue(database, planned_message("a"), planned_message("b", not_before=NOW + timedelta(hours=1)))
    dispatch(database, Recorder(MessageRejected("21610")))
    assert states(database) == ["suppressed", "suppressed"]


def test_four_workers_send_each_message_once(database: Database) -> None:
    enqueue(database, *(planned_message(f"{n}", to=f"+1555555{n:04}") for n in range(60)))
    providers = [Recorder() for _ in range(4)]
    failures: list[BaseException] = []

    def send_all(provider: Recorder) -> None:
        try:
            while dispatch(database, provider):
                pass
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=send_all, args=(provider,)) for provider in providers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    counts = Counter(to for provider in providers for to, _, _ in provider.sent)
    assert len(counts) == 60
    assert set(counts.values()) == {1}
    assert states(database) == ["accepted"] * 60
