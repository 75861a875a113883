"""Race and ethnicity categories, and suppression of small counts. Pure."""

from collections.abc import Mapping, Sequence

PURE = True

MIN_CELL_COUNT = 10  # smaller counts are suppressed, with the counts that would reveal them

RACES = (
    "americanIndianOrAlaskaNative",
    "asian",
    "blackOrAfricanAmerican",
    "nativeHawaiianOrOtherPacificIslander",
    "white",
)
TWO_OR_MORE_RACES = "demographicRaceTwoOrMoreRaces"
HISPANIC = "hispanicOrLatinoEthnicity"
SEXES = ("female", "male", "other", "unspecified")


def race_ethnicity_category(flags: Mapping[str, bool]) -> str | None:
    """Return the federal reporting category (one of seven); Hispanic of any race takes precedence."""
    if flags.get(HISPANIC):
        return HISPANIC
    named = [race for race in RACES if flags.get(race)]
    if flags.get(TWO_OR_MORE_RACES) or len(named) > 1:
        return TWO_OR_MORE_RACES
    return named[0] if named else None


def find_hidden_cells(table: Sequence[Sequence[int]], smallest: int = MIN_CELL_COUNT) -> frozenset[tuple[int, int]]:
    """Return the cells (row, column) to suppress in a table whose row and column totals may be known.

    Primary suppression hides every count below `smallest`, including zero, because an empty cell reveals information
    about everyone else. Complementary suppression then hides the next smallest cell of a row or column as long as its
    hidden cells are a single cell or add up to less than `smallest`, so that no count follows by subtraction.
    """
    hidden = {(r, c) for r, row in enumerate(table) for c, n in enumerate(row) if n < smallest}
    lines = [[(r, c) for c in range(len(row))] for r, row in enumerate(table)]
    lines += [[(r, c) for r in range(len(table))] for c in range(len(table[0]) if table else 0)]
    grew = True
    while grew:
        grew = False
        for line in lines:
            cover = _find_complementary_cell(table, line, hidden, smallest)
            if cover is not None:
                hidden.add(cover)
                grew = True
    return frozenset(hidden)


def _find_complementary_cell(
    table: Sequence[Sequence[int]], line: list[tuple[int, int]], hidden: set[tuple[int, int]], smallest: int
) -> tuple[int, int] | None:
    covered = [cell for cell in line if cell in hidden]
    shown = sorted((table[r][c], (r, c)) for r, c in line if (r, c) not in hidden)
    exposed = len(covered) == 1 or sum(table[r][c] for r, c in covered) < smallest
    return shown[0][1] if covered and exposed and shown else None
