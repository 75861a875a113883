from datetime import date, timedelta

from flask import Blueprint, Response, render_template, request

from homevisits.core import local_time
from homevisits.core.access import Permission
from homevisits.reports import counts, table
from homevisits.web.context import now, reading, settings
from homevisits.web.security import allow, current_actor

bp = Blueprint("reports", __name__)


def _today() -> date:
    return local_time.to_local(now(), settings().timezone).date()


def _school_year(day: date) -> int:
    return day.year if day.month >= 8 else day.year - 1


def _requested_year() -> tuple[date, date]:
    """Return the school year of ?year= (2026 starts in August 2026), by default the current year."""
    typed = request.args.get("year", "")
    year = (
        int(typed) if typed.isdecimal() and len(typed) == 4 and 2000 <= int(typed) <= 2200 else _school_year(_today())
    )
    return date(year, 8, 1), date(year + 1, 7, 31)


def _requested_month(first: date, last: date) -> date | None:
    """Return the month of ?month=2026-10 if it is in the school year."""
    try:
        month = date.fromisoformat(request.args.get("month", "") + "-01")
    except ValueError:
        return None
    return month if first <= month <= last else None


def _requested_days() -> tuple[date, date, date | None]:
    first, last = _requested_year()
    month = _requested_month(first, last)
    if month is not None:
        return month, (month + timedelta(days=32)).replace(day=1) - timedelta(days=1), month
    return first, last, None


@bp.get("/tally")
@allow(Permission.TALLY)
def tally() -> str:
    """Show visits and pay by school and month."""
    year_first, year_last = _requested_year()
    schools = current_actor().schools(Permission.TALLY)
    first, last, month = _requested_days()
    with reading() as db:
        of_year = counts.count_visits_and_pay(db, schools, year_first, year_last)
        counted = of_year if month is None else counts.count_visits_and_pay(db, schools, first, last)
        names = counts.school_names(db, schools)
        district = counts.district_name(db)
    months = [
        shown
        for shown in counts.months_between(year_first, min(year_last, _today()))
        if shown in of_year.months or shown == month
    ]
    return render_template(
        "reports/tally.html",
        found=counted,
        of_year=of_year,
        names=names,
        months=months,
        month=month,
        year=year_first.year,
        this_year=_school_year(_today()),
        district=district,
        everywhere=schools is None,
    )


@bp.get("/tally.csv")
@allow(Permission.TALLY)
def download_tally() -> Response:
    """Download the tally as CSV, by school and month."""
    first, last, _month_asked = _requested_days()
    schools = current_actor().schools(Permission.TALLY)
    with reading() as db:
        content = table.render_csv(
            counts.count_visits_and_pay(db, schools, first, last), counts.school_names(db, schools)
        )
    disposition = f'attachment; filename="tally-{first}-{last}.csv"'
    return Response(content, mimetype="text/csv", headers={"Content-Disposition": disposition})


@bp.get("/overview")
@allow(Permission.OVERVIEW)
def overview() -> str:
    """Show the progress of the program and what needs attention."""
    first, last = _requested_year()
    schools = current_actor().schools(Permission.OVERVIEW)
    with reading() as db:
        reached = counts.measure_reach(db, schools, first, last, _today())
        counted = counts.count_visits_and_pay(db, schools, first, last)
        names = counts.school_names(db, schools)
        district = counts.district_name(db)
    return render_template(
        "reports/overview.html",
        reached=reached,
        found=counted,
        names=names,
        year=first.year,
        district=district,
        everywhere=schools is None,
    )
