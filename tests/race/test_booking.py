"""Many at once want the same two people for the same hour: one gets them. Real threads, both engines."""

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
from tests.evidence.raw_sql import REFUSED, RawConnection
from tests.factories.school import SchoolFixture

CLIENTS = 8
ROUNDS = 15
FAMILIES = ("Rivera", "Smith", "Nguyen")


def at_once(attempts: list[Callable[[], object]]) -> list[object]:
    """Run every attempt in a thread of its own, all let go at the same moment; what each returned or raised."""
    gate = threading.Barrier(len(attempts))

    def run(attempt: Callable[[], object]) -> object:
        gate.wait(30)
        try:
            return attempt()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(attempts)) as pool:
        return [done.result(120) for done in [pool.submit(run, attempt) for attempt in attempts]]


@pytest.fixture
def crowded(school_fixture: SchoolFixture) -> SchoolFixture:
    """The test school, with Luis as a second teacher of everyone's class: either of the pair may be first to book."""
    with school_fixture.session() as session:
        room = session.scalars(select(SchoolClass.id)).one()
        session.add(Teaching(class_id=room, educator_id=school_fixture.educators["Luis"]))
    return school_fixture


def client(school_fixture: SchoolFixture, number: int, day: int) -> Callable[[], object]:
    """One phone: an educator books the other, for one of the families, at half past four."""
    lead, partner = ("Grace", "Luis") if number % 2 else ("Luis", "Grace")
    wanted = actions.BookingRequest(
        school_fixture.families[FAMILIES[number % len(FAMILIES)]],
        school_fixture.educators[partner],
        school_fixture.time_at(day, 16, 30),
    )

    def book() -> object:
        with school_fixture.database.transaction() as session:
            return actions.book(
                session, school_fixture.actors[lead], wanted, school_fixture.policy, school_fixture.now
            ).id

    return book


def test_of_eight_who_book_the_same_two_people_for_the_same_hour_one_does(crowded: SchoolFixture) -> None:
    school_fixture = crowded
    for turn in range(ROUNDS):
        day = (7, 8, 9, 12, 13)[turn % 5]
        results = at_once([client(school_fixture, number, day) for number in range(CLIENTS)])
        made = [result for result in results if isinstance(result, int)]
        assert len(made) == 1, results
        refused = [result for result in results if not isinstance(result, int)]
        assert all(isinstance(result, RulesBroken) for result in refused), refused
        with school_fixture.session() as session:
            live = session.scalars(select(Visit.id).where(Visit.state.in_(LIVE))).all()
            assert live == made
            assert session.scalar(select(func.count()).where(VisitMember.visit_id == made[0])) == 2
            assert session.scalar(select(func.count()).where(Commitment.active)) == 2
            lead = session.get_one(Visit, made[0]).lead_id
            name = next(name for name, number in school_fixture.educators.items() if number == lead)
            actions.cancel(session, school_fixture.actors[name], made[0], school_fixture.policy, school_fixture.now)


def test_one_tap_that_arrives_eight_times_is_one_visit(crowded: SchoolFixture) -> None:
    school_fixture = crowded
    wanted = actions.BookingRequest(
        school_fixture.families["Rivera"],
        school_fixture.educators["Luis"],
        school_fixture.time_at(7, 16, 30),
        key="one tap",
    )

    def book() -> object:
        with school_fixture.database.transaction() as session:
            return actions.book(
                session, school_fixture.actors["Grace"], wanted, school_fixture.policy, school_fixture.now
            ).id

    results = at_once([book] * CLIENTS)
    assert len(set(results)) == 1
    assert isinstance(results[0], int)


def test_pairs_that_cross_do_not_wait_for_each_other_for_ever(crowded: SchoolFixture) -> None:
    """Grace books Luis while Luis books Grace, at different hours: both go in, in either order."""
    school_fixture = crowded
    for turn in range(5):
        day = (7, 8, 9, 12, 13)[turn]
        attempts = []
        for lead, partner, family, hour in (("Grace", "Luis", "Rivera", 16), ("Luis", "Grace", "Smith", 18)):
            wanted = actions.BookingRequest(
                school_fixture.families[family], school_fixture.educators[partner], school_fixture.time_at(day, hour, 0)
            )

            def book(lead: str = lead, wanted: actions.BookingRequest = wanted) -> object:
                with school_fixture.database.transaction() as session:
                    return actions.book(
                        session, school_fixture.actors[lead], wanted, school_fixture.policy, school_fixture.now
                    ).id

            attempts.append(book)
        results = at_once(attempts)
        assert all(isinstance(result, int) for result in results), results
        with school_fixture.session() as session:
            for visit in results:
                assert isinstance(visit, int)
                lead_id = session.get_one(Visit, visit).lead_id
                name = next(name for name, number in school_fixture.educators.items() if number == lead_id)
                actions.cancel(session, school_fixture.actors[name], visit, school_fixture.policy, school_fixture.now)


def test_the_database_alone_lets_one_of_eight_take_a_persons_hour(
    school_fixture: SchoolFixture, database_url: str
) -> None:
    """The last guard: no lock, no rule, only drivers that insert."""
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

        results = at_once([insert(number) for number in range(CLIENTS)])
        assert sum(result == 1 for result in results) == 1, results
    with school_fixture.session() as session:
        assert session.scalar(text("SELECT count(*) FROM commitment WHERE subject LIKE 't:%'")) == ROUNDS


def test_a_reader_is_never_blocked_by_a_writer(school_fixture: SchoolFixture) -> None:
    """A page that only reads does not wait for a booking that is under way."""
    inside, leave = threading.Event(), threading.Event()

    def write() -> None:
        with school_fixture.database.transaction() as session:
            session.execute(text("UPDATE school SET name = name"))
            inside.set()
            leave.wait(30)

    writer = threading.Thread(target=write)
    writer.start()
    assert inside.wait(30)
    try:
        with school_fixture.database.reading() as session:
            assert session.scalar(text("SELECT count(*) FROM school")) == 1
        assert writer.is_alive()
    finally:
        leave.set()
        writer.join(30)
