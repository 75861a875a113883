"""Practice 3: everyone, or a fair cross-section, is asked, in the order drawn."""

import pytest

from homevisits.practices.facts import Family
from homevisits.practices.no_targeting import asked_in_order, fairly_asked


@pytest.mark.parametrize(
    ("draw_entry", "own_request", "kept"),
    [(3, None, True), (None, 4, True), (3, 4, True), (None, None, False)],
)
def test_a_family_comes_in_by_the_draw_or_by_its_own_request(
    draw_entry: int | None, own_request: int | None, kept: bool
) -> None:
    assert (fairly_asked(Family(1, 7, draw_entry, own_request)) == []) is kept


@pytest.mark.parametrize(
    ("position", "waiting", "kept"),
    [
        (1, {1, 2, 3}, True),
        (2, {1, 2, 3}, False),
        (2, {2, 3}, True),
        (3, set(), True),
        (3, {4, 5}, True),
        (3, {1}, False),
    ],
)
def test_nobody_is_passed_over(position: int, waiting: set[int], kept: bool) -> None:
    assert (asked_in_order(position, waiting) == []) is kept


def test_a_family_has_no_trait_to_be_picked_by() -> None:
    assert set(Family.__dataclass_fields__) == {
        "id",
        "yes_id",
        "draw_entry_id",
        "request_id",
        "first_visit_id",
        "yes_lapsed",
    }
