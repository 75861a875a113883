"""Pages: find a time, check a booking, book."""

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from homevisits.core.access import Permission
from homevisits.core.problems import Problem, RulesBroken
from homevisits.visits import actions, forms
from homevisits.visits.web.blueprint import bp
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor


@bp.get("/families/<int:family_id>/time")
@allow(Permission.OWN_VISITS)
def find_a_time(family_id: int) -> str:
    """Partner and time together, best first, each with its reason; why a day is closed."""
    return _times(family_id, [])


def _times(family_id: int, problems: list[Problem]) -> str:
    chosen = request.args.get("partner", "")
    partner = int(chosen[:18]) if chosen.isdecimal() else None
    after = forms.day(request.args.get("after", ""))
    with reading() as session:
        offer = actions.look(
            session, current_actor(), family_id, settings().policy, now(), partner_id=partner, after=after
        )
    return render_template("visits/time.html", offer=offer, chosen=partner, problems=problems)


@bp.get("/families/<int:family_id>/book")
@allow(Permission.OWN_VISITS)
def check_booking(family_id: int) -> ResponseReturnValue:
    """Is this right? The answers, changeable, before anything happens."""
    return _check(family_id, forms.booking(request.args), [])


@bp.post("/families/<int:family_id>/book")
@allow(Permission.OWN_VISITS)
def book(family_id: int) -> ResponseReturnValue:
    """Book: the partner is asked at once."""
    given = forms.booking(request.form)
    wanted, problems = forms.wanted(given, family_id)
    if wanted is None:
        return _times(family_id, problems), 422
    try:
        with transaction() as session:
            visit_id = actions.book(session, current_actor(), wanted, settings().policy, now()).id
    except RulesBroken as broken:
        return _check(family_id, given, list(broken.problems)), 422
    show_notice(_("Booked. We are asking your partner now."))
    return redirect(url_for("visits.visit_page", visit_id=visit_id), code=303)


def _check(family_id: int, given: forms.Booking, problems: list[Problem]) -> str:
    wanted, unread = forms.wanted(given, family_id)
    if wanted is None:
        return _times(family_id, unread)
    policy = settings().policy
    with reading() as session:
        offer = actions.look(session, current_actor(), family_id, policy, now(), partner_id=wanted.partner_id)
        partner = next((each for each in offer.partners if each.educator_id == wanted.partner_id), None)
        if partner is None:
            return _times(family_id, problems or [Problem("never_alone", "partner")])
        against = problems or actions.check(
            session, current_actor(), family_id, wanted.partner_id, wanted.starts_at, policy, now()
        )
    return render_template(
        "visits/book.html",
        offer=offer,
        partner=partner,
        wanted=wanted,
        given=given,
        place_types=policy.place_types,
        problems=against,
    )
