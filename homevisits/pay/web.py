"""My pay, approvals, the contract, payroll files."""

from datetime import date, timedelta
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, session, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from homevisits.core import local_time
from homevisits.core.access import Permission, Role
from homevisits.core.problems import NotFound, Problem, Refused, RulesBroken, refuse_if_any
from homevisits.pay import actions, export_payroll, forms, labels, queries, rules
from homevisits.web import formats
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor

bp = Blueprint("pay", __name__)
UNDO_AT_MOST = 40


@bp.app_context_processor
def _words() -> dict[str, object]:
    return {"pay_words": labels}


@bp.record_once
def _counts(state: BlueprintSetupState) -> None:
    names: dict[str, Any] = state.app.jinja_env.globals
    names["waiting_at"]["/approvals"] = _waiting_count


def _waiting_count() -> int:
    """How many claims wait for this person: the number beside the place in the navigation."""
    with reading() as db:
        return queries.waiting_count(db, current_actor(), _step())


def today() -> date:
    """The day it is in the district."""
    return local_time.local(now(), settings().timezone).date()


def school_year(day: date) -> tuple[date, date]:
    """The school year that `day` lies in: August to July."""
    first = date(day.year if day.month >= 8 else day.year - 1, 8, 1)
    return first, date(first.year + 1, 7, 31)


@bp.get("/pay")
@allow(Permission.OWN_PAY)
def mine() -> str:
    """What am I owed, and why."""
    typed = request.args.get("year", "")
    year = (
        int(typed)
        if typed.isdecimal() and len(typed) == 4 and 2000 <= int(typed) <= 2200
        else school_year(today())[0].year
    )
    with reading() as db:
        lines = queries.own_lines(db, current_actor(), date(year, 8, 1), date(year + 1, 7, 31))
    put_right = {line.visit_id for line in lines if line.pay_type == rules.PayType.CORRECTION}
    lines = [line for line in lines if line.cents is not None or line.visit_id not in put_right]
    sums = {"earned": 0, "pending": 0, "paid": 0}
    for line in lines:
        name = {"earned": "earned", "returned": "earned", "exported": "paid"}.get(line.state, "pending")
        sums[name] += line.cents or 0
    return render_template("pay/mine.html", lines=lines, sums=sums, year=year, this_year=school_year(today())[0].year)


def _step() -> str:
    """The step this person decides on: their only one, or the one asked for, or that of the role they work in."""
    may = [step for step, permission in queries.PERMISSION.items() if current_actor().may(permission)]
    asked = request.values.get("step") or ("union" if session.get("hat") == Role.UNION_COORDINATOR else "site")
    if not may:
        raise Refused
    return asked if asked in may else may[0]


@bp.get("/approvals")
@allow(Permission.SITE_APPROVE, Permission.UNION_APPROVE)
def approvals() -> str:
    """What waits for my approval."""
    return _approvals(())


def _approvals(problems: tuple[Problem, ...], comment_on: int | None = None) -> str:
    step = _step()
    with reading() as db:
        values = {
            "waiting": queries.waiting(db, current_actor(), step),
            "attention": queries.needing_attention(db, current_actor(), step),
            "decided": queries.decided(db, current_actor(), step),
        }
    both = all(current_actor().may(permission) for permission in queries.PERMISSION.values())
    return render_template(
        "pay/approvals.html",
        step=step,
        both=both,
        problems=problems,
        comment_on=comment_on,
        each=queries.EACH_PAGE,
        **values,
    )


@bp.post("/approvals")
@allow(Permission.SITE_APPROVE, Permission.UNION_APPROVE)
def approve() -> ResponseReturnValue:
    """Approve the claims that are ticked."""
    chosen = forms.chosen(request.form)
    try:
        with transaction() as db:
            cents = actions.approve(db, current_actor(), _step(), chosen, now())
    except RulesBroken as broken:
        return _approvals(broken.problems), 422
    amount = formats.money(cents)
    # The way back rides in the session's cookie, which has room for so many.
    undo = url_for("pay.take_back", step=_step(), line=chosen) if len(chosen) <= UNDO_AT_MOST else None
    show_notice(ngettext("One claim approved: %(a)s.", "%(num)d claims approved: %(a)s.", len(chosen), a=amount), undo)
    return redirect(url_for("pay.approvals", step=_step()), code=303)


@bp.post("/approvals/take-back")
@allow(Permission.SITE_APPROVE, Permission.UNION_APPROVE)
def take_back() -> ResponseReturnValue:
    """Undo an approval: the claims wait at the school again, and the record says so."""
    try:
        with transaction() as db:
            for line_id in forms.chosen(request.args):
                actions.send_back(db, current_actor(), _step(), line_id, _("Taken back."), now())
    except RulesBroken as broken:
        return _approvals(broken.problems), 422
    show_notice(_("Taken back. The claims wait at the school again."))
    return redirect(url_for("pay.approvals", step=_step()), code=303)


@bp.post("/approvals/<int:line_id>/return")
@allow(Permission.SITE_APPROVE, Permission.UNION_APPROVE)
def send_back(line_id: int) -> ResponseReturnValue:
    """Return a claim with what there is to check."""
    try:
        with transaction() as db:
            actions.send_back(db, current_actor(), _step(), line_id, request.form.get("comment", ""), now())
    except RulesBroken as broken:
        return _approvals(broken.problems, comment_on=line_id), 422
    show_notice(_("Returned. It waits at the school's coordinator with your comment."))
    return redirect(url_for("pay.approvals", step=_step()), code=303)


def _for_the_whole_district() -> None:
    # One contract and one payroll for all schools: a role at one school opens neither.
    if current_actor().schools(Permission.PAYROLL) is not None:
        raise NotFound


@bp.get("/contract")
@allow(Permission.PAYROLL)
def contract() -> str:
    """What the contract pays, and since when."""
    everywhere = current_actor().schools(Permission.PAYROLL) is None
    with reading() as db:
        known = queries.rules(db)
    return render_template(
        "pay/contract.html", rules=known, in_force=rules.in_force(known, today()), today=today(), everywhere=everywhere
    )


@bp.get("/contract/new")
@allow(Permission.PAYROLL)
def new_rule() -> str:
    """Write a new rule."""
    _for_the_whole_district()
    return _rule_page({"effective_from": (today() + timedelta(days=1)).isoformat(), "unit": "flat_visit"})


def _rule_page(typed: dict[str, str], problems: tuple[Problem, ...] = ()) -> str:
    return render_template("pay/new_rule.html", typed=typed, problems=problems, roundings=rules.ROUNDINGS)


@bp.post("/contract/new")
@allow(Permission.PAYROLL)
def add_rule() -> ResponseReturnValue:
    """Check the new rule; when it was read and confirmed, add it."""
    _for_the_whole_district()
    typed, new = request.form.to_dict(), forms.new_rule(request.form)
    try:
        if typed.get("confirmed") == "yes":
            with transaction() as db:
                actions.add_rule(db, current_actor(), new, today(), now())
            show_notice(_("The rule is in the contract."))
            return redirect(url_for("pay.contract"), code=303)
        if typed.get("confirmed") == "change":
            return _rule_page(typed)
        with reading() as db:
            known = queries.rules(db)
        refuse_if_any(rules.problems_of(new, known, today()))
        assert new.effective_from is not None
        shown = {"before": rules.in_force(known, new.effective_from), "rule": _preview(new), "typed": typed}
        return render_template("pay/check_rule.html", **shown)
    except RulesBroken as broken:
        return _rule_page(typed, broken.problems), 422


def _preview(new: rules.NewRule) -> rules.Rule:
    hourly = new.unit == rules.Unit.HOURLY
    assert new.effective_from is not None
    return rules.Rule(
        0,
        rules.Unit(new.unit),
        rules.rate_cents(new.rate) or 0,
        int(new.minimum_minutes) if hourly else 0,
        int(new.round_to_minutes) if hourly else 1,
        new.effective_from,
        None,
        new.pay_code,
        new.clause,
    )


@bp.get("/payroll")
@allow(Permission.PAYROLL)
def payroll() -> str:
    """Make a payroll file, and find those that were made."""
    _for_the_whole_district()
    return _payroll({}, ())


def _payroll(typed: dict[str, str], problems: tuple[Problem, ...]) -> str:
    with reading() as db:
        ready = queries.approved(db, None, today())
        made = queries.exports(db)
    if not typed:
        last = today() if not ready else max(line.earned_on for line in ready)
        typed = {
            "first": min((line.earned_on for line in ready), default=last.replace(day=1)).isoformat(),
            "last": last.isoformat(),
        }
    missing = sorted({line.person for line in ready if not line.employee})
    return render_template("pay/payroll.html", ready=ready, made=made, typed=typed, problems=problems, missing=missing)


@bp.post("/payroll")
@allow(Permission.PAYROLL)
def make_payroll() -> ResponseReturnValue:
    """Make the file of a period, or find the one that was made."""
    _for_the_whole_district()
    try:
        first, last = _period()
        with transaction() as db:
            export_id = export_payroll.export_payroll(db, current_actor(), first, last, now()).id
    except RulesBroken as broken:
        return _payroll(request.form.to_dict(), broken.problems), 422
    show_notice(_("The payroll file is ready. Its lines are locked now."))
    return redirect(url_for("pay.payroll") + f"#file-{export_id}", code=303)


def _period() -> tuple[date, date]:
    first, last = forms.day(request.form.get("first")), forms.day(request.form.get("last"))
    refuse_if_any([Problem("not_a_day", name) for name, day in (("first", first), ("last", last)) if day is None])
    assert first is not None
    assert last is not None
    return first, last


@bp.get("/payroll/<int:export_id>.csv")
@allow(Permission.PAYROLL)
def payroll_file(export_id: int) -> Response:
    """The bytes of a payroll file, as they were made."""
    _for_the_whole_district()
    if export_id >= 2**63:
        raise NotFound
    with reading() as db:
        name, content = queries.content(db, export_id)
    disposition = f'attachment; filename="{name}"'
    return Response(content, mimetype="text/csv", headers={"Content-Disposition": disposition})
