from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from homevisits.core.access import Permission
from homevisits.core.problems import Problem, RulesBroken
from homevisits.messages import labels
from homevisits.messages.recipients import trial_allowlist
from homevisits.messages.senders import registration
from homevisits.operations.delivery import reachability
from homevisits.people import phones
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor

bp = Blueprint("senders", __name__)


def _can_edit() -> bool:
    return current_actor().schools(Permission.SENDERS) is None


@bp.get("/senders")
@allow(Permission.SENDERS)
def show_senders() -> str:
    """Show the senders, and what is missing before they can send."""
    with reading() as session:
        senders = registration.list_senders(session)
        return render_template(
            "operations/senders.html",
            senders=senders,
            missing={row.id: registration.missing_steps(row) for row in senders},
            reasons=labels,
            may_change=_can_edit(),
            webhook=f"{settings().public_url.rstrip('/')}/twilio/inbound",
            now=now(),
        )


@bp.get("/senders/<int:sender_id>")
@allow(Permission.SENDERS)
def edit_sender(sender_id: int) -> str:
    """Show the form of a sender."""
    trial_allowlist.require_district_access(current_actor())
    with reading() as session:
        form = registration.form_of_sender(registration.get_sender(session, sender_id))
    return _render_form(sender_id, form, [])


@bp.post("/senders/<int:sender_id>")
@allow(Permission.SENDERS)
def save_sender(sender_id: int) -> ResponseReturnValue:
    """Save the registration of a sender."""
    form = registration.read_form(request.form)
    try:
        with transaction() as session:
            registration.change_sender(session, current_actor(), sender_id, form, now())
    except RulesBroken as broken:
        return _render_form(sender_id, form, list(broken.problems)), 422
    show_notice(_("Saved."))
    return redirect(url_for("senders.show_senders"), code=303)


def _render_form(sender_id: int, form: registration.SenderForm, problems: list[Problem]) -> str:
    with reading() as session:
        row = registration.get_sender(session, sender_id)
        return render_template(
            "operations/sender.html",
            row=row,
            typed=form,
            problems=problems,
            reasons=labels,
            kinds=registration.allowed_kinds(row),
            registrations=registration.REGISTRATIONS,
        )


@bp.get("/senders/guests")
@allow(Permission.SENDERS)
def guest_list() -> str:
    """Show the phones that may receive messages in trial mode."""
    return _render_guests("", "", [])


@bp.post("/senders/guests")
@allow(Permission.SENDERS)
def add_guest() -> ResponseReturnValue:
    """Add a staff phone to the trial list."""
    name, phone = request.form.get("name", "").strip(), request.form.get("phone", "").strip()
    try:
        with transaction() as session:
            number = phones.to_e164(phone)
            theirs = number is not None and reachability.is_family_phone(session, number)
            trial_allowlist.add_recipient(session, current_actor(), name, number, now(), is_family_phone=theirs)
    except RulesBroken as broken:
        return _render_guests(name, phone, list(broken.problems)), 422
    show_notice(_("%(name)s can now get texts during the trial.", name=name))
    return redirect(url_for("senders.guest_list"), code=303)


@bp.post("/senders/guests/remove")
@allow(Permission.SENDERS)
def remove_guest() -> ResponseReturnValue:
    """Remove a phone from the trial list."""
    with transaction() as session:
        trial_allowlist.remove_recipient(session, current_actor(), request.form.get("phone", ""))
    show_notice(_("Removed from the list."))
    return redirect(url_for("senders.guest_list"), code=303)


def _render_guests(name: str, phone: str, problems: list[Problem]) -> str:
    with reading() as session:
        return render_template(
            "operations/trial_recipients.html",
            rows=trial_allowlist.list_recipients(session),
            name=name,
            phone=phone,
            problems=problems,
            may_change=_can_edit(),
            texting=settings().texting,
        )
