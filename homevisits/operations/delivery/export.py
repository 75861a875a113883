"""Render message counts as CSV by day, school and template, without phone, family or language."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from homevisits.operations.delivery.queries import outcome_of
from homevisits.pay.payroll_file import escape_formula

OUTCOMES = ("delivered", "accepted", "failed", "unknown", "waiting", "aside")
HEADER = (
    "day", "school", "text", "arrived", "with_carrier", "did_not_arrive", "not_known", "waiting", "not_sent", "parts",
    "dollars",
)  # fmt: skip


def render_csv(
    rows: Iterable[tuple[date, int | None, str, str, int, int]], names: Mapping[int, str], price: Decimal
) -> bytes:
    """Render (day, school, template, state, messages, segments) rows. `price`: dollars per segment."""
    cells: dict[tuple[date, str, str], Counter[str]] = {}
    for day, school, text, state, number, parts in rows:
        cell = cells.setdefault((day, names.get(school or 0, ""), text), Counter())
        cell[outcome_of(state)] += number
        cell["parts"] += parts
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    for (day, school_name, text), cell in sorted(cells.items()):
        counts = [cell[outcome] for outcome in OUTCOMES]
        writer.writerow(
            [
                day.isoformat(),
                escape_formula(school_name),
                escape_formula(text),
                *counts,
                cell["parts"],
                f"{cell['parts'] * price:.4f}",
            ]
        )
    return out.getvalue().encode("utf-8")
