"""Boundaries of the visit rules, and every action in every visit state."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from homevisits.core.problems import Problem
from homevisits.practices.check_inputs import Certificate, Family, Person, PlannedVisit, VisitKind
from homevisits.visits import rules, states
from homevisits.visits.labels import _fair
from homevisits.visits.models import VisitState
from homevisits.visits.queries.detail import Evidence
from homevisits.visits.rules import PartnerMatch
from tests.factories.school import POLICY

NOW = datetime(2026, 10, 5, 15, 0, tzinfo=UTC)
START = datetime(2026, 10, 7, 22, 30, tzinfo=UTC)  # 4:30 pm in Denver
END = START + timedelta(minutes=45)
DAY, ZONE = date(2026, 10, 7), "America/Denver"
SECOND = timedelta(seconds=1)
CERTIFIED = (Certificate(1, date(2026, 8, 1), None),)
PAIR = [Person(1, "Grace", 11, CERTIFIED), Person(2, "Luis", 12, CERTIFIED)]
FAMILY = Family(1, 7, draw_entry_id=3)


def problem_codes(problems: list[Problem]) -> list[str]:
    return [problem.code for problem in problems]


def test_visit_that_follows_all_practices_has_no_problems() -> None:
    assert rules.check_start(START, POLICY, NOW) == []
    assert rules.check_team(PlannedVisit(VisitKind.FIRST, START, DAY), FAMILY, PAIR, POLICY.min_trained) == []


def test_all_broken_practices_are_reported() -> None:
    opted_out = Person(1, "Grace", None)
    meeting = PlannedVisit(VisitKind.SECOND, NOW, DAY)
    problems = rules.check_team(meeting, Family(1, None), [opted_out, opted_out], POLICY.min_trained)
    assert set(problem_codes(problems)) == {
        "family_has_not_said_yes",
        "educator_not_opted_in",
        "not_certified_on_the_day",
        "not_fairly_asked",
        "second_before_first",
        "same_person_twice",
    }


def test_start_is_refused_within_the_notice_beyond_the_horizon_and_off_the_quarter_hour() -> None:
    assert problem_codes(rules.check_start(NOW + timedelta(hours=1), POLICY, NOW)) == ["too_soon"]
    assert problem_codes(rules.check_start(NOW + timedelta(days=400), POLICY, NOW)) == ["too_far_ahead"]
    for late in (timedelta(minutes=7, seconds=30), timedelta(seconds=1), timedelta(microseconds=1)):
        assert problem_codes(rules.check_start(START + late, POLICY, NOW)) == ["not_on_the_quarter_hour"]


@pytest.mark.parametrize(("min_trained", "expected"), [(2, ["not_certified_on_the_day"]), (1, [])])
def test_uncertified_person_is_refused_only_if_the_policy_requires_it(min_trained: int, expected: list[str]) -> None:
    assert problem_codes(rules.check_person(Person(3, "Amina", 13), DAY, min_trained)) == expected


@pytest.mark.parametrize("min_trained", [1, 2])
def test_certified_person_is_accepted_and_needs_an_opt_in(min_trained: int) -> None:
    assert rules.check_person(PAIR[0], DAY, min_trained) == []
    assert problem_codes(rules.check_person(replace(PAIR[0], opt_in_id=None), DAY, min_trained)) == [
        "educator_not_opted_in"
    ]


@pytest.mark.parametrize(("now", "ahead"), [(START - SECOND, True), (START, False), (END, False)])
def test_arrangements_are_refused_after_the_start(now: datetime, ahead: bool) -> None:
    assert (rules.check_not_started(START, now) == []) is ahead


@pytest.mark.parametrize(
    ("starts_at", "refused"),
    [(NOW + timedelta(days=42), False), (NOW + timedelta(days=42) + SECOND, True)],
)
def test_booking_beyond_the_horizon_is_refused(starts_at: datetime, refused: bool) -> None:
    assert bool(rules.check_booking_horizon(starts_at, POLICY, NOW)) is refused


def test_only_places_of_the_policy_are_accepted_and_never_a_school() -> None:
    assert rules.check_place("home", POLICY) == []
    assert rules.check_place("video", replace(POLICY, place_types=("home",)))
    assert rules.check_place("school", POLICY)


@pytest.mark.parametrize(
    ("now", "shows"),
    [
        (START - timedelta(hours=48) - SECOND, False),
        (START - timedelta(hours=48), True),
        (START, True),
        (END + timedelta(hours=3) - SECOND, True),
        (END + timedelta(hours=3), False),
    ],
)
def test_address_is_shown_only_around_the_visit(now: datetime, shows: bool) -> None:
    assert rules.address_window(START, END, POLICY).is_open_at(now) is shows


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (START - SECOND, "visit_not_started"),
        (START, None),
        (START + timedelta(days=30), None),
        (START + timedelta(days=30) + SECOND, "too_late_to_log"),
    ],
)
def test_report_is_accepted_from_the_start_until_the_last_day(now: datetime, code: str | None) -> None:
    assert problem_codes(rules.check_can_attest(START, POLICY, now)) == ([code] if code else [])


@pytest.mark.parametrize(
    ("started", "ended", "expected"),
    [
        (START, END, []),
        (START, START, ["ends_before_it_starts"]),
        (END, START, ["ends_before_it_starts"]),
        (START, END + SECOND, ["not_over_yet"]),
        (END - timedelta(hours=4), END, []),
        (END - timedelta(hours=4) - SECOND, END, ["longer_than_a_visit"]),
        (START - timedelta(days=1), END - timedelta(days=1), ["another_day"]),
        (None, END, ["hour_does_not_exist"]),
        (START, None, ["hour_does_not_exist"]),
    ],
)
def test_impossible_reported_times_are_refused(
    started: datetime | None, ended: datetime | None, expected: list[str]
) -> None:
    assert problem_codes(rules.check_reported_times(started, ended, DAY, ZONE, END)) == expected


def test_wrong_reported_time_names_its_field() -> None:
    assert [problem.field for problem in rules.check_reported_times(None, END, DAY, ZONE, END)] == ["started"]
    assert [problem.field for problem in rules.check_reported_times(START, None, DAY, ZONE, END)] == ["ended"]
    (longer,) = rules.check_reported_times(END - timedelta(hours=5), END, DAY, ZONE, END)
    assert (longer.field, longer.params["hours"]) == ("ended", 4)


def test_day_of_a_late_visit_is_the_local_day() -> None:
    late = datetime(2026, 10, 8, 4, 0, tzinfo=UTC)  # This is still October 7 in Denver.
    assert rules.check_reported_times(late, late + timedelta(minutes=30), DAY, ZONE, late + timedelta(hours=1)) == []


@pytest.mark.parametrize(
    ("learned", "strengths", "will_do", "expected"),
    [
        ("a", "", "b", []),
        ("", "", "b", [("missing", "learned")]),
        (" \n", "c", " ", [("missing", "learned"), ("missing", "will_do")]),
        ("a" * 400, "b" * 400, "c" * 400, []),
        ("a" * 401, "b" * 401, "c", [("too_long", "learned"), ("too_long", "strengths")]),
    ],
)
def test_reflection_requires_two_fields_and_limits_their_length(
    learned: str, strengths: str, will_do: str, expected: list[tuple[str, str]]
) -> None:
    problems = rules.check_reflection(learned, strengths, will_do)
    assert [(problem.code, problem.field) for problem in problems] == expected


def test_partner_score_ranks_experience_language_child_then_load() -> None:
    plain = PartnerMatch(1, "Grace", None, False, False, 0)
    order = [
        replace(plain, has_visited_before=True),
        replace(plain, shared_language="es", teaches_child=True),
        replace(plain, shared_language="es"),
        replace(plain, teaches_child=True),
        plain,
        replace(plain, upcoming_visits=1),
    ]
    assert sorted(order, key=lambda match: -match.score) == order
    assert [match.score for match in order] == [40, 30, 20, 10, 0, -3]
    assert replace(plain, has_visited_before=True, teaches_child=True, upcoming_visits=2).score == 44


@pytest.mark.parametrize(
    ("family", "educator", "shared"),
    [("es", "en es", "es"), ("es", "en", None), ("en", "en es", None), ("es", "", None), ("s", "es", None)],
)
def test_shared_language_excludes_english(family: str, educator: str, shared: str | None) -> None:
    assert rules.shared_language(family, educator) == shared


ALLOWED = {
    "accept": {"proposed"},
    "decline": {"proposed"},
    "confirm": {"scheduled", "confirmed"},
    "move": {"proposed", "scheduled", "confirmed"},
    "cancel": {"proposed", "scheduled", "confirmed"},
    "cannot_come": {"proposed", "scheduled", "confirmed"},
    "replace": {"proposed"},
    "not_held": {"proposed", "scheduled", "confirmed"},
    "on_the_way": {"scheduled", "confirmed"},
    "attest": {"scheduled", "confirmed"},
}


@pytest.mark.parametrize("action", ALLOWED)
@pytest.mark.parametrize("state", list(VisitState))
def test_illegal_transitions_are_refused(action: str, state: VisitState) -> None:
    problems = states.check_transition(action, state)
    assert (problems == []) is (state in ALLOWED[action])
    assert all(problem.code == "visit_moved_on" for problem in problems)


def test_all_actions_and_states_are_classified() -> None:
    assert set(states.ALLOWED_STATES) == set(ALLOWED)
    assert set(VisitState) == states.LIVE | states.ENDED
    assert not states.LIVE & states.ENDED


@pytest.mark.parametrize(("coming", "state"), [(0, "proposed"), (1, "proposed"), (2, "scheduled")])
def test_visit_is_scheduled_after_both_accept(coming: int, state: str) -> None:
    assert states.state_after_answers(coming, 2) == state


def test_replacement_family_has_no_number_in_the_draw() -> None:
    evidence = Evidence(NOW, "text", (), NOW, None, None, None, None)
    assert _fair(evidence, "America/Denver").startswith("next in line in the draw of ")
    assert _fair(replace(evidence, place_in_draw=4), "America/Denver").startswith("number 4 in the draw of ")
