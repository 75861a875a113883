"""Kannel webhook for incoming messages: POST with number and id in the URL, text in the body.

Kannel does not sign requests, so the URL contains an HMAC token (`homevisits texts kannel` prints the URL).
"""

import re
from contextlib import suppress

from flask import Blueprint, Response, abort, request
from flask.blueprints import BlueprintSetupState

from homevisits.inbox import processing
from homevisits.inbox.webhooks.twilio_web import process_safely
from homevisits.messages.callbacks.retry_on_error_web import alert_on_failure
from homevisits.messages.providers import callback_token
from homevisits.web.context import now, settings, transaction
from homevisits.web.security import public

bp = Blueprint("kannel_inbound", __name__)
_PHONE = re.compile(r"[1-9][0-9]{6,14}")


@bp.post("/kannel/inbound/<token>")
@public
@alert_on_failure("kannel_inbound")
def receive_kannel(token: str) -> Response:
    """Receive a message. The response is empty, because Kannel sends a response body as a message."""
    if not callback_token.is_valid_token(settings().kannel_secret, callback_token.INBOUND, token):
        abort(403)
    provider_message_id, from_ = request.args.get("id", ""), to_e164(request.args.get("from", ""))
    if not 0 < len(provider_message_id) <= 64 or from_ is None:
        abort(400)
    text = processing.ReceivedMessage(
        provider_message_id=f"kannel-in-{provider_message_id}",
        from_=from_,
        to=to_e164(request.args.get("to", "")) or "",
        body=decode_text(request.get_data(), request.mimetype_params.get("charset", "")),
        provider="kannel",
        raw={**request.args.to_dict(), "coding": request.headers.get("X-Kannel-Coding", "")},
    )
    with transaction() as session:
        message_id = processing.store_message(session, text, now())
    if message_id is not None:
        process_safely(message_id)
    return Response("", mimetype="text/plain")


def decode_text(body: bytes, charset: str) -> str:
    """Decode a message body: UTF-16BE if it does not fit GSM 03.38, else UTF-8 or Latin-1."""
    for encoding, errors in ((charset or "utf-8", "replace" if "16" in charset else "strict"), ("utf-8", "strict")):
        with suppress(LookupError, UnicodeDecodeError):
            return body.decode(encoding, errors).replace("\x00", "")  # PostgreSQL cannot store NUL
    return body.decode("latin-1").replace("\x00", "")


def to_e164(number: str) -> str | None:
    """Convert a number to E.164; networks may omit plus and country code. None if it is invalid."""
    digits = number.strip().removeprefix("+").removeprefix("00")
    if len(digits) == 10 and not number.startswith(("+", "00")):
        digits = "1" + digits
    return f"+{digits}" if _PHONE.fullmatch(digits) else None


@bp.record_once
def _machines(state: BlueprintSetupState) -> None:
    # Provider requests carry no CSRF token; the HMAC token in the URL is checked instead.
    state.app.extensions["csrf"].exempt(receive_kannel)
