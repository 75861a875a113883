"""Practice 5: in pairs, with reflection."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from homevisits.practices.facts import Attestation, Kind
from homevisits.practices.pairs_and_reflection import (
    both_agree,
    nothing_written_during,
    reflections_due,
    two_adults,
    went_together,
)

START = datetime(2026, 10, 6, 20, 30, tzinfo=UTC)
END = START + timedelta(minutes=45)
GRACE = Attestation(1, frozenset({1, 2}), START, END, "home", Kind.FIRST)
LUIS = replace(GRACE, by=2)


@pytest.mark.parametrize(
    ("people", "code"),
    [
        ([1, 2], None),
        ([1, 2, 3], None),
        ([1], "never_alone"),
        ([], "never_alone"),
        ([1, 1], "same_person_twice"),
        ([1, 2, 2], "same_person_twice"),
    ],
)
def test_two_different_adults_go(people: list[int], code: str | None) -> None:
    assert [p.code for p in two_adults(people)] == ([code] if code else [])


def test_no_policy_allows_one_person_alone() -> None:
    assert two_adults([1], team_size=1)
    assert two_adults([1, 2], team_size=3)
    assert not two_adults([1, 2], team_size=0)


@pytest.mark.parametrize(
    ("now", "checked_out", "refused"),
    [
        (START - timedelta(seconds=1), None, False),
        (START, None, True),
        (START + timedelta(minutes=20), None, True),
        (START + timedelta(days=3), None, True),
        (END, END, False),
        (END - timedelta(seconds=1), END, True),
    ],
)
def test_nothing_is_written_between_the_start_and_the_check_out(
    now: datetime, checked_out: datetime | None, refused: bool
) -> None:
    assert bool(nothing_written_during(START, checked_out, now)) is refused


def test_a_visit_is_attested_by_two_who_went() -> None:
    assert went_together(GRACE, {1, 2}) == []
    assert [p.code for p in went_together(replace(GRACE, went=frozenset({1})), {1, 2})] == ["never_alone"]
    assert [p.code for p in went_together(replace(GRACE, by=3), {1, 2})] == ["only_the_pair_attests"]
    assert [p.code for p in went_together(replace(GRACE, went=frozenset({1, 9})), {1, 2})] == ["only_the_pair_attests"]
    assert [p.code for p in went_together(replace(GRACE, ended_at=START), {1, 2})] == ["ends_before_it_starts"]


def test_the_second_says_the_same_or_the_accounts_differ() -> None:
    assert both_agree(GRACE, LUIS) == []
    assert [p.code for p in both_agree(GRACE, GRACE)] == ["attested_by_one"]
    others = [
        replace(LUIS, went=frozenset({1, 2, 3})),
        replace(LUIS, started_at=START + timedelta(minutes=1)),
        replace(LUIS, ended_at=END + timedelta(minutes=1)),
        replace(LUIS, place="video"),
        replace(LUIS, kind=Kind.SECOND),
    ]
    for other in others:
        assert [p.code for p in both_agree(GRACE, other)] == ["accounts_differ"]


def test_reflection_is_due_from_those_who_went_only() -> None:
    assert reflections_due({1, 2}, {2}) == {1}
    assert reflections_due({1, 2}, {1, 2}) == frozenset()
    assert reflections_due(set(), {1}) == frozenset()
