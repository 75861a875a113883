"""What the report may say: shown numbers only, and the small ones and their covers not at all."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homevisits.attendance.plot import plot
from homevisits.attendance.report import Group, document, finding

FIRST, LAST = date(2025, 8, 20), date(2026, 6, 4)


def group(n: int, chronic: int, rate: float = 0.93) -> Group:
    return Group(n, chronic, n * rate, n * rate * rate + 0.01 * max(n - 1, 0))


@pytest.mark.parametrize(("visited", "others"), [(0, 900), (9, 900), (900, 9), (9, 9)])
def test_a_group_below_ten_shows_nothing_of_anybody(visited: int, others: int) -> None:
    found = document(group(visited, 0), group(others, 0), FIRST, LAST)
    assert found == {"version": 1, "from": "2025-08-20", "to": "2026-06-04", "state": "too_few"}


@pytest.mark.parametrize(
    ("visited", "others", "shown"),
    [
        ((97, 21), (903, 228), True),
        ((97, 10), (903, 228), True),
        ((97, 9), (903, 228), False),
        ((97, 0), (903, 228), False),  # that nobody is chronically absent is said of nobody either
        ((97, 88), (903, 228), False),  # nine are not
        ((97, 87), (903, 228), True),
        ((97, 21), (903, 9), False),
    ],
)
def test_one_small_count_hides_all_four(visited: tuple[int, int], others: tuple[int, int], shown: bool) -> None:
    found = document(group(*visited), group(*others), FIRST, LAST)
    assert found["state"] == "shown"
    assert (found["chronic"] is not None) is shown
    assert found["n"] == {"visited": visited[0], "others": others[0]}


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_no_small_count_is_anywhere_in_the_document(a: int, b: int, c: int, d: int) -> None:
    """Whole numbers in the document are counts: none is below ten, and none lets another be worked out."""
    found = document(group(a + b, a), group(c + d, c), FIRST, LAST)
    if found.get("chronic"):
        assert min(a, b, c, d) >= 10
    if "n" in found:
        assert min(found["n"].values()) >= 10
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [(0.01, 0.02, "more"), (-0.02, -0.01, "less"), (-0.01, 0.01, "unclear"), (0, 0.1, "unclear")],
)
def test_an_interval_that_holds_zero_says_nothing(low: float, high: float, says: str) -> None:
    assert finding({"value": (low + high) / 2, "low": low, "high": high}) == says


@given(st.floats(0, 1), st.floats(0, 0.2), st.floats(0, 1), st.floats(0, 0.2))
def test_every_mark_lies_on_the_line_between_its_ticks(a: float, half_a: float, b: float, half_b: float) -> None:
    shown = {
        "visited": {"value": a, "low": a - half_a, "high": a + half_a},
        "others": {"value": b, "low": b - half_b, "high": b + half_b},
    }
    drawn = plot(shown)
    assert 2 <= len(drawn.ticks) <= 12
    assert [tick.at for tick in drawn.ticks] == sorted({tick.at for tick in drawn.ticks})
    for mark in (drawn.visited, drawn.others):
        assert drawn.ticks[0].at - 0.01 <= mark.low <= mark.at <= mark.high <= drawn.ticks[-1].at + 0.01
