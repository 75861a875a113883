"""Concurrent reports with overlapping times on two visits of the same educator."""

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
from tests.race.test_booking import run_concurrently
from tests.visits.test_actions import arrange

OVERLAPS = {"overlaps_visit", "overlaps_visit_with_family"}


def arrange_two_visits(school_fixture: SchoolFixture, day: int) -> tuple[int, int]:
    """Arrange two visits of Grace on the same day, with Luis and with Amina."""
    return (
        arrange(school_fixture, family="Rivera", partner="Luis", at=school_fixture.time_at(day, 16, 0)),
        arrange(school_fixture, family="Smith", partner="Amina", at=school_fixture.time_at(day, 17, 30)),
    )


def attest(database: Database, actor: Actor, visit_id: int) -> str:
    """Report that the visit started 40 minutes early and ended 40 minutes late."""
    with database.reading() as session:
        visit = session.get_one(Visit, visit_id)
        late = visit.starts_at + timedelta(hours=5)
        # The visits are 90 minutes apart, so these times overlap.
        report = Report(
            "met", True, visit.starts_at - timedelta(minutes=40), visit.ends_at + timedelta(minutes=40), "home"
        )
    try:
        with database.transaction() as session:
            actions.attest(session, actor, visit_id, report, policy=POLICY, now=late)
    except RulesBroken as error:
        assert {problem.code for problem in error.problems} <= OVERLAPS, error
        return "refused"
    return "recorded"


def agree(database: Database, actor: Actor, visit_id: int) -> str:
    """Agree to the only report on the visit."""
    with database.reading() as session:
        report_id = session.scalars(select(Attestation.id).where(Attestation.visit_id == visit_id)).one()
        late = session.get_one(Visit, visit_id).starts_at + timedelta(hours=5)
    try:
        with database.transaction() as session:
            actions.agree(session, actor, visit_id, report_id, policy=POLICY, now=late)
    except RulesBroken as error:
        assert {problem.code for problem in error.problems} <= OVERLAPS, error
        return "refused"
    return "recorded"


def test_only_a_single_concurrent_overlapping_report_is_recorded(school_fixture: SchoolFixture) -> None:
    for day in (7, 8, 9):
        first, second = arrange_two_visits(school_fixture, day)
        attempts: list[Callable[[], object]] = [
            lambda first=first: attest(school_fixture.database, school_fixture.actors["Grace"], first),  # type: ignore[misc]
            lambda second=second: attest(school_fixture.database, school_fixture.actors["Grace"], second),  # type: ignore[misc]
        ]
        results = run_concurrently(attempts)
        assert sorted(map(str, results)) == ["recorded", "refused"], results
        recorded = first if results[0] == "recorded" else second
        with school_fixture.session() as session:
            rows = session.execute(select(Attestation.visit_id).where(Attestation.visit_id.in_((first, second))))
            assert [row.visit_id for row in rows] == [recorded]
        cancel_scheduled(school_fixture, first, second)


def test_only_a_single_concurrent_overlapping_agreement_is_recorded(school_fixture: SchoolFixture) -> None:
    """Luis and Amina report on their visits; Grace agrees to both reports at the same time."""
    for day in (7, 8, 9):
        first, second = arrange_two_visits(school_fixture, day)
        assert attest(school_fixture.database, school_fixture.actors["Luis"], first) == "recorded"
        assert attest(school_fixture.database, school_fixture.actors["Amina"], second) == "recorded"
        results = run_concurrently(
            [
                lambda first=first: agree(school_fixture.database, school_fixture.actors["Grace"], first),  # type: ignore[misc]
                lambda second=second: agree(school_fixture.database, school_fixture.actors["Grace"], second),  # type: ignore[misc]
            ]
        )
        assert sorted(map(str, results)) == ["recorded", "refused"], results
        with school_fixture.session() as session:
            completed = select(func.count()).where(Visit.id.in_((first, second)), Visit.state == "completed")
            assert session.scalar(completed) == 1
        cancel_scheduled(school_fixture, first, second)


def cancel_scheduled(school_fixture: SchoolFixture, *visit_ids: int) -> None:
    """Cancel the visits so that the next round can use the same families."""
    with school_fixture.session() as session:
        for visit in session.scalars(select(Visit).where(Visit.id.in_(visit_ids), Visit.state == "scheduled")):
            visit.state = "cancelled_by_educator"


def _attest_in_process(url: str, actor: Actor, visit_id: int) -> str:
    database = Database(url)
    try:
        return attest(database, actor, visit_id)
    finally:
        database.dispose()


@pytest.mark.parametrize("_turn", range(2))
def test_only_a_single_process_records_an_overlapping_report(
    school_fixture: SchoolFixture, database_url: str, _turn: int
) -> None:
    first, second = arrange_two_visits(school_fixture, 7)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [
            pool.submit(_attest_in_process, database_url, school_fixture.actors["Grace"], visit_id)
            for visit_id in (first, second)
        ]
        results = [future.result(120) for future in futures]
    assert sorted(results) == ["recorded", "refused"]
    with school_fixture.session() as session:
        assert session.scalar(select(func.count()).select_from(Attestation)) == 1
