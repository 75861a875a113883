"""Pages after a visit: report, agree, reflect. Refused forms are shown again with the entered values."""

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from homevisits.core import local_time
from homevisits.core.access import Permission
from homevisits.core.problems import Problem, RulesBroken
from homevisits.visits import actions, forms, states
from homevisits.visits.queries import detail
from homevisits.visits.queries.detail import VisitDetail
from homevisits.visits.web.blueprint import bp
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor


@bp.get("/visits/<int:visit_id>/met")
@allow(Permission.OWN_VISITS)
def report_form(visit_id: int) -> ResponseReturnValue:
    """Show the report form, with the partner's report to agree to if there is one."""
    page = _load_detail(visit_id)
    if states.check_transition("attest", page.card.state):
        return redirect(url_for("visits.visit_page", visit_id=visit_id), code=303)
    return _render_report_form(page, forms.ReportForm(place_type=page.card.place_type), [])


def _load_detail(visit_id: int) -> VisitDetail:
    with reading() as session:
        return detail.get_visit_detail(session, current_actor(), visit_id, settings().policy, now())


def _render_report_form(page: VisitDetail, form: forms.ReportForm, problems: list[Problem]) -> str:
    me = current_actor().educator_id or 0
    return render_template(
        "visits/met.html",
        page=page,
        card=page.card,
        form=form,
        other=page.card.other_member(me),
        theirs=page.report_by(page.card.other_member(me).id),
        mine=page.report_by(me),
        place_types=settings().policy.place_types,
        who=forms.PRESENT_ROLES,
        problems=problems,
        now=now(),
    )


@bp.post("/visits/<int:visit_id>/met")
@allow(Permission.OWN_VISITS)
def submit_report(visit_id: int) -> ResponseReturnValue:
    """Submit a report on a visit."""
    page = _load_detail(visit_id)
    form = forms.read_report_form(request.form, request.form.getlist("who"))
    card = page.card
    day = local_time.to_local(card.starts_at, card.timezone).date()
    report, problems = forms.to_report(form, day, card.timezone, (card.starts_at, card.ends_at), now())
    if report is None:
        return _render_report_form(page, form, problems), 422
    try:
        with transaction() as session:
            actions.attest(session, current_actor(), visit_id, report, policy=settings().policy, now=now())
    except RulesBroken as broken:
        return _render_report_form(page, form, list(broken.problems)), 422
    return _redirect_after_report(visit_id)


@bp.post("/visits/<int:visit_id>/agree")
@allow(Permission.OWN_VISITS)
def agree(visit_id: int) -> ResponseReturnValue:
    """Agree with the partner's report."""
    typed = request.form.get("account", "")
    try:
        with transaction() as session:
            attestation_id = int(typed[:18]) if typed.isdecimal() else 0
            actions.agree(session, current_actor(), visit_id, attestation_id, policy=settings().policy, now=now())
    except RulesBroken as broken:
        page = _load_detail(visit_id)
        return _render_report_form(page, forms.ReportForm(place_type=page.card.place_type), list(broken.problems)), 422
    return _redirect_after_report(visit_id)


def _redirect_after_report(visit_id: int) -> ResponseReturnValue:
    """Redirect to the reflection once both reports agree, otherwise to the visit."""
    page = _load_detail(visit_id)
    if page.card.state == "completed":
        show_notice(_("You both confirmed the visit. Your pay is recorded automatically."))
        return redirect(url_for("visits.reflection_form", visit_id=visit_id), code=303)
    show_notice(_("Saved. Your partner can confirm it with one tap."))
    return redirect(url_for("visits.visit_page", visit_id=visit_id), code=303)


@bp.get("/visits/<int:visit_id>/reflect")
@allow(Permission.OWN_VISITS)
def reflection_form(visit_id: int) -> ResponseReturnValue:
    """Show the reflection form of a completed visit."""
    page = _load_detail(visit_id)
    if page.card.state != "completed":
        return redirect(url_for("visits.visit_page", visit_id=visit_id), code=303)
    written = page.reflection
    form = (
        forms.ReflectionForm(written.learned, written.strengths, written.will_do) if written else forms.ReflectionForm()
    )
    return _render_reflection_form(page, form, [])


def _render_reflection_form(page: VisitDetail, form: forms.ReflectionForm, problems: list[Problem]) -> str:
    return render_template("visits/reflect.html", page=page, card=page.card, form=form, problems=problems)


@bp.post("/visits/<int:visit_id>/reflect")
@allow(Permission.OWN_VISITS)
def reflect(visit_id: int) -> ResponseReturnValue:
    """Save the reflection."""
    form = forms.read_reflection_form(request.form)
    try:
        with transaction() as session:
            actions.reflect(
                session,
                current_actor(),
                visit_id,
                learned=form.learned,
                strengths=form.strengths,
                will_do=form.will_do,
                now=now(),
            )
    except RulesBroken as broken:
        return _render_reflection_form(_load_detail(visit_id), form, list(broken.problems)), 422
    show_notice(_("Thank you. Your reflection is saved."))
    return redirect(url_for("visits.my_day"), code=303)
