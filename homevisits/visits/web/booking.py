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
def find_time(family_id: int) -> str:
    """List times with partners, best first, and the days without any."""
    return _render_times(family_id, [])


def _render_times(family_id: int, problems: list[Problem]) -> str:
    chosen = request.args.get("partner", "")
    partner = int(chosen[:18]) if chosen.isdecimal() else None
    after = forms.parse_day(request.args.get("after", ""))
    with reading() as session:
        offer = actions.find_times(
            session, current_actor(), family_id, settings().policy, now(), partner_id=partner, after=after
        )
    return render_template("visits/find_times.html", offer=offer, chosen=partner, problems=problems)


@bp.get("/families/<int:family_id>/book")
@allow(Permission.OWN_VISITS)
def check_booking(family_id: int) -> ResponseReturnValue:
    """Show the booking before it is made."""
    return _render_check(family_id, forms.read_booking_form(request.args), [])


@bp.post("/families/<int:family_id>/book")
@allow(Permission.OWN_VISITS)
def book(family_id: int) -> ResponseReturnValue:
    """Book the visit; the partner is asked at once."""
    form = forms.read_booking_form(request.form)
    booking, problems = forms.to_booking_request(form, family_id)
    if booking is None:
        return _render_times(family_id, problems), 422
    try:
        with transaction() as session:
            visit_id = actions.book(session, current_actor(), booking, settings().policy, now()).id
    except RulesBroken as broken:
        return _render_check(family_id, form, list(broken.problems)), 422
    show_notice(_("Booked. We are asking your partner now."))
    return redirect(url_for("visits.visit_page", visit_id=visit_id), code=303)


def _render_check(family_id: int, form: forms.BookingForm, problems: list[Problem]) -> str:
    booking, form_problems = forms.to_booking_request(form, family_id)
    if booking is None:
        return _render_times(family_id, form_problems)
    policy = settings().policy
    with reading() as session:
        offer = actions.find_times(session, current_actor(), family_id, policy, now(), partner_id=booking.partner_id)
        partner = next((match for match in offer.partners if match.educator_id == booking.partner_id), None)
        if partner is None:
            return _render_times(family_id, problems or [Problem("never_alone", "partner")])
        booking_problems = problems or actions.check_booking(session, current_actor(), booking, policy, now())
    return render_template(
        "visits/book.html",
        offer=offer,
        partner=partner,
        booking=booking,
        form=form,
        place_types=policy.place_types,
        problems=booking_problems,
    )
