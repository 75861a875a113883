"""Each refusal in full: its code, the field it belongs to, and what its sentence is filled with."""

from datetime import UTC, date, datetime, timedelta

import pytest

from homevisits.core.problems import Problem
from homevisits.practices.facts import Attestation, Certificate, Family, Kind, Person
from homevisits.practices.hopes_and_dreams import relationship_first
from homevisits.practices.no_targeting import asked_in_order, fairly_asked
from homevisits.practices.pairs_and_reflection import both_agree, nothing_written_during, two_adults, went_together
from homevisits.practices.trained_and_paid import certified_on_the_day, paid_or_says_why
from homevisits.practices.voluntary import arranged_in_advance, educators_opted_in, family_said_yes

NOW = datetime(2026, 10, 5, 14, 0, tzinfo=UTC)
DAY = date(2026, 10, 6)
ASKED = Family(id=1, yes_id=7, draw_entry_id=3)
GRACE = Person(1, "Grace", 11, (Certificate(1, DAY, DAY),))
LUIS = Person(2, "Luis", None)
WENT = Attestation(1, frozenset({1, 2}), NOW, NOW + timedelta(minutes=45), "home", Kind.FIRST)


def held(by: int, went: set[int], minutes: int = 45) -> Attestation:
    return Attestation(by, frozenset(went), NOW, NOW + timedelta(minutes=minutes), "home", Kind.FIRST)


@pytest.mark.parametrize(
    ("said", "problems"),
    [
        (family_said_yes(Family(1, None)), [Problem("family_has_not_said_yes", "family")]),
        (educators_opted_in([GRACE, LUIS]), [Problem("educator_not_opted_in", "partner", {"name": "Luis"})]),
        (arranged_in_advance(NOW, NOW, 24), [Problem("too_soon", "start", {"hours": 24})]),
        (arranged_in_advance(NOW, NOW, 0), [Problem("too_soon", "start", {"hours": 1})]),
        (
            certified_on_the_day([GRACE, LUIS], DAY, 2),
            [Problem("not_certified_on_the_day", "partner", {"name": "Luis", "day": DAY})],
        ),
        (
            paid_or_says_why([2, 1, 3, 4], [3], [4]),
            [Problem("went_unpaid", None, {"educator_id": 1}), Problem("went_unpaid", None, {"educator_id": 2})],
        ),
        (fairly_asked(Family(1, 7)), [Problem("not_fairly_asked", "family")]),
        (asked_in_order(5, [9, 4, 3]), [Problem("not_next_in_the_draw", "family", {"next": 3})]),
        (asked_in_order(3, [3, 9]), []),
        (relationship_first(Kind.SECOND, ASKED), [Problem("second_before_first", "kind")]),
        (relationship_first(Kind.FIRST, Family(1, 7, 3, None, 4)), [Problem("first_already_held", "kind")]),
        (two_adults([1]), [Problem("never_alone", "partner")]),
        (two_adults([1, 2], 3), [Problem("never_alone", "partner")]),
        (two_adults([1, 2], 0), []),
        (two_adults([1, 1]), [Problem("same_person_twice", "partner")]),
        (nothing_written_during(NOW, None, NOW), [Problem("visit_is_running", None)]),
        (nothing_written_during(NOW, NOW + timedelta(seconds=1), NOW), [Problem("visit_is_running", None)]),
        (nothing_written_during(NOW, NOW, NOW), []),
        (nothing_written_during(NOW + timedelta(seconds=1), None, NOW), []),
        (went_together(WENT, {1, 2}), []),
        (went_together(held(3, {1, 2}), {1, 2, 3}), [Problem("only_the_pair_attests", "went")]),
        (went_together(held(1, {1, 9}), {1, 2}), [Problem("only_the_pair_attests", "went")]),
        (went_together(held(1, {1}), {1, 2}), [Problem("never_alone", "partner")]),
        (went_together(held(1, {1, 2}, 0), {1, 2}), [Problem("ends_before_it_starts", "ended")]),
        (both_agree(WENT, WENT), [Problem("attested_by_one", None)]),
        (both_agree(WENT, held(2, {1, 2}, 46)), [Problem("accounts_differ", None)]),
        (both_agree(WENT, held(2, {1, 2})), []),
    ],
)
def test_a_refusal_says_what_where_and_whom(said: list[Problem], problems: list[Problem]) -> None:
    assert said == problems
