"""Small counts stay hidden, even if the totals of rows and columns are known."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homevisits.demographics.rules import MIN_CELL_COUNT, find_hidden_cells, race_ethnicity_category

tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(st.integers(0, 60), min_size=width, max_size=width), min_size=1, max_size=4)
)


@pytest.mark.parametrize(
    ("table", "hidden"),
    [
        ([[10, 50], [60, 70]], set()),
        ([[9, 50], [60, 70]], {(0, 0), (0, 1), (1, 0), (1, 1)}),
        ([[9, 50, 30], [60, 70, 80]], {(0, 0), (0, 2), (1, 0), (1, 2)}),
        ([[0, 50], [60, 70]], {(0, 0), (0, 1), (1, 0), (1, 1)}),
        ([[5]], {(0, 0)}),
        ([], set()),
    ],
)
def test_small_count_is_hidden_with_a_complementary_cell(table: list[list[int]], hidden: set[tuple[int, int]]) -> None:
    assert find_hidden_cells(table) == hidden


@given(tables)
def test_all_small_counts_are_hidden(table: list[list[int]]) -> None:
    hidden = find_hidden_cells(table)
    assert all((r, c) in hidden for r, row in enumerate(table) for c, n in enumerate(row) if n < MIN_CELL_COUNT)


@given(tables)
def test_hidden_counts_do_not_follow_from_totals(table: list[list[int]]) -> None:
    """No total allows the calculation of a hidden count.

    A row or column of two or more cells has no hidden cell or at least two. If it also has shown cells, its hidden
    counts add up to at least the smallest count that may be shown.
    """
    hidden = find_hidden_cells(table)
    rows = [[(r, c) for c in range(len(row))] for r, row in enumerate(table)]
    columns = [[(r, c) for r in range(len(table))] for c in range(len(table[0]))]
    for cells in rows + columns:
        unknown = [cell for cell in cells if cell in hidden]
        assert len(unknown) != 1 or len(cells) == 1
        shown = [cell for cell in cells if cell not in hidden]
        assert not unknown or not shown or sum(table[r][c] for r, c in unknown) >= MIN_CELL_COUNT


def test_exhaustive_search_does_not_reveal_hidden_counts() -> None:
    """Find every table that has the published counts and totals: it must not be unique."""
    table = [[4, 16, 30], [25, 12, 18]]
    hidden = sorted(find_hidden_cells(table))
    rows, columns = [sum(row) for row in table], [sum(column) for column in zip(*table, strict=True)]
    solutions: list[tuple[int, ...]] = []
    for guess in product(range(41), repeat=len(hidden)):
        candidate = [row.copy() for row in table]
        for (r, c), count in zip(hidden, guess, strict=True):
            candidate[r][c] = count
        if [sum(row) for row in candidate] == rows and [sum(c) for c in zip(*candidate, strict=True)] == columns:
            solutions.append(guess)
    small = hidden.index((0, 0))
    assert len({solution[small] for solution in solutions}) >= MIN_CELL_COUNT


@pytest.mark.parametrize(
    ("flags", "category"),
    [
        ({}, None),
        ({"asian": True}, "asian"),
        ({"asian": True, "white": True}, "demographicRaceTwoOrMoreRaces"),
        ({"white": True, "hispanicOrLatinoEthnicity": True}, "hispanicOrLatinoEthnicity"),
        ({"demographicRaceTwoOrMoreRaces": True}, "demographicRaceTwoOrMoreRaces"),
    ],
)
def test_flags_map_to_a_federal_category(flags: dict[str, bool], category: str | None) -> None:
    assert race_ethnicity_category(flags) == category
