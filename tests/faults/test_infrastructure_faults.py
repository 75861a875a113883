"""F18: clocks that jump, and databases that are busy, full or unreachable."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from homevisits.core import leases
from homevisits.core.db import Database
from homevisits.messages.dispatch import claim, results, transitions
from homevisits.messages.dispatch.results import Result
from homevisits.messages.models import DeliveryAttempt, OutgoingMessage
from homevisits.messages.providers.base import Accepted
from tests.faults.helpers import CallbackProvider
from tests.messages.conftest import (
    NOW,
    Recorder,
    dispatch,
    enqueue,
    load_messages,
    make_send_policy,
    planned_message,
    states,
)


def test_f18_clock_moved_forward_does_not_send_a_message_twice(database: Database) -> None:
    enqueue(database, planned_message())

    def jump() -> None:
        with database.transaction() as session:
            assert results.expire_leases(session, NOW + timedelta(hours=1)) == 1

    provider = CallbackProvider(jump)
    dispatch(database, provider)
    assert (states(database), len(provider.sent)) == (["accepted"], 1)
    dispatch(database, provider, NOW + timedelta(hours=1, minutes=30))
    assert len(provider.sent) == 1


def test_f18_clock_moved_back_blocks_no_message_and_no_job(database: Database) -> None:
    enqueue(database, planned_message())
    before = NOW - timedelta(hours=1)
    with database.transaction() as session:
        claimed = next(iter(claim.claim_messages(session, make_send_policy(), NOW, ["recorder"]).messages), None)
        assert leases.take_lease(session, "poll", "one", timedelta(minutes=2), NOW)
        assert not leases.take_lease(session, "poll", "two", timedelta(minutes=2), NOW + timedelta(minutes=1))
    with database.transaction() as session:
        assert results.expire_leases(session, before) == 1
        assert leases.take_lease(session, "poll", "two", timedelta(minutes=2), before)
    assert claimed is not None
    with database.transaction() as session:
        assert not results.record_result(session, claimed, Result("accepted", receipt=Accepted("R1", "queued")), before)
    assert (states(database), load_messages(database)[0].provider_message_id) == (["accepted"], "R1")


def test_f18_job_lease_has_a_single_owner_and_expires(database: Database) -> None:
    span = timedelta(minutes=2)
    with database.transaction() as session:
        assert leases.take_lease(session, "poll", "one", span, NOW)
        assert leases.take_lease(session, "poll", "one", span, NOW)
        assert not leases.take_lease(session, "poll", "two", span, NOW + timedelta(minutes=2, seconds=-1))
        leases.release_lease(session, "poll", "two", NOW)
        assert not leases.has_succeeded_on(session, "poll", NOW.date())
        assert leases.take_lease(session, "poll", "two", span, NOW + timedelta(minutes=2))
        leases.release_lease(session, "poll", "two", NOW + timedelta(minutes=2))
    with database.transaction() as session:
        assert leases.has_succeeded_on(session, "poll", NOW.date())
        assert leases.take_lease(session, "poll", "one", span, NOW + timedelta(minutes=2))


def test_f18_busy_database_delays_messages_without_duplicates(sqlite_database: Database) -> None:
    database = sqlite_database
    enqueue(database, planned_message("a"), planned_message("b", to="+15555550102"))
    event.listen(database.engine, "checkout", lambda connection, *_more: connection.execute("PRAGMA busy_timeout = 20"))
    other = sa.create_engine(database.engine.url).raw_connection()
    timers = []

    def lock() -> None:
        other.isolation_level = None  # type: ignore[attr-defined]
        other.execute("BEGIN IMMEDIATE")  # type: ignore[attr-defined]
        timers.append(threading.Timer(0.3, lambda: other.execute("ROLLBACK")))  # type: ignore[attr-defined]
        timers[-1].start()

    provider = CallbackProvider(lock)
    assert dispatch(database, provider) == {"accepted": 2}
    timers[0].join()
    assert len(provider.sent) == 2
    other.close()


@contextmanager
def full_disk(database: Database) -> Iterator[None]:
    """Limit the SQLite file to its current number of pages."""
    with database.reading() as session:
        pages = session.execute(sa.text("PRAGMA page_count")).scalar_one()

    def limit_pages(connection: Any, *_more: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(database.engine, "checkout", limit_pages)
    yield
    event.remove(database.engine, "checkout", limit_pages)
    event.listen(
        database.engine, "checkout", lambda connection, *_more: connection.execute("PRAGMA max_page_count = 1000000")
    )


def test_f18_full_disk_sends_no_message_that_was_not_recorded(sqlite_database: Database) -> None:
    database = sqlite_database
    long = "x" * 300
    enqueue(database, *(planned_message(f"{n}", to=f"+1555555{n:04}", params={"school": long}) for n in range(60)))
    provider = Recorder()
    with full_disk(database), pytest.raises(OperationalError, match="full"):
        dispatch(database, provider)
    with database.reading() as session:
        attempt_ids = session.scalars(select(DeliveryAttempt.attempt_id)).all()
    assert {token for _, _, token in provider.sent} <= set(attempt_ids), "each that left was written down before"
    later = NOW + timedelta(minutes=2)
    dispatch(database, provider, later)
    resolve_unclear_attempts(database, provider)
    dispatch(database, provider, later)
    assert len({to for to, _, _ in provider.sent}) == len(provider.sent) == 60
    assert set(states(database)) == {"accepted"}


def resolve_unclear_attempts(database: Database, provider: Recorder) -> None:
    """Resolve the unclear attempts as a lookup at the provider would."""
    sent = {token for _, _, token in provider.sent}
    with database.transaction() as session:
        for attempt in session.scalars(select(DeliveryAttempt).where(DeliveryAttempt.outcome == "unclear")).all():
            if attempt.attempt_id in sent:
                transitions.mark_accepted(session, attempt, f"R{attempt.attempt_id}", "queued", NOW)
            else:
                transitions.mark_not_found(session, attempt, NOW + timedelta(minutes=11))


def test_f18_lost_database_connection_during_claim_or_send_is_survived(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    enqueue(database, planned_message("a"), planned_message("b", to="+15555550102"))
    checks_left = [2]

    def close_connections() -> None:
        others = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                         " AND pid <> pg_backend_pid()")  # fmt: skip
        admin = sa.create_engine(database.engine.url)
        with admin.connect() as connection:
            connection.execute(others)
        admin.dispose()

    def check(_session: Session, _row: OutgoingMessage, _now: datetime) -> None:
        checks_left[0] -= 1
        if checks_left[0] == 0:
            close_connections()  # in the middle of the transaction that claims

    provider = CallbackProvider(close_connections)
    assert dispatch(database, provider, checks={"invitation": check}) == {"accepted": 2}
    assert (states(database), len(provider.sent)) == (["accepted", "accepted"], 2)
    database.dispose()
