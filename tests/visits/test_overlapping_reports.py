"""Reports and agreements are refused if their times overlap another visit of an educator."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from homevisits.core.problems import Problem, RulesBroken
from homevisits.people.models import SchoolClass, Teaching
from homevisits.visits import actions
from homevisits.visits.actions import Report
from homevisits.visits.models import Attestation
from homevisits.visits.rules import ReportedTimes, check_no_overlap
from tests.factories.school import ZONE, SchoolFixture
from tests.visits.test_actions import arrange, load_visit

Span = tuple[tuple[int, int], tuple[int, int]]
AFTERNOON: Span = ((16, 0), (19, 0))
OVERLAPS = {"overlaps_visit", "overlaps_visit_with_family"}


def two_visits(school_fixture: SchoolFixture, second_partner: str = "Luis") -> tuple[int, int]:
    """Arrange two visits of Grace on the same day, at 4 pm with Luis and at 5:30 pm with `second_partner`."""
    first = arrange(school_fixture, family="Rivera", partner="Luis", at=school_fixture.time_at(7, 16, 0))
    second = arrange(school_fixture, family="Smith", partner=second_partner, at=school_fixture.time_at(7, 17, 30))
    return first, second


def attest(school_fixture: SchoolFixture, visit_id: int, name: str, span: Span, outcome: str = "met") -> None:
    """Report on a visit in the evening of 7 October; `span` is in the school's time."""
    (started, ended) = (school_fixture.time_at(7, *at) for at in span)
    report = Report(outcome, True, started, ended, "home")
    with school_fixture.session() as session:
        actions.attest(
            session,
            school_fixture.actors[name],
            visit_id,
            report,
            policy=school_fixture.policy,
            now=school_fixture.time_at(7, 21),
        )


def agree(school_fixture: SchoolFixture, visit_id: int, name: str) -> None:
    """Agree to the newest report on the visit."""
    with school_fixture.session() as session:
        statement = select(Attestation.id).where(Attestation.visit_id == visit_id).order_by(Attestation.id.desc())
        report_id = session.scalars(statement.limit(1)).one()
        actions.agree(
            session,
            school_fixture.actors[name],
            visit_id,
            report_id,
            policy=school_fixture.policy,
            now=school_fixture.time_at(7, 21),
        )


def overlap_problems(refused: pytest.ExceptionInfo[RulesBroken]) -> list[Problem]:
    assert {problem.code for problem in refused.value.problems} <= OVERLAPS
    return list(refused.value.problems)


@pytest.mark.parametrize(("first_outcome", "second_outcome"), [("met", "family_away"), ("family_away", "met")])
def test_report_that_overlaps_agreed_times_is_refused(
    school_fixture: SchoolFixture, first_outcome: str, second_outcome: str
) -> None:
    first, second = two_visits(school_fixture)
    attest(school_fixture, first, "Grace", AFTERNOON, first_outcome)
    agree(school_fixture, first, "Luis")
    for name in ("Grace", "Luis"):
        with pytest.raises(RulesBroken) as error:
            attest(school_fixture, second, name, ((16, 30), (20, 0)), second_outcome)
        assert {problem.params["name"] for problem in overlap_problems(error)} == {"Grace Test", "Luis Test"}
    assert load_visit(school_fixture, second).state == "scheduled"


@pytest.mark.parametrize("outcome", ["met", "family_away"])
def test_report_that_overlaps_an_own_report_is_refused(school_fixture: SchoolFixture, outcome: str) -> None:
    first, second = two_visits(school_fixture, "Amina")
    attest(school_fixture, first, "Grace", AFTERNOON, outcome)
    with pytest.raises(RulesBroken) as error:
        attest(school_fixture, second, "Grace", ((17, 30), (18, 15)))
    assert len(overlap_problems(error)) == 1


def test_report_that_overlaps_the_partners_report_is_refused(school_fixture: SchoolFixture) -> None:
    first, second = two_visits(school_fixture, "Amina")
    attest(school_fixture, first, "Grace", AFTERNOON)
    with pytest.raises(RulesBroken) as error:
        attest(school_fixture, second, "Amina", ((17, 30), (18, 15)))
    assert [problem.params["name"] for problem in overlap_problems(error)] == ["Grace Test"]


@pytest.mark.parametrize("outcome", ["met", "family_away"])
def test_agreement_that_overlaps_an_own_report_is_refused(school_fixture: SchoolFixture, outcome: str) -> None:
    """Grace agreed on the second visit; agreeing to the report on the first visit would overlap it."""
    first = arrange(school_fixture, family="Rivera", partner="Luis", at=school_fixture.time_at(7, 16, 0))
    second = arrange(school_fixture, family="Smith", partner="Amina", at=school_fixture.time_at(7, 17, 30))
    attest(school_fixture, first, "Luis", AFTERNOON, outcome)
    attest(school_fixture, second, "Amina", ((17, 30), (18, 15)), outcome)
    agree(school_fixture, second, "Grace")
    with pytest.raises(RulesBroken) as error:
        agree(school_fixture, first, "Grace")
    assert len(overlap_problems(error)) == 1
    assert (load_visit(school_fixture, first).state, load_visit(school_fixture, first).attestation_id) == (
        "scheduled",
        None,
    )


def test_times_of_a_corrected_report_are_ignored(school_fixture: SchoolFixture) -> None:
    first, second = two_visits(school_fixture, "Amina")
    attest(school_fixture, first, "Grace", AFTERNOON)
    attest(school_fixture, first, "Grace", ((16, 0), (16, 45)))
    attest(school_fixture, second, "Grace", ((17, 30), (18, 15)))
    agree(school_fixture, second, "Amina")
    assert load_visit(school_fixture, second).state == "completed"


def test_agreed_times_replace_an_older_own_report(school_fixture: SchoolFixture) -> None:
    first, second = two_visits(school_fixture, "Amina")
    attest(school_fixture, first, "Grace", AFTERNOON)
    attest(school_fixture, first, "Luis", ((16, 0), (16, 45)))
    agree(school_fixture, first, "Grace")
    attest(school_fixture, second, "Grace", ((17, 30), (18, 15)))


@pytest.mark.parametrize("second", [((18, 0), (18, 45)), ((18, 1), (18, 45))])
def test_adjacent_visits_are_accepted(school_fixture: SchoolFixture, second: Span) -> None:
    first, other = two_visits(school_fixture)
    attest(school_fixture, first, "Grace", ((16, 0), (18, 0)))
    agree(school_fixture, first, "Luis")
    attest(school_fixture, other, "Grace", second)
    agree(school_fixture, other, "Luis")
    assert load_visit(school_fixture, other).state == "completed"


def test_adjacent_visits_reported_in_reverse_order_are_accepted(school_fixture: SchoolFixture) -> None:
    first, other = two_visits(school_fixture)
    attest(school_fixture, other, "Grace", ((18, 0), (18, 45)))
    attest(school_fixture, first, "Grace", ((16, 0), (18, 0)))
    agree(school_fixture, other, "Luis")
    agree(school_fixture, first, "Luis")
    assert {load_visit(school_fixture, visit_id).state for visit_id in (first, other)} == {"completed"}


def test_overlapping_visits_of_different_teams_are_accepted(school_fixture: SchoolFixture) -> None:
    first = arrange(school_fixture, family="Rivera", partner="Luis", at=school_fixture.time_at(7, 16, 0))
    with school_fixture.session() as session:
        session.add(
            Teaching(
                class_id=session.scalars(select(SchoolClass.id)).one(), educator_id=school_fixture.educators["Hoa"]
            )
        )
    with school_fixture.session() as session:
        request = actions.BookingRequest(
            school_fixture.families["Smith"], school_fixture.educators["Amina"], school_fixture.time_at(7, 16, 0)
        )
        second = actions.book(
            session, school_fixture.actors["Hoa"], request, school_fixture.policy, school_fixture.now
        ).id
    with school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Amina"], second, school_fixture.policy, school_fixture.now)
    attest(school_fixture, first, "Grace", AFTERNOON)
    attest(school_fixture, second, "Hoa", AFTERNOON)
    agree(school_fixture, first, "Luis")
    agree(school_fixture, second, "Amina")
    assert {load_visit(school_fixture, visit_id).state for visit_id in (first, second)} == {"completed"}


def test_second_report_on_the_same_visit_is_not_an_overlap(school_fixture: SchoolFixture) -> None:
    first, _second = two_visits(school_fixture)
    attest(school_fixture, first, "Grace", AFTERNOON)
    attest(school_fixture, first, "Grace", ((16, 0), (17, 0)))
    attest(school_fixture, first, "Luis", ((16, 0), (17, 0)))
    assert load_visit(school_fixture, first).state == "completed"


def test_problem_names_the_family_only_to_its_own_team(school_fixture: SchoolFixture) -> None:
    first, second = two_visits(school_fixture, "Amina")
    attest(school_fixture, first, "Grace", AFTERNOON)
    times = {"day": load_visit(school_fixture, first).local_date, "started": at(16), "ended": at(19)}
    for name, family in (("Grace", "Rivera"), ("Amina", None)):
        with pytest.raises(RulesBroken) as error:
            attest(school_fixture, second, name, ((17, 30), (18, 15)))
        (problem,) = overlap_problems(error)
        named = {} if family is None else {"family": family}
        assert dict(problem.params) == {"name": "Grace Test", **times, **named}
        assert problem.field == "started"
        assert problem.code == ("overlaps_visit" if family is None else "overlaps_visit_with_family")


def at(hour: int) -> object:
    return datetime(2026, 10, 7, hour).time()


@pytest.mark.parametrize(
    ("started", "ended", "overlaps"),
    [(-60, 0, False), (-60, 1, True), (0, 45, True), (10, 20, True), (44, 90, True), (45, 90, False), (-60, 90, True)],
)
def test_overlap_uses_half_open_intervals(started: int, ended: int, overlaps: bool) -> None:
    start = datetime.fromisoformat("2026-10-07T22:30:00+00:00")
    other = ReportedTimes("Grace Test", start, start + timedelta(minutes=45), ZONE, None)
    problems = check_no_overlap(start + timedelta(minutes=started), start + timedelta(minutes=ended), [other])
    assert bool(problems) is overlaps
