"""Webhook for Twilio delivery reports."""

import re

from flask import Blueprint, Response, abort, request
from flask.blueprints import BlueprintSetupState

from homevisits.messages.callbacks import delivery_status
from homevisits.messages.callbacks.retry_on_error_web import alert_on_failure, empty_twiml, store_and_apply
from homevisits.messages.providers import twilio_signature
from homevisits.web.context import settings
from homevisits.web.security import public

bp = Blueprint("texts_status", __name__)

_ATTEMPT_ID = re.compile(r"[0-9a-f]{32}")


@bp.post("/twilio/status/<attempt_id>")
@public
@alert_on_failure("status")
def twilio_status(attempt_id: str) -> Response:
    """Receive a delivery report and store all its fields."""
    if not twilio_signature.has_valid_signature(request, settings()):
        abort(403)
    report = delivery_status.DeliveryReport(
        provider="twilio",
        provider_message_id=request.form.get("MessageSid") or request.form.get("SmsSid", ""),
        status=(request.form.get("MessageStatus") or request.form.get("SmsStatus", "")).lower(),
        code=request.form.get("ErrorCode", ""),
        attempt_id=attempt_id if _ATTEMPT_ID.fullmatch(attempt_id) else None,
        raw=request.form.to_dict(),
    )
    if not report.provider_message_id:
        abort(400)
    store_and_apply(report)
    return empty_twiml()


@bp.record_once
def _exempt_from_csrf(state: BlueprintSetupState) -> None:
    # Exempt from CSRF protection, because the Twilio signature is checked instead.
    state.app.extensions["csrf"].exempt(twilio_status)
