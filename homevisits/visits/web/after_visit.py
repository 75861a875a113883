"""After the visit: we met, agree, reflect. Under a minute; nothing typed is lost."""

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from homevisits.core import local_time
from homevisits.core.access import Permission
from homevisits.core.problems import Problem, RulesBroken
from homevisits.visits import actions, forms, states
from homevisits.visits.queries import detail
from homevisits.visits.queries.detail import VisitPage
from homevisits.visits.web.blueprint import bp
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor


@bp.get("/visits/<int:visit_id>/met")
@allow(Permission.OWN_VISITS)
def how_it_went(visit_id: int) -> ResponseReturnValue:
    """We met: three taps. When the partner has spoken already, one tap agrees."""
    page = _page(visit_id)
    if states.may("attest", page.card.state):
        return redirect(url_for("visits.visit_page", visit_id=visit_id), code=303)
    return _met(page, forms.Telling(place_type=page.card.place_type), [])


def _page(visit_id: int) -> VisitPage:
    with reading() as session:
        return detail.visit_page(session, current_actor(), visit_id, settings().policy, now())


def _met(page: VisitPage, given: forms.Telling, problems: list[Problem]) -> str:
    me = current_actor().educator_id or 0
    return render_template(
        "visits/met.html",
        page=page,
        card=page.card,
        given=given,
        other=page.card.other(me),
        theirs=page.account_of(page.card.other(me).id),
        mine=page.account_of(me),
        place_types=settings().policy.place_types,
        who=forms.WHO,
        problems=problems,
        now=now(),
    )


@bp.post("/visits/<int:visit_id>/met")
@allow(Permission.OWN_VISITS)
def we_met(visit_id: int) -> ResponseReturnValue:
    """Say what happened."""
    page = _page(visit_id)
    given = forms.telling(request.form, request.form.getlist("who"))
    card = page.card
    on = local_time.to_local(card.starts_at, card.timezone).date()
    said, problems = forms.said(given, on, card.timezone, (card.starts_at, card.ends_at), now())
    if said is None:
        return _met(page, given, problems), 422
    try:
        with transaction() as session:
            actions.attest(session, current_actor(), visit_id, said, settings().policy, now())
    except RulesBroken as broken:
        return _met(page, given, list(broken.problems)), 422
    return _after(visit_id)


@bp.post("/visits/<int:visit_id>/agree")
@allow(Permission.OWN_VISITS)
def agree(visit_id: int) -> ResponseReturnValue:
    """It was as my partner said."""
    typed = request.form.get("account", "")
    try:
        with transaction() as session:
            account = int(typed[:18]) if typed.isdecimal() else 0
            actions.agree(session, current_actor(), visit_id, account, settings().policy, now())
    except RulesBroken as broken:
        page = _page(visit_id)
        return _met(page, forms.Telling(place_type=page.card.place_type), list(broken.problems)), 422
    return _after(visit_id)


def _after(visit_id: int) -> ResponseReturnValue:
    """Where to go next: once both agree there is room to reflect."""
    page = _page(visit_id)
    if page.card.state == "completed":
        show_notice(_("You both confirmed the visit. Your pay is recorded automatically."))
        return redirect(url_for("visits.room_to_reflect", visit_id=visit_id), code=303)
    show_notice(_("Saved. Your partner can confirm it with one tap."))
    return redirect(url_for("visits.visit_page", visit_id=visit_id), code=303)


@bp.get("/visits/<int:visit_id>/reflect")
@allow(Permission.OWN_VISITS)
def room_to_reflect(visit_id: int) -> ResponseReturnValue:
    """What did I learn, and what will I do? Only of a visit that was held."""
    page = _page(visit_id)
    if page.card.state != "completed":
        return redirect(url_for("visits.visit_page", visit_id=visit_id), code=303)
    written = page.reflection
    given = forms.Reflecting(written.learned, written.strengths, written.will_do) if written else forms.Reflecting()
    return _reflect(page, given, [])


def _reflect(page: VisitPage, given: forms.Reflecting, problems: list[Problem]) -> str:
    return render_template("visits/reflect.html", page=page, card=page.card, given=given, problems=problems)


@bp.post("/visits/<int:visit_id>/reflect")
@allow(Permission.OWN_VISITS)
def reflect(visit_id: int) -> ResponseReturnValue:
    """Keep the reflection."""
    given = forms.reflecting(request.form)
    try:
        with transaction() as session:
            actions.reflect(session, current_actor(), visit_id, given.learned, given.strengths, given.will_do, now())
    except RulesBroken as broken:
        return _reflect(_page(visit_id), given, list(broken.problems)), 422
    show_notice(_("Thank you. Your reflection is saved."))
    return redirect(url_for("visits.my_day"), code=303)
