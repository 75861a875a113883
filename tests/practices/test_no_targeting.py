import pytest

from homevisits.practices.check_inputs import Family
from homevisits.practices.no_targeting import check_draw_order, check_fairly_selected


@pytest.mark.parametrize(
    ("draw_entry", "own_request", "allowed"),
    [(3, None, True), (None, 4, True), (3, 4, True), (None, None, False)],
)
def test_family_is_selected_by_draw_or_own_request(
    draw_entry: int | None, own_request: int | None, allowed: bool
) -> None:
    assert (check_fairly_selected(Family(1, 7, draw_entry, own_request)) == []) is allowed


@pytest.mark.parametrize(
    ("position", "waiting", "allowed"),
    [
        (1, {1, 2, 3}, True),
        (2, {1, 2, 3}, False),
        (2, {2, 3}, True),
        (3, set(), True),
        (3, {4, 5}, True),
        (3, {1}, False),
    ],
)
def test_families_are_invited_in_draw_order(position: int, waiting: set[int], allowed: bool) -> None:
    assert (check_draw_order(position, waiting) == []) is allowed


def test_family_facts_contain_no_traits() -> None:
    assert set(Family.__dataclass_fields__) == {
        "id",
        "yes_id",
        "draw_entry_id",
        "request_id",
        "first_visit_id",
        "yes_lapsed",
    }
