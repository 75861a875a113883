from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from homevisits.practices.check_inputs import Family, Person
from homevisits.practices.voluntary import check_consent, check_minimum_notice, is_cancelling_answer

NOW = datetime(2026, 10, 5, 14, 0, tzinfo=UTC)
WILLING = Family(id=1, yes_id=7, draw_entry_id=3)
GRACE, LUIS = Person(1, "Grace", opt_in_id=11), Person(2, "Luis", opt_in_id=12)


@pytest.mark.parametrize("family_yes", [True, False])
@pytest.mark.parametrize("grace_in", [True, False])
@pytest.mark.parametrize("luis_in", [True, False])
def test_each_missing_consent_is_reported(family_yes: bool, grace_in: bool, luis_in: bool) -> None:
    family = WILLING if family_yes else replace(WILLING, yes_id=None)
    people = [
        GRACE if grace_in else replace(GRACE, opt_in_id=None),
        LUIS if luis_in else replace(LUIS, opt_in_id=None),
    ]
    problems = check_consent(family, people)
    assert ("family_has_not_said_yes" in {p.code for p in problems}) is not family_yes
    named = {p.params["name"] for p in problems if p.code == "educator_not_opted_in"}
    assert named == {name for name, opted_in in (("Grace", grace_in), ("Luis", luis_in)) if not opted_in}


def test_drawn_family_without_answer_has_not_consented() -> None:
    assert [p.code for p in check_consent(Family(1, None, 3), [GRACE, LUIS])] == ["family_has_not_said_yes"]


@pytest.mark.parametrize(
    ("ahead", "refused"),
    [
        (timedelta(hours=24), False),
        (timedelta(hours=24) - timedelta(seconds=1), True),
        (timedelta(hours=24, seconds=1), False),
        (timedelta(0), True),
        (timedelta(hours=-1), True),
    ],
)
def test_minimum_notice_is_exact_to_the_second(ahead: timedelta, refused: bool) -> None:
    problems = check_minimum_notice(NOW + ahead, NOW, 24)
    assert [p.code for p in problems] == (["too_soon"] if refused else [])


def test_minimum_notice_is_at_least_one_hour_under_any_policy() -> None:
    assert check_minimum_notice(NOW + timedelta(minutes=59), NOW, 0)
    assert check_minimum_notice(NOW + timedelta(minutes=59), NOW, -5)
    assert not check_minimum_notice(NOW + timedelta(minutes=60), NOW, 0)


def test_notice_is_counted_in_elapsed_hours_across_a_clock_change() -> None:
    saturday_evening = datetime(2026, 10, 31, 22, 0, tzinfo=UTC)  # 6 pm in New York; clocks go back that night
    same_wall_time_on_sunday = datetime(2026, 11, 1, 23, 0, tzinfo=UTC)
    assert not check_minimum_notice(same_wall_time_on_sunday, saturday_evening, 25)
    assert check_minimum_notice(same_wall_time_on_sunday - timedelta(seconds=1), saturday_evening, 25)


@pytest.mark.parametrize("answer", ["other_time", "not_now", "withdrawn"])
def test_refusals_cancel_the_visit(answer: str) -> None:
    assert is_cancelling_answer(answer)


@pytest.mark.parametrize("answer", ["yes", "confirmed", "call_me"])
def test_yes_and_call_me_do_not_cancel_the_visit(answer: str) -> None:
    assert not is_cancelling_answer(answer)
