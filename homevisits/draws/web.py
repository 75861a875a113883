"""Pages for draws: run a draw, show its public record, verify it."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from homevisits.core.access import Permission
from homevisits.core.problems import Problem, RulesBroken
from homevisits.draws import actions, forms, queries
from homevisits.web.context import now, reading, show_notice, transaction
from homevisits.web.security import allow, current_actor

bp = Blueprint("draws", __name__)


@bp.get("/draws")
@allow(Permission.ASK)
def draws() -> str:
    """List the draws of the user's schools, including replaced draws."""
    with reading() as session:
        rows = queries.list_draws(session, current_actor())
    return render_template("draws/draws.html", draws=rows)


@bp.get("/draws/new")
@allow(Permission.ASK)
def new() -> str:
    """Show the form for a new draw."""
    return _render_form(forms.read_form(request.args, request.args.get("school", "")), [])


@bp.post("/draws/new")
@allow(Permission.ASK)
def make() -> ResponseReturnValue:
    """Run a draw."""
    form = forms.read_form(request.form, "")
    request_, problems = forms.parse_form(form)
    if request_ is None:
        return _render_form(form, problems), 422
    try:
        with transaction() as session:
            draw = actions.draw_families(session, current_actor(), request_, now())
    except RulesBroken as broken:
        return _render_form(form, list(broken.problems)), 422
    show_notice(_("The draw is done. Anyone can repeat it and get the same families."))
    return redirect(url_for("draws.record", draw_id=draw.id), code=303)


@bp.get("/draws/<int:draw_id>")
@allow(Permission.ASK)
def record(draw_id: int) -> str:
    """Show the public record of a draw."""
    with reading() as session:
        return render_template(
            "draws/record.html", record=queries.get_record(session, current_actor(), draw_id), check=None
        )


@bp.post("/draws/<int:draw_id>/check")
@allow(Permission.ASK)
def check(draw_id: int) -> str:
    """Verify a draw and show the comparison."""
    with reading() as session:
        record = queries.get_record(session, current_actor(), draw_id)
        return render_template("draws/record.html", record=record, check=actions.verify_draw(session, draw_id))


def _render_form(form: forms.DrawForm, problems: list[Problem]) -> str:
    with reading() as session:
        schools = queries.list_schools(session, current_actor())
        known = {str(number) for number, _name in schools}
        chosen = form.school if form.school in known else str(schools[0][0]) if schools else ""
        scopes = queries.list_scopes(session, current_actor(), int(chosen)) if chosen else []
        # The form asks for a reason only if there is a draw to replace, so the scope must be known first.
        scope, _colon, value = form.scope.partition(":")
        current_draw = queries.find_current_draw(session, int(chosen), scope, value) if chosen else None
    return render_template(
        "draws/new.html",
        typed=form,
        problems=problems,
        schools=schools,
        chosen=chosen,
        scopes=scopes,
        current_draw=current_draw,
    )
