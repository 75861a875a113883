import csv
import io
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from homevisits.pay.payroll_file import HEADER, PayrollLine, escape_formula, render_payroll_file

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)
LINES = st.lists(
    st.builds(
        PayrollLine,
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


def read_rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


@given(LINES)
def test_file_has_exact_totals_and_a_row_per_person_and_code(lines: list[PayrollLine]) -> None:
    rows = read_rows(render_payroll_file(lines, FIRST, LAST))
    assert sum(round(float(row["amount"]) * 100) for row in rows) == sum(line.cents for line in lines)
    keys = [(row["employee_id"], row["last_name"], row["first_name"], row["pay_code"]) for row in rows]
    assert len(keys) == len(set(keys))
    assert all(row["amount"] == f"{float(row['amount']):.2f}" for row in rows)


@given(LINES, st.randoms())
def test_line_order_does_not_change_the_bytes(lines: list[PayrollLine], random: object) -> None:
    shuffled = list(lines)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert render_payroll_file(shuffled, FIRST, LAST) == render_payroll_file(lines, FIRST, LAST)


@given(LINES)
def test_no_cell_starts_a_formula(lines: list[PayrollLine]) -> None:
    for row in csv.reader(io.StringIO(render_payroll_file(lines, FIRST, LAST).decode("utf-8"), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row)


@given(st.text())
def test_escaping_only_adds_an_apostrophe(text: str) -> None:
    assert escape_formula(text).removeprefix("'") == text.removeprefix("'")


def test_empty_period_gives_only_the_header() -> None:
    assert render_payroll_file([], FIRST, LAST) == (",".join(HEADER) + "\r\n").encode()
