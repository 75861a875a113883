"""Attendance page: figures of visited and of other students, without a statement about their difference."""

from datetime import date
from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from homevisits.attendance import queries
from homevisits.attendance.plot import build_plot
from homevisits.attendance.rules import MINIMUM_DAYS
from homevisits.core.access import Permission
from homevisits.demographics.rules import MIN_CELL_COUNT
from homevisits.web.context import reading, settings
from homevisits.web.security import allow

bp = Blueprint("attendance", __name__)


@bp.get("/attendance")
@allow(Permission.ATTENDANCE)
def show_attendance() -> ResponseReturnValue:
    """Show the newest snapshot: visited students beside all others."""
    with reading() as session:
        snapshot = queries.newest_snapshot(session)
    values: dict[str, Any] = {"smallest": MIN_CELL_COUNT, "minimum_days": MINIMUM_DAYS, "zone": settings().timezone}
    if snapshot is None:
        return render_template("attendance/association.html", state="none", **values)
    shown = snapshot.document
    for name in ("attendance", "chronic"):
        measured = shown.get(name)
        values[name] = measured
        if measured:
            values[f"{name}_plot"] = build_plot(measured)
    return render_template(
        "attendance/association.html",
        state=shown["state"],
        n=shown.get("n"),
        first=date.fromisoformat(shown["from"]),
        last=date.fromisoformat(shown["to"]),
        made_at=snapshot.made_at,
        **values,
    )
