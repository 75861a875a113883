"""Small counts stay hidden, also from somebody who knows the totals and subtracts."""

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
    """With two or more cells to a line, none is hidden alone: every total leaves two unknowns, or all of it."""
    hidden = find_hidden_cells(table)
    rows = [[(r, c) for c in range(len(row))] for r, row in enumerate(table)]
    columns = [[(r, c) for r in range(len(table))] for c in range(len(table[0]))]
    for line in rows + columns:
        unknown = [cell for cell in line if cell in hidden]
        assert len(unknown) != 1 or len(line) == 1
        shown = [cell for cell in line if cell not in hidden]
        assert not unknown or not shown or sum(table[r][c] for r, c in unknown) >= MIN_CELL_COUNT


def test_exhaustive_search_does_not_reveal_hidden_counts() -> None:
    """The attack itself, on a small table: more than one table of counts fits what is published."""
    table = [[4, 16, 30], [25, 12, 18]]
    hidden = sorted(find_hidden_cells(table))
    rows, columns = [sum(row) for row in table], [sum(column) for column in zip(*table, strict=True)]
    fits: list[tuple[int, ...]] = []
    for guess in product(range(41), repeat=len(hidden)):
        tried = [row.copy() for row in table]
        for (r, c), count in zip(hidden, guess, strict=True):
            tried[r][c] = count
        if [sum(row) for row in tried] == rows and [sum(c) for c in zip(*tried, strict=True)] == columns:
            fits.append(guess)
    small = hidden.index((0, 0))
    assert len({fit[small] for fit in fits}) >= MIN_CELL_COUNT


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
