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
class QuietDaysForm:
    """The form as typed."""

    school: str = ""
    first: str = ""
    last: str = ""
    name: str = ""


def _today() -> date:
    return local_time.to_local(now(), settings().timezone).date()


@bp.get("/quiet-days")
@allow(Permission.DELIVERY)
def show_quiet_days() -> str:
    """Show the days without automatic messages."""
    return _render_page(QuietDaysForm(), [])


@bp.post("/quiet-days")
@allow(Permission.DELIVERY)
def add_quiet_days() -> ResponseReturnValue:
    """Add a quiet day or a range of quiet days."""
    form = QuietDaysForm(**{name: request.form.get(name, "").strip() for name in QuietDaysForm.__dataclass_fields__})
    days, problems = _parse_form(form)
    if days is None:
        return _render_page(form, problems), 422
    try:
        with transaction() as session:
            number = quiet_days.add_quiet_days(session, current_actor(), days, _today(), now())
    except RulesBroken as broken:
        return _render_page(form, list(broken.problems)), 422
    notice = ngettext("One more quiet day.", "%(num)d more quiet days.", number)
    show_notice(notice if number else _("These days are already quiet days."))
    return redirect(url_for("quiet.show_quiet_days"), code=303)


def _parse_form(form: QuietDaysForm) -> tuple[quiet_days.QuietPeriod | None, list[Problem]]:
    """Parse and validate the form. Without a last day, the range is a single day."""
    problems, ends = [], []
    is_id = form.school.isascii() and form.school.isdigit() and len(form.school) < 18
    if not is_id and form.school != DISTRICT:
        problems.append(Problem("not_a_choice", "school"))
    for name, typed in (("first", form.first), ("last", form.last or form.first)):
        try:
            ends.append(date.fromisoformat(typed))
        except ValueError:
            if name == "first" or form.last:
                problems.append(Problem("not_a_day", name))
    if not form.name:
        problems.append(Problem("missing", "name"))
    if problems:
        return None, problems
    return quiet_days.QuietPeriod(int(form.school) if is_id else None, ends[0], ends[1], form.name), []


@bp.post("/quiet-days/<int:quiet_id>/remove")
@allow(Permission.DELIVERY)
def remove_quiet_day(quiet_id: int) -> ResponseReturnValue:
    """Remove a quiet day."""
    with transaction() as session:
        gone = quiet_days.remove_quiet_day(session, current_actor(), quiet_id, _today())
    show_notice(_("Texts will go out on that day.") if gone else _("That day is over and cannot be changed."))
    return redirect(url_for("quiet.show_quiet_days"), code=303)


def _sending_hours() -> list[time]:
    """Return the hours in which messages are sent: from and until, then from and until on Sundays."""
    policy = settings().policy
    written = (policy.text_from, policy.text_until, policy.text_sunday_from, policy.text_sunday_until)
    return [time.fromisoformat(text) for text in written]


def _render_page(form: QuietDaysForm, problems: list[Problem]) -> str:
    permitted = current_actor().schools(Permission.DELIVERY)
    with reading() as session:
        days = quiet_days.list_quiet_days(session, current_actor(), _today())
        return render_template(
            "operations/quiet_days.html",
            typed=form,
            problems=problems,
            days=days,
            schools=counts.school_names(session, permitted),
            everywhere=permitted is None,
            district=DISTRICT,
            today=_today(),
            hours=_sending_hours(),
        )
