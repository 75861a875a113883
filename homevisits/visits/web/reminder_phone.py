"""The number for reminders: an educator's own choice, given and taken back on Me; visits ahead follow it at once."""

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
def give_phone() -> ResponseReturnValue:
    """Keep the number, or remove it where none was typed."""
    typed = request.form.get("phone", "")[:40]
    try:
        with transaction() as session:
            kept = actions.give_phone(session, current_actor(), typed, settings().policy, now())
    except RulesBroken as broken:
        return people.render_me_page(typed, broken.problems), 422
    show_notice(
        _("We will text you about your visits. To stop this, remove the number here or text STOP.")
        if kept
        else _("Your number was removed. You will get no more texts about your visits.")
    )
    return redirect(url_for("people.me"), code=303)
