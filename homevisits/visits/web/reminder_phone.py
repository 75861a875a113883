"""An educator's own number for messages about their visits, set or removed on the Me page."""

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from homevisits.core.access import Permission
from homevisits.core.problems import RulesBroken
from homevisits.people import web as people
from homevisits.visits import actions
from homevisits.visits.web.blueprint import bp
from homevisits.web.context import now, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor


@bp.post("/me/phone")
@allow(Permission.OWN_VISITS)
def save_reminder_phone() -> ResponseReturnValue:
    """Save the number, or remove it if the field is empty."""
    typed = request.form.get("phone", "")[:40]
    try:
        with transaction() as session:
            phone = actions.save_reminder_phone(session, current_actor(), typed, settings().policy, now())
    except RulesBroken as broken:
        return people.render_me_page(typed, broken.problems), 422
    show_notice(
        _("We will text you about your visits. To stop this, remove the number here or text STOP.")
        if phone
        else _("Your number was removed. You will get no more texts about your visits.")
    )
    return redirect(url_for("people.me"), code=303)
