"""The payroll file: bytes that a payroll office can read, and that no spreadsheet runs."""

import csv
import io
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from homevisits.pay.payroll_file import HEADER, Owed, document, safe

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)
LINES = st.lists(
    st.builds(
        Owed,
        line_id=st.integers(1, 500),
        employee_id=st.sampled_from(["P1", "P2", ""]),
        last_name=st.sampled_from(["Ochoa", "=cmd|' /C calc'!A0", "-Smith", 'O"Neil, jr']),
        first_name=st.sampled_from(["Grace", "+1", "@x", "Zoë"]),
        pay_code=st.sampled_from(["HV-1", "HV-2"]),
        day=st.dates(FIRST, LAST),
        visit_id=st.integers(1, 50),
        minutes=st.integers(0, 480),
        cents=st.integers(0, 100_000_00),
    ),
    max_size=30,
    unique_by=lambda line: line.line_id,
)


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


@given(LINES)
def test_the_file_sums_to_the_cent_and_has_one_row_per_person_and_code(lines: list[Owed]) -> None:
    found = rows(document(lines, FIRST, LAST))
    assert sum(round(float(row["amount"]) * 100) for row in found) == sum(line.cents for line in lines)
    keys = [(row["employee_id"], row["last_name"], row["first_name"], row["pay_code"]) for row in found]
    assert len(keys) == len(set(keys))
    assert all(row["amount"] == f"{float(row['amount']):.2f}" for row in found)


@given(LINES, st.randoms())
def test_the_same_lines_give_the_same_bytes_in_any_order(lines: list[Owed], random: object) -> None:
    shuffled = list(lines)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert document(shuffled, FIRST, LAST) == document(lines, FIRST, LAST)


@given(LINES)
def test_no_cell_is_a_formula(lines: list[Owed]) -> None:
    for row in csv.reader(io.StringIO(document(lines, FIRST, LAST).decode("utf-8"), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row)


@given(st.text())
def test_a_safe_cell_keeps_its_words(text: str) -> None:
    assert safe(text).removeprefix("'") == text.removeprefix("'")


def test_an_empty_period_has_a_header_only() -> None:
    assert document([], FIRST, LAST) == (",".join(HEADER) + "\r\n").encode()
