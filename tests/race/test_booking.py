"""Concurrent bookings of the same educators for the same time, with threads."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import func, select, text

from homevisits.availability.models import Commitment
from homevisits.core.problems import RulesBroken
from homevisits.people.models import SchoolClass, Teaching
from homevisits.visits import actions
from homevisits.visits.models import LIVE, Visit, VisitMember
from tests.database_constraints.raw_sql import REFUSED, RawConnection
from tests.factories.school import SchoolFixture

CLIENTS = 8
ROUNDS = 15
FAMILIES = ("Rivera", "Smith", "Nguyen")


def run_concurrently(attempts: list[Callable[[], object]]) -> list[object]:
    """Run each attempt in its own thread, released together; return results and exceptions."""
    gate = threading.Barrier(len(attempts))

    def run(attempt: Callable[[], object]) -> object:
        gate.wait(30)
        try:
            return attempt()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(attempts)) as pool:
        return [future.result(120) for future in [pool.submit(run, attempt) for attempt in attempts]]


@pytest.fixture
def shared_class(school_fixture: SchoolFixture) -> SchoolFixture:
    """The test school with Luis as a second teacher of the class, so that Grace and Luis can both book."""
    with school_fixture.session() as session:
        class_id = session.scalars(select(SchoolClass.id)).one()
        session.add(Teaching(class_id=class_id, educator_id=school_fixture.educators["Luis"]))
    return school_fixture


def booking_attempt(school_fixture: SchoolFixture, number: int, day: int) -> Callable[[], object]:
    """Return a booking attempt: Grace books Luis, or Luis books Grace, at 4:30 pm."""
    lead, partner = ("Grace", "Luis") if number % 2 else ("Luis", "Grace")
    request = actions.BookingRequest(
        school_fixture.families[FAMILIES[number % len(FAMILIES)]],
        school_fixture.educators[partner],
        school_fixture.time_at(day, 16, 30),
    )

    def book() -> object:
        with school_fixture.database.transaction() as session:
            return actions.book(
                session, school_fixture.actors[lead], request, school_fixture.policy, school_fixture.now
            ).id

    return book


def test_only_a_single_concurrent_booking_of_the_same_pair_succeeds(shared_class: SchoolFixture) -> None:
    school_fixture = shared_class
    for turn in range(ROUNDS):
        day = (7, 8, 9, 12, 13)[turn % 5]
        results = run_concurrently([booking_attempt(school_fixture, number, day) for number in range(CLIENTS)])
        booked = [result for result in results if isinstance(result, int)]
        assert len(booked) == 1, results
        refused = [result for result in results if not isinstance(result, int)]
        assert all(isinstance(result, RulesBroken) for result in refused), refused
        with school_fixture.session() as session:
            live = session.scalars(select(Visit.id).where(Visit.state.in_(LIVE))).all()
            assert live == booked
            assert session.scalar(select(func.count()).where(VisitMember.visit_id == booked[0])) == 2
            assert session.scalar(select(func.count()).where(Commitment.active)) == 2
            lead = session.get_one(Visit, booked[0]).lead_id
            name = next(name for name, number in school_fixture.educators.items() if number == lead)
            actions.cancel(session, school_fixture.actors[name], booked[0], school_fixture.policy, school_fixture.now)


def test_concurrent_requests_with_the_same_key_book_a_single_visit(shared_class: SchoolFixture) -> None:
    school_fixture = shared_class
    request = actions.BookingRequest(
        school_fixture.families["Rivera"],
        school_fixture.educators["Luis"],
        school_fixture.time_at(7, 16, 30),
        key="k1",
    )

    def book() -> object:
        with school_fixture.database.transaction() as session:
            return actions.book(
                session, school_fixture.actors["Grace"], request, school_fixture.policy, school_fixture.now
            ).id

    results = run_concurrently([book] * CLIENTS)
    assert len(set(results)) == 1
    assert isinstance(results[0], int)


def test_pairs_that_book_each_other_do_not_deadlock(shared_class: SchoolFixture) -> None:
    """Grace books Luis while Luis books Grace at a different time; both bookings succeed."""
    school_fixture = shared_class
    for turn in range(5):
        day = (7, 8, 9, 12, 13)[turn]
        attempts = []
        for lead, partner, family, hour in (("Grace", "Luis", "Rivera", 16), ("Luis", "Grace", "Smith", 18)):
            request = actions.BookingRequest(
                school_fixture.families[family], school_fixture.educators[partner], school_fixture.time_at(day, hour, 0)
            )

            def book(lead: str = lead, request: actions.BookingRequest = request) -> object:
                with school_fixture.database.transaction() as session:
                    return actions.book(
                        session, school_fixture.actors[lead], request, school_fixture.policy, school_fixture.now
                    ).id

            attempts.append(book)
        results = run_concurrently(attempts)
        assert all(isinstance(result, int) for result in results), results
        with school_fixture.session() as session:
            for visit in results:
                assert isinstance(visit, int)
                lead_id = session.get_one(Visit, visit).lead_id
                name = next(name for name, number in school_fixture.educators.items() if number == lead_id)
                actions.cancel(session, school_fixture.actors[name], visit, school_fixture.policy, school_fixture.now)


def test_database_accepts_only_a_single_concurrent_commitment(school_fixture: SchoolFixture, database_url: str) -> None:
    """Insert through the drivers, without the locks and rules of the application."""
    person = school_fixture.educators["Hoa"]
    for turn in range(ROUNDS):
        start = f"2026-11-{turn + 1:02} 17:00:00.000000"

        def insert(number: int, start: str = start, turn: int = turn) -> Callable[[], object]:
            def run() -> object:
                raw = RawConnection(database_url)
                try:
                    end = start.replace("17:00", f"17:{30 + number}")
                    raw.insert(
                        "commitment",
                        person_id=person,
                        starts_at=start,
                        ends_at=end,
                        active=True,
                        subject=f"t:{turn}",
                    )
                    raw.commit()
                except (*REFUSED, psycopg.errors.DeadlockDetected) as error:
                    return error
                finally:
                    raw.close()
                return 1

            return run

        results = run_concurrently([insert(number) for number in range(CLIENTS)])
        assert sum(result == 1 for result in results) == 1, results
    with school_fixture.session() as session:
        assert session.scalar(text("SELECT count(*) FROM commitment WHERE subject LIKE 't:%'")) == ROUNDS


def test_reader_is_not_blocked_by_a_writer(school_fixture: SchoolFixture) -> None:
    started, finish = threading.Event(), threading.Event()

    def write() -> None:
        with school_fixture.database.transaction() as session:
            session.execute(text("UPDATE school SET name = name"))
            started.set()
            finish.wait(30)

    writer = threading.Thread(target=write)
    writer.start()
    assert started.wait(30)
    try:
        with school_fixture.database.reading() as session:
            assert session.scalar(text("SELECT count(*) FROM school")) == 1
        assert writer.is_alive()
    finally:
        finish.set()
        writer.join(30)
