from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from homevisits.practices.check_inputs import Attestation, VisitKind
from homevisits.practices.pairs_and_reflection import (
    check_nothing_written_during_visit,
    check_report,
    check_reports_agree,
    check_two_adults,
    find_missing_reflections,
)

START = datetime(2026, 10, 6, 20, 30, tzinfo=UTC)
END = START + timedelta(minutes=45)
GRACE = Attestation(1, frozenset({1, 2}), START, END, "home", VisitKind.FIRST)
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
def test_team_needs_two_different_people(people: list[int], code: str | None) -> None:
    assert [p.code for p in check_two_adults(people)] == ([code] if code else [])


def test_policy_cannot_allow_a_single_person() -> None:
    assert check_two_adults([1], team_size=1)
    assert check_two_adults([1, 2], team_size=3)
    assert not check_two_adults([1, 2], team_size=0)


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
def test_notes_are_refused_between_start_and_check_out(
    now: datetime, checked_out: datetime | None, refused: bool
) -> None:
    assert bool(check_nothing_written_during_visit(START, checked_out, now)) is refused


def test_report_needs_two_team_members_who_went() -> None:
    assert check_report(GRACE, {1, 2}) == []
    assert [p.code for p in check_report(replace(GRACE, went=frozenset({1})), {1, 2})] == ["never_alone"]
    assert [p.code for p in check_report(replace(GRACE, by=3), {1, 2})] == ["only_the_pair_attests"]
    assert [p.code for p in check_report(replace(GRACE, went=frozenset({1, 9})), {1, 2})] == ["only_the_pair_attests"]
    assert [p.code for p in check_report(replace(GRACE, ended_at=START), {1, 2})] == ["ends_before_it_starts"]


def test_reports_must_agree_in_every_detail() -> None:
    assert check_reports_agree(GRACE, LUIS) == []
    assert [p.code for p in check_reports_agree(GRACE, GRACE)] == ["attested_by_one"]
    others = [
        replace(LUIS, went=frozenset({1, 2, 3})),
        replace(LUIS, started_at=START + timedelta(minutes=1)),
        replace(LUIS, ended_at=END + timedelta(minutes=1)),
        replace(LUIS, place="video"),
        replace(LUIS, kind=VisitKind.SECOND),
    ]
    for other in others:
        assert [p.code for p in check_reports_agree(GRACE, other)] == ["accounts_differ"]


def test_reflections_are_due_only_from_educators_who_went() -> None:
    assert find_missing_reflections({1, 2}, {2}) == {1}
    assert find_missing_reflections({1, 2}, {1, 2}) == frozenset()
    assert find_missing_reflections(set(), {1}) == frozenset()
