"""The payroll file: pure bytes. One row per person and pay code; the same lines always give the same bytes."""

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
class Owed:
    """One approved line, as payroll sees it."""

    line_id: int
    employee_id: str
    last_name: str
    first_name: str
    pay_code: str
    day: date
    visit_id: int
    minutes: int
    cents: int


def document(lines: Iterable[Owed], first: date, last: date) -> bytes:
    """The file of a period: RFC 4180, UTF-8, sorted by employee, then pay code."""
    groups: dict[tuple[str, str, str, str], list[Owed]] = {}
    for line in sorted(lines, key=lambda line: (line.day, line.line_id)):
        groups.setdefault((line.employee_id, line.last_name, line.first_name, line.pay_code), []).append(line)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    for key in sorted(groups):
        writer.writerow([safe(cell) for cell in _row(key, groups[key], first, last)])
    return out.getvalue().encode("utf-8")


def _row(key: tuple[str, str, str, str], lines: list[Owed], first: date, last: date) -> list[str]:
    detail = "; ".join(f"{line.day.isoformat()} visit {line.visit_id} {dollars(line.cents)}" for line in lines)
    return [
        *key,
        str(len({line.visit_id for line in lines})),
        hours(sum(line.minutes for line in lines)),
        dollars(sum(line.cents for line in lines)),
        first.isoformat(),
        last.isoformat(),
        detail,
    ]


def dollars(cents: int) -> str:
    """ "60.00" """
    return f"{Decimal(cents) / 100:.2f}"


def hours(minutes: int) -> str:
    """ "0.75" """
    return f"{Decimal(minutes) / 60:.2f}"


def safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return "'" + cell if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else cell
