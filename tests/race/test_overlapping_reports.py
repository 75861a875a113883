"""Two people report on two visits of one educator at once: overlapping times are recorded for one. Both engines."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from homevisits.core.access import Actor
from homevisits.core.db import Database
from homevisits.core.problems import RulesBroken
from homevisits.visits import actions
from homevisits.visits.actions import Report
from homevisits.visits.models import Attestation, Visit
from tests.factories.school import POLICY, SchoolFixture
from tests.race.test_booking import at_once
from tests.visits.test_actions import arrange

OVERLAPS = {"overlaps_visit", "overlaps_visit_with_family"}


def visits(school_fixture: SchoolFixture, day: int) -> tuple[int, int]:
    """Grace has two visits on one day, with Luis and with Amina."""
    return (
        arrange(school_fixture, family="Rivera", partner="Luis", at=school_fixture.time_at(day, 16, 0)),
        arrange(school_fixture, family="Smith", partner="Amina", at=school_fixture.time_at(day, 17, 30)),
    )


def attest(database: Database, actor: Actor, visit_id: int) -> str:
    """Report that the visit took from its start to an hour past its planned end."""
    with database.reading() as session:
        visit = session.get_one(Visit, visit_id)
        late = visit.starts_at + timedelta(hours=5)
        # Both end late, or begin early, so that the two visits overlap.
        said = Report(
            "met", True, visit.starts_at - timedelta(minutes=40), visit.ends_at + timedelta(minutes=40), "home"
        )
    try:
        with database.transaction() as session:
            actions.attest(session, actor, visit_id, said, policy=POLICY, now=late)
    except RulesBroken as refused:
        assert {problem.code for problem in refused.problems} <= OVERLAPS, refused
        return "refused"
    return "recorded"


def agree(database: Database, actor: Actor, visit_id: int) -> str:
    """Agree to the one report there is."""
    with database.reading() as session:
        account = session.scalars(select(Attestation.id).where(Attestation.visit_id == visit_id)).one()
        late = session.get_one(Visit, visit_id).starts_at + timedelta(hours=5)
    try:
        with database.transaction() as session:
            actions.agree(session, actor, visit_id, account, policy=POLICY, now=late)
    except RulesBroken as refused:
        assert {problem.code for problem in refused.problems} <= OVERLAPS, refused
        return "refused"
    return "recorded"


def test_of_two_overlapping_reports_at_once_one_is_recorded(school_fixture: SchoolFixture) -> None:
    for day in (7, 8, 9):
        first, second = visits(school_fixture, day)
        attempts: list[Callable[[], object]] = [
            lambda first=first: attest(school_fixture.database, school_fixture.actors["Grace"], first),  # type: ignore[misc]
            lambda second=second: attest(school_fixture.database, school_fixture.actors["Grace"], second),  # type: ignore[misc]
        ]
        results = at_once(attempts)
        assert sorted(map(str, results)) == ["recorded", "refused"], results
        recorded = first if results[0] == "recorded" else second
        with school_fixture.session() as session:
            found = session.execute(select(Attestation.visit_id).where(Attestation.visit_id.in_((first, second))))
            assert [row.visit_id for row in found] == [recorded]
        close(school_fixture, first, second)


def test_of_two_overlapping_agreements_at_once_one_is_recorded(school_fixture: SchoolFixture) -> None:
    """Luis and Amina reported, each of their own visit: the overlap is Grace's, who agrees to both at once."""
    for day in (7, 8, 9):
        first, second = visits(school_fixture, day)
        assert attest(school_fixture.database, school_fixture.actors["Luis"], first) == "recorded"
        assert attest(school_fixture.database, school_fixture.actors["Amina"], second) == "recorded"
        results = at_once(
            [
                lambda first=first: agree(school_fixture.database, school_fixture.actors["Grace"], first),  # type: ignore[misc]
                lambda second=second: agree(school_fixture.database, school_fixture.actors["Grace"], second),  # type: ignore[misc]
            ]
        )
        assert sorted(map(str, results)) == ["recorded", "refused"], results
        with school_fixture.session() as session:
            held = select(func.count()).where(Visit.id.in_((first, second)), Visit.state == "completed")
            assert session.scalar(held) == 1
        close(school_fixture, first, second)


def close(school_fixture: SchoolFixture, *visit_ids: int) -> None:
    """Put the visits out of the way of the next round."""
    with school_fixture.session() as session:
        for visit in session.scalars(select(Visit).where(Visit.id.in_(visit_ids), Visit.state == "scheduled")):
            visit.state = "cancelled_by_educator"


def _in_a_process(url: str, actor: Actor, visit_id: int) -> str:
    database = Database(url)
    try:
        return attest(database, actor, visit_id)
    finally:
        database.dispose()


@pytest.mark.parametrize("_turn", range(2))
def test_of_two_processes_that_report_overlapping_times_one_records_them(
    school_fixture: SchoolFixture, database_url: str, _turn: int
) -> None:
    first, second = visits(school_fixture, 7)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        asked = [
            pool.submit(_in_a_process, database_url, school_fixture.actors["Grace"], each) for each in (first, second)
        ]
        results = [done.result(120) for done in asked]
    assert sorted(results) == ["recorded", "refused"]
    with school_fixture.session() as session:
        assert session.scalar(select(func.count()).select_from(Attestation)) == 1
