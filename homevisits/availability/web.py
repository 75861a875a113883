"""Page for an educator's weekly hours."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from homevisits.availability import actions, forms, queries, rules
from homevisits.core.access import Permission
from homevisits.core.problems import PermissionDenied, Problem, RulesBroken
from homevisits.web.context import reading, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor

bp = Blueprint("availability", __name__)


@bp.get("/hours")
@allow(Permission.OWN_VISITS)
def my_hours() -> str:
    """Show the weekly hours."""
    educator = current_actor().educator_id
    if educator is None:
        raise PermissionDenied
    with reading() as session:
        return _render_form(forms.fill_form(queries.list_weekly_hours(session, educator)), [])


def _render_form(week: forms.WeekForm, problems: list[Problem]) -> str:
    return render_template("availability/hours.html", week=week, problems=problems, names=rules.field_names)


@bp.post("/hours")
@allow(Permission.OWN_VISITS)
def set_hours() -> ResponseReturnValue:
    """Save the weekly hours."""
    week = forms.read_form(request.form)
    hours, problems = forms.parse_form(week)
    if problems:
        return _render_form(week, problems), 422
    try:
        with transaction() as session:
            actions.set_hours(session, current_actor(), hours, settings().policy)
    except RulesBroken as broken:
        return _render_form(week, list(broken.problems)), 422
    show_notice(_("Your week is saved. Booked visits do not change."))
    return redirect(url_for("availability.my_hours"), code=303)
