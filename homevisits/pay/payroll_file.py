"""Render the payroll file (CSV). A row per person and pay code; the same lines always give the same bytes."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

PURE = True

HEADER = (
    "employee_id",
    "last_name",
    "first_name",
    "pay_code",
    "visits",
    "hours",
    "amount",
    "period_from",
    "period_to",
    "detail",
)


@dataclass(frozen=True)
class PayrollLine:
    """An approved pay line with the columns of the payroll file."""

    line_id: int
    employee_id: str
    last_name: str
    first_name: str
    pay_code: str
    day: date
    visit_id: int
    minutes: int
    cents: int


def render_payroll_file(lines: Iterable[PayrollLine], first: date, last: date) -> bytes:
    """Render the lines of a period as CSV (RFC 4180, UTF-8), sorted by employee and pay code."""
    groups: dict[tuple[str, str, str, str], list[PayrollLine]] = {}
    for line in sorted(lines, key=lambda line: (line.day, line.line_id)):
        groups.setdefault((line.employee_id, line.last_name, line.first_name, line.pay_code), []).append(line)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    for key in sorted(groups):
        writer.writerow([escape_formula(cell) for cell in _row(key, groups[key], first, last)])
    return out.getvalue().encode("utf-8")


def _row(key: tuple[str, str, str, str], lines: list[PayrollLine], first: date, last: date) -> list[str]:
    detail = "; ".join(f"{line.day.isoformat()} visit {line.visit_id} {format_dollars(line.cents)}" for line in lines)
    return [
        *key,
        str(len({line.visit_id for line in lines})),
        format_hours(sum(line.minutes for line in lines)),
        format_dollars(sum(line.cents for line in lines)),
        first.isoformat(),
        last.isoformat(),
        detail,
    ]


def format_dollars(cents: int) -> str:
    """Format cents as dollars, such as "60.00"."""
    return f"{Decimal(cents) / 100:.2f}"


def format_hours(minutes: int) -> str:
    """Format minutes as hours, such as "0.75"."""
    return f"{Decimal(minutes) / 60:.2f}"


def escape_formula(cell: str) -> str:
    """Prefix a cell with an apostrophe if a spreadsheet would run it as a formula."""
    return "'" + cell if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else cell
