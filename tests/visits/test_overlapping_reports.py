"""Nobody reports, or agrees to, times that overlap another visit of one of the pair. On both engines."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from homevisits.core.problems import Problem, RulesBroken
from homevisits.people.models import SchoolClass, Teaching
from homevisits.visits import actions
from homevisits.visits.actions import Said
from homevisits.visits.models import Attestation
from homevisits.visits.rules import ReportedTimes, no_overlap
from tests.visits.test_actions import arrange, visit_of
from tests.world import ZONE, Town

Span = tuple[tuple[int, int], tuple[int, int]]
AFTERNOON: Span = ((16, 0), (19, 0))
OVERLAPS = {"overlaps_visit", "overlaps_visit_with_family"}


def two_visits(town: Town, second_partner: str = "Luis") -> tuple[int, int]:
    """Two visits of Grace on one day: to the Riveras with Luis at 4 pm, to the Smiths with `second_partner` at 5:30."""
    first = arrange(town, family="Rivera", partner="Luis", at=town.at(7, 16, 0))
    second = arrange(town, family="Smith", partner=second_partner, at=town.at(7, 17, 30))
    return first, second


def attest(town: Town, visit_id: int, who: str, span: Span, outcome: str = "met") -> None:
    """Report on a visit in the evening of 7 October; `span` is in the school's time."""
    (started, ended) = (town.at(7, *at) for at in span)
    said = Said(outcome, True, started, ended, "home")
    with town.session() as session:
        actions.attest(session, town.actors[who], visit_id, said, town.policy, town.at(7, 21))


def agree(town: Town, visit_id: int, who: str) -> None:
    """Agree to the newest report on the visit."""
    with town.session() as session:
        found = select(Attestation.id).where(Attestation.visit_id == visit_id).order_by(Attestation.id.desc())
        account = session.scalars(found.limit(1)).one()
        actions.agree(session, town.actors[who], visit_id, account, town.policy, town.at(7, 21))


def overlaps(refused: pytest.ExceptionInfo[RulesBroken]) -> list[Problem]:
    assert {problem.code for problem in refused.value.problems} <= OVERLAPS
    return list(refused.value.problems)


@pytest.mark.parametrize(("first_outcome", "second_outcome"), [("met", "family_away"), ("family_away", "met")])
def test_a_report_that_overlaps_agreed_times_is_refused(town: Town, first_outcome: str, second_outcome: str) -> None:
    first, second = two_visits(town)
    attest(town, first, "Grace", AFTERNOON, first_outcome)
    agree(town, first, "Luis")
    for who in ("Grace", "Luis"):
        with pytest.raises(RulesBroken) as refused:
            attest(town, second, who, ((16, 30), (20, 0)), second_outcome)
        assert {problem.params["name"] for problem in overlaps(refused)} == {"Grace Test", "Luis Test"}
    assert visit_of(town, second).state == "scheduled"


@pytest.mark.parametrize("outcome", ["met", "family_away"])
def test_a_report_that_overlaps_ones_own_report_is_refused(town: Town, outcome: str) -> None:
    first, second = two_visits(town, "Amina")
    attest(town, first, "Grace", AFTERNOON, outcome)
    with pytest.raises(RulesBroken) as refused:
        attest(town, second, "Grace", ((17, 30), (18, 15)))
    assert len(overlaps(refused)) == 1


def test_a_report_that_overlaps_the_partners_own_report_is_refused(town: Town) -> None:
    first, second = two_visits(town, "Amina")
    attest(town, first, "Grace", AFTERNOON)
    with pytest.raises(RulesBroken) as refused:
        attest(town, second, "Amina", ((17, 30), (18, 15)))
    assert [problem.params["name"] for problem in overlaps(refused)] == ["Grace Test"]


@pytest.mark.parametrize("outcome", ["met", "family_away"])
def test_agreeing_is_refused_when_the_times_overlap_ones_own_report(town: Town, outcome: str) -> None:
    """Luis reports on the first visit; on the second only Grace's report overlaps it, once Luis agrees."""
    first = arrange(town, family="Rivera", partner="Luis", at=town.at(7, 16, 0))
    second = arrange(town, family="Smith", partner="Amina", at=town.at(7, 17, 30))
    attest(town, first, "Luis", AFTERNOON, outcome)
    attest(town, second, "Amina", ((17, 30), (18, 15)), outcome)
    agree(town, second, "Grace")
    with pytest.raises(RulesBroken) as refused:
        agree(town, first, "Grace")
    assert len(overlaps(refused)) == 1
    assert (visit_of(town, first).state, visit_of(town, first).attestation_id) == ("scheduled", None)


def test_a_corrected_report_no_longer_counts(town: Town) -> None:
    first, second = two_visits(town, "Amina")
    attest(town, first, "Grace", AFTERNOON)
    attest(town, first, "Grace", ((16, 0), (16, 45)))
    attest(town, second, "Grace", ((17, 30), (18, 15)))
    agree(town, second, "Amina")
    assert visit_of(town, second).state == "completed"


def test_the_agreed_times_count_and_not_an_older_report_of_ones_own(town: Town) -> None:
    first, second = two_visits(town, "Amina")
    attest(town, first, "Grace", AFTERNOON)
    attest(town, first, "Luis", ((16, 0), (16, 45)))
    agree(town, first, "Grace")
    attest(town, second, "Grace", ((17, 30), (18, 15)))


@pytest.mark.parametrize("second", [((18, 0), (18, 45)), ((18, 1), (18, 45))])
def test_visits_may_touch(town: Town, second: Span) -> None:
    first, other = two_visits(town)
    attest(town, first, "Grace", ((16, 0), (18, 0)))
    agree(town, first, "Luis")
    attest(town, other, "Grace", second)
    agree(town, other, "Luis")
    assert visit_of(town, other).state == "completed"


def test_visits_may_touch_the_other_way_round(town: Town) -> None:
    first, other = two_visits(town)
    attest(town, other, "Grace", ((18, 0), (18, 45)))
    attest(town, first, "Grace", ((16, 0), (18, 0)))
    agree(town, other, "Luis")
    agree(town, first, "Luis")
    assert {visit_of(town, each).state for each in (first, other)} == {"completed"}


def test_people_who_are_on_neither_visit_of_the_other_do_not_hinder_each_other(town: Town) -> None:
    first = arrange(town, family="Rivera", partner="Luis", at=town.at(7, 16, 0))
    with town.session() as session:
        session.add(Teaching(class_id=session.scalars(select(SchoolClass.id)).one(), educator_id=town.educators["Hoa"]))
    with town.session() as session:
        wanted = actions.Wanted(town.families["Smith"], town.educators["Amina"], town.at(7, 16, 0))
        second = actions.book(session, town.actors["Hoa"], wanted, town.policy, town.now).id
    with town.session() as session:
        actions.accept(session, town.actors["Amina"], second, town.policy, town.now)
    attest(town, first, "Grace", AFTERNOON)
    attest(town, second, "Hoa", AFTERNOON)
    agree(town, first, "Luis")
    agree(town, second, "Amina")
    assert {visit_of(town, each).state for each in (first, second)} == {"completed"}


def test_reporting_again_on_the_same_visit_is_no_overlap(town: Town) -> None:
    first, _second = two_visits(town)
    attest(town, first, "Grace", AFTERNOON)
    attest(town, first, "Grace", ((16, 0), (17, 0)))
    attest(town, first, "Luis", ((16, 0), (17, 0)))
    assert visit_of(town, first).state == "completed"


def test_the_problem_names_the_family_only_to_those_on_that_visit(town: Town) -> None:
    first, second = two_visits(town, "Amina")
    attest(town, first, "Grace", AFTERNOON)
    times = {"day": visit_of(town, first).local_date, "started": at(16), "ended": at(19)}
    for who, family in (("Grace", "Rivera"), ("Amina", None)):
        with pytest.raises(RulesBroken) as refused:
            attest(town, second, who, ((17, 30), (18, 15)))
        (problem,) = overlaps(refused)
        named = {} if family is None else {"family": family}
        assert dict(problem.params) == {"name": "Grace Test", **times, **named}
        assert problem.field == "started"
        assert problem.code == ("overlaps_visit" if family is None else "overlaps_visit_with_family")


def at(hour: int) -> object:
    return datetime(2026, 10, 7, hour).time()


@pytest.mark.parametrize(
    ("started", "ended", "found"),
    [(-60, 0, False), (-60, 1, True), (0, 45, True), (10, 20, True), (44, 90, True), (45, 90, False), (-60, 90, True)],
)
def test_half_open_times_overlap(started: int, ended: int, found: bool) -> None:
    start = datetime.fromisoformat("2026-10-07T22:30:00+00:00")
    other = ReportedTimes("Grace Test", start, start + timedelta(minutes=45), ZONE, None)
    problems = no_overlap(start + timedelta(minutes=started), start + timedelta(minutes=ended), [other])
    assert bool(problems) is found
