import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homevisits.attendance.plot import build_plot
from homevisits.attendance.report import build_document
from tests.attendance.groups import create_group

FIRST, LAST = date(2025, 8, 20), date(2026, 6, 4)


@pytest.mark.parametrize(("visited", "others"), [(0, 900), (9, 900), (900, 9), (9, 9)])
def test_group_below_ten_hides_both_groups(visited: int, others: int) -> None:
    document = build_document(create_group(visited, 0), create_group(others, 0), FIRST, LAST)
    assert document == {"version": 2, "from": "2025-08-20", "to": "2026-06-04", "state": "too_few"}


@pytest.mark.parametrize(("siblings", "state"), [(4, "too_few"), (2, "shown")])
def test_fewer_than_ten_households_hide_both_groups(siblings: int, state: str) -> None:
    assert (
        build_document(create_group(20, 12, siblings=siblings), create_group(900, 228), FIRST, LAST)["state"] == state
    )
    assert (
        build_document(create_group(900, 228), create_group(20, 12, siblings=siblings), FIRST, LAST)["state"] == state
    )


def test_siblings_widen_the_intervals_but_keep_the_values() -> None:
    alone = build_document(create_group(200, 40), create_group(900, 228), FIRST, LAST)
    siblings = build_document(create_group(200, 40, siblings=2), create_group(900, 228), FIRST, LAST)
    for measured in ("attendance", "chronic"):
        narrow, wide = alone[measured]["visited"], siblings[measured]["visited"]
        assert wide["value"] == pytest.approx(narrow["value"])
        assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]
        assert siblings[measured]["others"] == alone[measured]["others"]


@pytest.mark.parametrize("chronic", [40, 100])
def test_document_has_both_groups_but_no_difference(chronic: int) -> None:
    document = build_document(create_group(400, chronic, 0.99), create_group(900, 228), FIRST, LAST)
    assert set(document) == {"version", "from", "to", "state", "n", "attendance", "chronic"}
    assert set(document["attendance"]) == set(document["chronic"]) == {"visited", "others"}


@pytest.mark.parametrize(
    ("visited", "others", "shown"),
    [
        ((97, 21), (903, 228), True),
        ((97, 10), (903, 228), True),
        ((97, 9), (903, 228), False),
        ((97, 0), (903, 228), False),  # zero is a small count, too
        ((97, 88), (903, 228), False),  # the other nine are a small count
        ((97, 87), (903, 228), True),
        ((97, 21), (903, 9), False),
    ],
)
def test_small_count_hides_all_four_counts(visited: tuple[int, int], others: tuple[int, int], shown: bool) -> None:
    document = build_document(create_group(*visited), create_group(*others), FIRST, LAST)
    assert document["state"] == "shown"
    assert (document["chronic"] is not None) is shown
    assert document["n"] == {"visited": visited[0], "others": others[0]}


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_document_contains_no_small_count(a: int, b: int, c: int, d: int) -> None:
    """Every integer in the document is a count of at least ten, and hidden counts cannot be calculated."""
    document = build_document(create_group(a + b, a), create_group(c + d, c), FIRST, LAST)
    if document.get("chronic"):
        assert min(a, b, c, d) >= 10
    if "n" in document:
        assert min(document["n"].values()) >= 10
    assert json.loads(json.dumps(document)) == document


@given(st.floats(0, 1), st.floats(0, 0.2), st.floats(0, 1), st.floats(0, 0.2))
def test_marks_lie_between_the_first_and_last_tick(a: float, margin_a: float, b: float, margin_b: float) -> None:
    shown = {
        "visited": {"value": a, "low": a - margin_a, "high": a + margin_a},
        "others": {"value": b, "low": b - margin_b, "high": b + margin_b},
    }
    plot = build_plot(shown)
    assert 2 <= len(plot.ticks) <= 12
    assert [tick.at for tick in plot.ticks] == sorted({tick.at for tick in plot.ticks})
    for mark in (plot.visited, plot.others):
        assert plot.ticks[0].at - 0.01 <= mark.low <= mark.at <= mark.high <= plot.ticks[-1].at + 0.01
