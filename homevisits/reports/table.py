import csv
import io
from collections.abc import Mapping

from homevisits.pay.payroll_file import escape_formula, format_dollars, format_hours
from homevisits.reports.counts import Tallies

HEADER = (
    "school",
    "month",
    "visits",
    "people",
    "hours",
    "approved",
    "waiting",
    "total",
    "claims_waiting",
    "without_rule",
)


def render_csv(tallies: Tallies, names: Mapping[int, str]) -> bytes:
    """Render the tallies as CSV, a row per school and month."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    for school, month in sorted(tallies.cells, key=lambda cell: (names.get(cell[0], ""), cell)):
        tally = tallies.cells[school, month]
        money = [format_dollars(cents) for cents in (tally.approved_cents, tally.waiting_cents, tally.cents)]
        counts = [tally.waiting + tally.returned, tally.no_rule]
        cells = [month.strftime("%Y-%m"), tally.visits, tally.people, format_hours(tally.minutes), *money, *counts]
        writer.writerow([escape_formula(names.get(school, "")), *cells])
    return out.getvalue().encode("utf-8")
