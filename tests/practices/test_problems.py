"""Each problem with its code, form field and parameters."""

from datetime import UTC, date, datetime, timedelta

import pytest

from homevisits.core.problems import Problem
from homevisits.practices.check_inputs import Attestation, Certificate, Family, Person, VisitKind
from homevisits.practices.hopes_and_dreams import check_first_visit_comes_first
from homevisits.practices.no_targeting import check_draw_order, check_fairly_selected
from homevisits.practices.pairs_and_reflection import (
    check_nothing_written_during_visit,
    check_report,
    check_reports_agree,
    check_two_adults,
)
from homevisits.practices.trained_and_paid import check_certified_on_day, check_everyone_paid
from homevisits.practices.voluntary import check_educators_opted_in, check_family_consent, check_minimum_notice

NOW = datetime(2026, 10, 5, 14, 0, tzinfo=UTC)
DAY = date(2026, 10, 6)
INVITED = Family(id=1, yes_id=7, draw_entry_id=3)
GRACE = Person(1, "Grace", 11, (Certificate(1, DAY, DAY),))
LUIS = Person(2, "Luis", None)
REPORT = Attestation(1, frozenset({1, 2}), NOW, NOW + timedelta(minutes=45), "home", VisitKind.FIRST)


def report(by: int, went: set[int], minutes: int = 45) -> Attestation:
    return Attestation(by, frozenset(went), NOW, NOW + timedelta(minutes=minutes), "home", VisitKind.FIRST)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (check_family_consent(Family(1, None)), [Problem("family_has_not_said_yes", "family")]),
        (check_educators_opted_in([GRACE, LUIS]), [Problem("educator_not_opted_in", "partner", {"name": "Luis"})]),
        (check_minimum_notice(NOW, NOW, 24), [Problem("too_soon", "start", {"hours": 24})]),
        (check_minimum_notice(NOW, NOW, 0), [Problem("too_soon", "start", {"hours": 1})]),
        (
            check_certified_on_day([GRACE, LUIS], DAY, 2),
            [Problem("not_certified_on_the_day", "partner", {"name": "Luis", "day": DAY})],
        ),
        (
            check_everyone_paid([2, 1, 3, 4], [3], [4]),
            [Problem("went_unpaid", None, {"educator_id": 1}), Problem("went_unpaid", None, {"educator_id": 2})],
        ),
        (check_fairly_selected(Family(1, 7)), [Problem("not_fairly_asked", "family")]),
        (check_draw_order(5, [9, 4, 3]), [Problem("not_next_in_the_draw", "family", {"next": 3})]),
        (check_draw_order(3, [3, 9]), []),
        (check_first_visit_comes_first(VisitKind.SECOND, INVITED), [Problem("second_before_first", "kind")]),
        (
            check_first_visit_comes_first(VisitKind.FIRST, Family(1, 7, 3, None, 4)),
            [Problem("first_already_held", "kind")],
        ),
        (check_two_adults([1]), [Problem("never_alone", "partner")]),
        (check_two_adults([1, 2], 3), [Problem("never_alone", "partner")]),
        (check_two_adults([1, 2], 0), []),
        (check_two_adults([1, 1]), [Problem("same_person_twice", "partner")]),
        (check_nothing_written_during_visit(NOW, None, NOW), [Problem("visit_is_running", None)]),
        (check_nothing_written_during_visit(NOW, NOW + timedelta(seconds=1), NOW), [Problem("visit_is_running", None)]),
        (check_nothing_written_during_visit(NOW, NOW, NOW), []),
        (check_nothing_written_during_visit(NOW + timedelta(seconds=1), None, NOW), []),
        (check_report(REPORT, {1, 2}), []),
        (check_report(report(3, {1, 2}), {1, 2, 3}), [Problem("only_the_pair_attests", "went")]),
        (check_report(report(1, {1, 9}), {1, 2}), [Problem("only_the_pair_attests", "went")]),
        (check_report(report(1, {1}), {1, 2}), [Problem("never_alone", "partner")]),
        (check_report(report(1, {1, 2}, 0), {1, 2}), [Problem("ends_before_it_starts", "ended")]),
        (check_reports_agree(REPORT, REPORT), [Problem("attested_by_one", None)]),
        (check_reports_agree(REPORT, report(2, {1, 2}, 46)), [Problem("accounts_differ", None)]),
        (check_reports_agree(REPORT, report(2, {1, 2})), []),
    ],
)
def test_problem_has_code_field_and_params(actual: list[Problem], expected: list[Problem]) -> None:
    assert actual == expected
