from datetime import date, timedelta
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, session, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from homevisits.core import local_time
from homevisits.core.access import Permission, Role
from homevisits.core.problems import NotFound, PermissionDenied, Problem, RulesBroken, refuse_if_any
from homevisits.pay import actions, export_payroll, forms, labels, queries, rules
from homevisits.web import formats
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor

bp = Blueprint("pay", __name__)
MAX_UNDO_LINES = 40  # the undo link is stored in the session cookie, which is limited to 4 KB


@bp.app_context_processor
def _add_labels() -> dict[str, object]:
    return {"pay_labels": labels}


@bp.record_once
def _register_badge(state: BlueprintSetupState) -> None:
    names: dict[str, Any] = state.app.jinja_env.globals
    names["waiting_at"]["/approvals"] = _count_waiting_lines


def _count_waiting_lines() -> int:
    """Count the claims that the user can approve, for the badge in the navigation."""
    with reading() as db:
        return queries.count_waiting_lines(db, current_actor(), _current_step())


def _today() -> date:
    """Return the current date in the district's time zone."""
    return local_time.to_local(now(), settings().timezone).date()


def school_year(day: date) -> tuple[date, date]:
    """Return the first and last day of the school year that contains `day` (August to July)."""
    first = date(day.year if day.month >= 8 else day.year - 1, 8, 1)
    return first, date(first.year + 1, 7, 31)


@bp.get("/pay")
@allow(Permission.OWN_PAY)
def my_pay() -> str:
    """Show the user's own pay lines of a school year."""
    typed = request.args.get("year", "")
    year = (
        int(typed)
        if typed.isdecimal() and len(typed) == 4 and 2000 <= int(typed) <= 2200
        else school_year(_today())[0].year
    )
    with reading() as db:
        lines = queries.find_own_lines(db, current_actor(), date(year, 8, 1), date(year + 1, 7, 31))
    lines = _without_corrected_lines(lines)
    sums = {"earned": 0, "pending": 0, "paid": 0}
    for line in lines:
        name = {"earned": "earned", "returned": "earned", "exported": "paid"}.get(line.state, "pending")
        sums[name] += line.cents or 0
    return render_template("pay/mine.html", lines=lines, sums=sums, year=year, this_year=school_year(_today())[0].year)


def _without_corrected_lines(lines: list[queries.Line]) -> list[queries.Line]:
    """Leave out the unpaid lines of visits that a correction pays."""
    corrected = {line.visit_id for line in lines if line.pay_type == rules.PayType.CORRECTION}
    return [
        line
        for line in lines
        if not (line.cents is None and line.pay_type == rules.PayType.VISIT and line.visit_id in corrected)
    ]


def _current_step() -> str:
    """Return the approval step of this request: as requested, by the active role, or the only permitted step."""
    permitted = [step for step, permission in queries.STEP_PERMISSIONS.items() if current_actor().may(permission)]
    by_role = "union" if session.get("active_role") == Role.UNION_COORDINATOR else "site"
    requested = request.values.get("step") or by_role
    if not permitted:
        raise PermissionDenied
    return requested if requested in permitted else permitted[0]


@bp.get("/approvals")
@allow(Permission.SITE_APPROVE, Permission.UNION_APPROVE)
def approvals() -> str:
    """Show the claims that the user can approve."""
    return _render_approvals(())


def _render_approvals(problems: tuple[Problem, ...], comment_on: int | None = None) -> str:
    step = _current_step()
    with reading() as db:
        values = {
            "waiting": queries.find_waiting_lines(db, current_actor(), step),
            "attention": queries.find_unpaid_lines(db, current_actor(), step),
            "decided": queries.find_returnable_lines(db, current_actor(), step),
        }
    both = all(current_actor().may(permission) for permission in queries.STEP_PERMISSIONS.values())
    return render_template(
        "pay/approvals.html",
        step=step,
        both=both,
        problems=problems,
        comment_on=comment_on,
        each=queries.LINES_PER_PAGE,
        **values,
    )


@bp.post("/approvals")
@allow(Permission.SITE_APPROVE, Permission.UNION_APPROVE)
def approve() -> ResponseReturnValue:
    """Approve the selected claims."""
    line_ids = forms.parse_line_ids(request.form)
    try:
        with transaction() as db:
            cents = actions.approve(db, current_actor(), _current_step(), line_ids, now())
    except RulesBroken as broken:
        return _render_approvals(broken.problems), 422
    amount = formats.money(cents)
    undo = (
        url_for("pay.undo_approval", step=_current_step(), line=line_ids) if len(line_ids) <= MAX_UNDO_LINES else None
    )
    show_notice(
        ngettext("One claim approved: %(a)s.", "%(num)d claims approved: %(a)s.", len(line_ids), a=amount), undo
    )
    return redirect(url_for("pay.approvals", step=_current_step()), code=303)


@bp.post("/approvals/take-back")
@allow(Permission.SITE_APPROVE, Permission.UNION_APPROVE)
def undo_approval() -> ResponseReturnValue:
    """Undo an approval by returning the claims."""
    try:
        with transaction() as db:
            for line_id in forms.parse_line_ids(request.args):
                actions.return_line(db, current_actor(), _current_step(), line_id, comment=_("Undone."), now=now())
    except RulesBroken as broken:
        return _render_approvals(broken.problems), 422
    show_notice(_("Undone. The claims are back with the school."))
    return redirect(url_for("pay.approvals", step=_current_step()), code=303)


@bp.post("/approvals/<int:line_id>/return")
@allow(Permission.SITE_APPROVE, Permission.UNION_APPROVE)
def send_back(line_id: int) -> ResponseReturnValue:
    """Return a claim with a comment."""
    comment = request.form.get("comment", "")
    try:
        with transaction() as db:
            actions.return_line(db, current_actor(), _current_step(), line_id, comment=comment, now=now())
    except RulesBroken as broken:
        return _render_approvals(broken.problems, comment_on=line_id), 422
    show_notice(_("Returned to the school’s coordinator with your comment."))
    return redirect(url_for("pay.approvals", step=_current_step()), code=303)


def _require_district_wide_role() -> None:
    # The contract and the payroll cover all schools, so a role at a single school does not suffice.
    if current_actor().schools(Permission.PAYROLL) is not None:
        raise NotFound


@bp.get("/contract")
@allow(Permission.PAYROLL)
def contract() -> str:
    """Show the pay rules of the contract."""
    everywhere = current_actor().schools(Permission.PAYROLL) is None
    with reading() as db:
        known_rules = queries.list_rules(db)
    in_force = [rules.in_force(known_rules, pay_type, _today()) for pay_type in rules.RULE_TYPES]
    return render_template(
        "pay/contract.html",
        rules=known_rules,
        in_force_ids={rule.id for rule in in_force if rule is not None},
        pay_types=rules.RULE_TYPES,
        today=_today(),
        everywhere=everywhere,
    )


@bp.get("/contract/new")
@allow(Permission.PAYROLL)
def new_rule() -> str:
    """Show the form of a new rule."""
    _require_district_wide_role()
    tomorrow = (_today() + timedelta(days=1)).isoformat()
    return _render_new_rule({"effective_from": tomorrow, "unit": "flat_visit", "pay_type": "visit"})


def _render_new_rule(typed: dict[str, str], problems: tuple[Problem, ...] = ()) -> str:
    return render_template(
        "pay/new_rule.html",
        typed=typed,
        problems=problems,
        roundings=rules.ROUNDING_MINUTES,
        pay_types=rules.RULE_TYPES,
    )


@bp.post("/contract/new")
@allow(Permission.PAYROLL)
def add_rule() -> ResponseReturnValue:
    """Validate the new rule, show it for confirmation, and add it once confirmed."""
    _require_district_wide_role()
    typed, new = request.form.to_dict(), forms.parse_new_rule(request.form)
    try:
        if typed.get("confirmed") == "yes":
            with transaction() as db:
                actions.add_rule(db, current_actor(), new, _today(), now())
            show_notice(_("The rule was added to the contract."))
            return redirect(url_for("pay.contract"), code=303)
        if typed.get("confirmed") == "change":
            return _render_new_rule(typed)
        with reading() as db:
            known_rules = queries.list_rules(db)
        refuse_if_any(rules.find_rule_problems(new, known_rules, _today()))
        rule = rules.preview_rule(new)
        before = rules.in_force(known_rules, rule.pay_type, rule.effective_from)
        return render_template("pay/check_rule.html", before=before, rule=rule, typed=typed, pay_types=rules.RULE_TYPES)
    except RulesBroken as broken:
        return _render_new_rule(typed, broken.problems), 422


@bp.get("/payroll")
@allow(Permission.PAYROLL)
def payroll() -> str:
    """Show the lines that are ready for payroll and the existing payroll files."""
    _require_district_wide_role()
    return _render_payroll({}, ())


def _render_payroll(typed: dict[str, str], problems: tuple[Problem, ...]) -> str:
    with reading() as db:
        ready = queries.find_approved_lines(db, None, _today())
        exports = queries.list_exports(db)
    if not typed:
        last = _today() if not ready else max(line.earned_on for line in ready)
        typed = {
            "first": min((line.earned_on for line in ready), default=last.replace(day=1)).isoformat(),
            "last": last.isoformat(),
        }
    missing = sorted({line.person for line in ready if not line.employee})
    return render_template(
        "pay/payroll.html", ready=ready, made=exports, typed=typed, problems=problems, missing=missing
    )


@bp.post("/payroll")
@allow(Permission.PAYROLL)
def make_payroll() -> ResponseReturnValue:
    """Create the payroll file of a period."""
    _require_district_wide_role()
    try:
        first, last = _parse_period()
        with transaction() as db:
            export_id = export_payroll.export_payroll(db, current_actor(), first, last, now()).id
    except RulesBroken as broken:
        return _render_payroll(request.form.to_dict(), broken.problems), 422
    show_notice(_("The payroll file is ready. Its lines are now locked."))
    return redirect(url_for("pay.payroll") + f"#file-{export_id}", code=303)


def _parse_period() -> tuple[date, date]:
    first, last = forms.parse_day(request.form.get("first")), forms.parse_day(request.form.get("last"))
    refuse_if_any([Problem("not_a_day", name) for name, day in (("first", first), ("last", last)) if day is None])
    assert first is not None
    assert last is not None
    return first, last


@bp.get("/payroll/<int:export_id>.csv")
@allow(Permission.PAYROLL)
def payroll_file(export_id: int) -> Response:
    """Download a payroll file."""
    _require_district_wide_role()
    if export_id >= 2**63:
        raise NotFound
    with reading() as db:
        name, content = queries.read_export(db, export_id)
    disposition = f'attachment; filename="{name}"'
    return Response(content, mimetype="text/csv", headers={"Content-Disposition": disposition})
