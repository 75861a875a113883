"""Web of texts: what Twilio reports about them, and the delivery page."""

import re

from flask import Blueprint, Response, abort, render_template, request
from flask.blueprints import BlueprintSetupState

from homevisits.access import Permission
from homevisits.messages import actions, queries, signature
from homevisits.pages import allow, now, public, reading, settings, transaction

bp = Blueprint("messages", __name__)

_TOKEN = re.compile(r"[0-9a-f]{32}")


@bp.post("/twilio/status/<token>")
@public
def twilio_status(token: str) -> Response:
    """Twilio tells what became of a text."""
    if not signature.genuine(request, settings()):
        abort(403)
    told = actions.Report(
        carrier="twilio",
        sid=request.form.get("MessageSid") or request.form.get("SmsSid", ""),
        status=(request.form.get("MessageStatus") or request.form.get("SmsStatus", "")).lower(),
        code=request.form.get("ErrorCode", ""),
        token=token if _TOKEN.fullmatch(token) else None,
        raw=request.form.to_dict(),
    )
    if not told.sid:
        abort(400)
    with transaction() as session:
        actions.report(session, told, now())
    return Response("<Response/>", mimetype="text/xml")


@bp.record_once
def _machines(state: BlueprintSetupState) -> None:
    # A machine has no form of ours to copy a token from: its signature is checked instead.
    state.app.extensions["csrf"].exempt(twilio_status)


@bp.get("/delivery")
@allow(Permission.ASK)
def delivery() -> str:
    """Are texts arriving?"""
    with reading() as session:
        page = queries.delivery(session, now())
    return render_template("messages/delivery.html", page=page)
