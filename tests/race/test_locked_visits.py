"""Visits locked by another transaction: jobs skip them, other actions wait and see the change."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from homevisits.core.db import Database
from homevisits.visits import actions
from homevisits.visits.models import Visit
from homevisits.visits.queries import locks
from tests.factories.school import SchoolFixture
from tests.visits.test_actions import arrange, list_messages, load_visit


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_locked_visit_is_skipped_and_processed_in_the_next_run(school_fixture: SchoolFixture) -> None:
    request = actions.BookingRequest(
        school_fixture.families["Rivera"], school_fixture.educators["Luis"], school_fixture.time_at(7, 16, 30)
    )
    with school_fixture.session() as session:
        visit_id = actions.book(
            session, school_fixture.actors["Grace"], request, school_fixture.policy, school_fixture.now
        ).id
    start = school_fixture.time_at(7, 16, 30)
    with school_fixture.session() as locking_session:
        locks.lock_visit(locking_session, locking_session.get_one(Visit, visit_id))
        with school_fixture.session() as session:
            assert actions.apply_withdrawals(session, school_fixture.policy, start) == 0
    with school_fixture.session() as session:
        assert actions.apply_withdrawals(session, school_fixture.policy, start) == 1
        assert actions.apply_withdrawals(session, school_fixture.policy, start) == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_educator_who_opted_out_leaves_a_locked_visit_in_the_next_run(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        school_fixture.record_opt_in(session, "Luis", "out")
    with school_fixture.session() as locking_session:
        locks.lock_visit(locking_session, locking_session.get_one(Visit, visit_id))
        with school_fixture.session() as session:
            assert actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now) == 0
    assert load_visit(school_fixture, visit_id).state == "scheduled"
    with school_fixture.session() as session:
        assert actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now) == 1
    assert load_visit(school_fixture, visit_id).state == "proposed"


def wait_until_blocked(database: Database, running: Future[None]) -> None:
    """Wait until the other transaction waits for a lock. On SQLite it cannot even begin while this one writes."""
    blocked = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
    )
    deadline = time.monotonic() + 30
    while database.engine.dialect.name == "postgresql":
        assert not running.done(), "the action did not wait for the lock"
        assert time.monotonic() < deadline
        with database.reading() as session:
            if session.scalar(blocked):
                return
        time.sleep(0.01)


def save_number(session: Session, school_fixture: SchoolFixture) -> None:
    luis = school_fixture.actors["Luis"]
    actions.save_reminder_phone(session, luis, "(651) 555-0142", school_fixture.policy, school_fixture.now)


def plan_after_new_yes(session: Session, school_fixture: SchoolFixture) -> None:
    invitation_id = school_fixture.invitations["Rivera"]
    actions.plan_messages_after_new_yes(session, invitation_id, school_fixture.policy, school_fixture.now)


@pytest.mark.parametrize("action", [save_number, plan_after_new_yes])
def test_action_that_waited_for_a_cancellation_keeps_the_reply_to_the_family(
    school_fixture: SchoolFixture, action: Callable[[Session, SchoolFixture], None]
) -> None:
    visit_id = arrange(school_fixture)

    def run_action() -> None:
        with school_fixture.session() as session:
            action(session, school_fixture)

    with ThreadPoolExecutor(1) as pool:
        with school_fixture.session() as session:
            visit = session.get_one(Visit, visit_id)
            locks.lock_family_and_people(session, visit.family_id, [])
            running = pool.submit(run_action)
            wait_until_blocked(school_fixture.database, running)
            # Locks the people too: a deadlock if the waiting action already locked one of them.
            actions.record_family_answer(
                session, None, visit_id, "other_time", policy=school_fixture.policy, now=school_fixture.now
            )
        running.result(30)
    queued = [template for template, state in list_messages(school_fixture, visit_id) if state == "queued"]
    assert queued == ["visit_other_time"]
