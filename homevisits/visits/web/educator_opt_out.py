"""Opt out of home visits: an educator's own choice at any time; planned visits are updated at once."""

from flask import redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from homevisits.core.access import Permission
from homevisits.people.actions import opt_in
from homevisits.visits import actions
from homevisits.visits.web.blueprint import bp
from homevisits.web.context import now, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor


@bp.post("/me/opt-out")
@allow(Permission.OWN_VISITS)
def opt_out() -> ResponseReturnValue:
    """Opt out without a reason, and remove the educator from all planned visits."""
    with transaction() as session:
        opt_in.opt_out(session, current_actor(), now())
        actions.apply_withdrawals(session, settings().policy, now())
    show_notice(_("You are no longer taking part in home visits. You can come back here at any time."))
    return redirect(url_for("people.me"), code=303)
