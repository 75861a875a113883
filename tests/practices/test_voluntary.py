"""Practice 1: everyone said yes, and it was arranged in advance."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from homevisits.practices.facts import Family, Person
from homevisits.practices.voluntary import a_no_needs_no_reason, arranged_in_advance, everyone_said_yes

NOW = datetime(2026, 10, 5, 14, 0, tzinfo=UTC)
WILLING = Family(id=1, yes_id=7, draw_entry_id=3)
GRACE, LUIS = Person(1, "Grace", opt_in_id=11), Person(2, "Luis", opt_in_id=12)


@pytest.mark.parametrize("family_yes", [True, False])
@pytest.mark.parametrize("grace_in", [True, False])
@pytest.mark.parametrize("luis_in", [True, False])
def test_every_missing_yes_is_named(family_yes: bool, grace_in: bool, luis_in: bool) -> None:
    family = WILLING if family_yes else replace(WILLING, yes_id=None)
    people = [
        GRACE if grace_in else replace(GRACE, opt_in_id=None),
        LUIS if luis_in else replace(LUIS, opt_in_id=None),
    ]
    problems = everyone_said_yes(family, people)
    assert ("family_has_not_said_yes" in {p.code for p in problems}) is not family_yes
    named = {p.params["name"] for p in problems if p.code == "educator_not_opted_in"}
    assert named == {name for name, there in (("Grace", grace_in), ("Luis", luis_in)) if not there}


def test_a_family_that_was_drawn_but_never_answered_has_not_said_yes() -> None:
    assert [p.code for p in everyone_said_yes(Family(1, None, 3), [GRACE, LUIS])] == ["family_has_not_said_yes"]


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
def test_the_minimum_notice_is_kept_to_the_second(ahead: timedelta, refused: bool) -> None:
    problems = arranged_in_advance(NOW + ahead, NOW, 24)
    assert [p.code for p in problems] == (["too_soon"] if refused else [])


def test_no_policy_makes_a_drop_in_possible() -> None:
    assert arranged_in_advance(NOW + timedelta(minutes=59), NOW, 0)
    assert arranged_in_advance(NOW + timedelta(minutes=59), NOW, -5)
    assert not arranged_in_advance(NOW + timedelta(minutes=60), NOW, 0)


def test_notice_is_elapsed_hours_also_when_the_clocks_change() -> None:
    saturday_evening = datetime(2026, 10, 31, 22, 0, tzinfo=UTC)  # 6 pm in New York; clocks go back that night
    same_wall_time_on_sunday = datetime(2026, 11, 1, 23, 0, tzinfo=UTC)
    assert not arranged_in_advance(same_wall_time_on_sunday, saturday_evening, 25)
    assert arranged_in_advance(same_wall_time_on_sunday - timedelta(seconds=1), saturday_evening, 25)


@pytest.mark.parametrize("answer", ["other_time", "not_now", "withdrawn"])
def test_any_no_ends_what_was_planned(answer: str) -> None:
    assert a_no_needs_no_reason(answer)


@pytest.mark.parametrize("answer", ["yes", "confirmed", "call_me"])
def test_a_yes_or_a_wish_to_be_called_ends_nothing(answer: str) -> None:
    assert not a_no_needs_no_reason(answer)
