"""Twilio webhook for incoming messages: store, respond 200, then process separately."""

from contextlib import suppress

import structlog
from flask import Blueprint, Response, abort, request
from flask.blueprints import BlueprintSetupState

from homevisits.inbox import processing
from homevisits.inbox.webhooks import forms
from homevisits.messages.callbacks.retry_on_error_web import alert_on_failure
from homevisits.messages.providers import twilio_signature
from homevisits.web.context import now, settings, transaction
from homevisits.web.security import accepts_any_characters, public

bp = Blueprint("inbound", __name__)
log = structlog.get_logger("homevisits.inbox")


@bp.post("/twilio/inbound")
@accepts_any_characters
@public
@alert_on_failure("inbound")
def receive_twilio() -> Response:
    """Receive a message. The response is empty, because replies are sent through the outbox."""
    if not twilio_signature.has_valid_signature(request, settings()):
        abort(403)
    text = forms.parse_twilio(dict(request.form.lists()))
    if text is None:
        abort(400)
    with transaction() as session:
        message_id = processing.store_message(session, text, now())
    if message_id is not None:
        process_safely(message_id)
    return Response("<Response/>", mimetype="text/xml")


def process_safely(incoming_message_id: int) -> None:
    """Process in a separate transaction, so that a failure keeps the message; the worker retries."""
    try:
        with transaction() as session:
            processing.process_message(session, incoming_message_id, settings().policy, now())
    except Exception:
        log.exception("incoming_message_failed", incoming_message_id=incoming_message_id)
        with suppress(Exception), transaction() as session:  # the worker finds the message and retries
            processing.record_failure(session, incoming_message_id, now())


@bp.record_once
def _machines(state: BlueprintSetupState) -> None:
    # Provider requests carry no CSRF token; the signature is checked instead.
    state.app.extensions["csrf"].exempt(receive_twilio)
