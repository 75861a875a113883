"""Web of quiet days: days without automatic texts, of a school or of the district."""

from dataclasses import dataclass
from datetime import date, time

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from homevisits.core import local_time
from homevisits.core.access import Permission
from homevisits.core.problems import Problem, RulesBroken
from homevisits.messages.recipients import quiet_days
from homevisits.reports import counts
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor

bp = Blueprint("quiet", __name__)
DISTRICT = "district"


@dataclass(frozen=True)
class Typed:
    """The form as it was typed."""

    school: str = ""
    first: str = ""
    last: str = ""
    name: str = ""


def _today() -> date:
    return local_time.to_local(now(), settings().timezone).date()


@bp.get("/quiet-days")
@allow(Permission.DELIVERY)
def page() -> str:
    """On which days do no automatic texts leave?"""
    return _page(Typed(), [])


@bp.post("/quiet-days")
@allow(Permission.DELIVERY)
def add() -> ResponseReturnValue:
    """Make a day or a stretch of days quiet."""
    given = Typed(**{name: request.form.get(name, "").strip() for name in Typed.__dataclass_fields__})
    wanted, problems = _read(given)
    if wanted is None:
        return _page(given, problems), 422
    try:
        with transaction() as session:
            number = quiet_days.add(session, current_actor(), wanted, _today(), now())
    except RulesBroken as broken:
        return _page(given, list(broken.problems)), 422
    said = ngettext("One more quiet day.", "%(num)d more quiet days.", number)
    show_notice(said if number else _("These days are already quiet days."))
    return redirect(url_for("quiet.page"), code=303)


def _read(given: Typed) -> tuple[quiet_days.Stretch | None, list[Problem]]:
    """The stretch that was meant; without a last day it is one day."""
    problems, days = [], []
    is_id = given.school.isascii() and given.school.isdigit() and len(given.school) < 18
    if not is_id and given.school != DISTRICT:
        problems.append(Problem("not_a_choice", "school"))
    for name, typed in (("first", given.first), ("last", given.last or given.first)):
        try:
            days.append(date.fromisoformat(typed))
        except ValueError:
            if name == "first" or given.last:
                problems.append(Problem("not_a_day", name))
    if not given.name:
        problems.append(Problem("missing", "name"))
    if problems:
        return None, problems
    return quiet_days.Stretch(int(given.school) if is_id else None, days[0], days[1], given.name), []


@bp.post("/quiet-days/<int:quiet_id>/remove")
@allow(Permission.DELIVERY)
def remove(quiet_id: int) -> ResponseReturnValue:
    """Take a quiet day back."""
    with transaction() as session:
        gone = quiet_days.remove(session, current_actor(), quiet_id, _today())
    show_notice(_("Texts will go out on that day.") if gone else _("That day is over and cannot be changed."))
    return redirect(url_for("quiet.page"), code=303)


def _hours() -> list[time]:
    """The hours in which texts leave: from and until, then on Sundays."""
    policy = settings().policy
    written = (policy.text_from, policy.text_until, policy.text_sunday_from, policy.text_sunday_until)
    return [time.fromisoformat(each) for each in written]


def _page(given: Typed, problems: list[Problem]) -> str:
    held = current_actor().schools(Permission.DELIVERY)
    with reading() as session:
        days = quiet_days.ahead(session, current_actor(), _today())
        return render_template(
            "messages/quiet.html",
            typed=given,
            problems=problems,
            days=days,
            schools=counts.names(session, held),
            everywhere=held is None,
            district=DISTRICT,
            today=_today(),
            hours=_hours(),
        )
