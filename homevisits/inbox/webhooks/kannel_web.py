"""Kannel brings a family's text, by POST: number and id in the address, the words as the body, in their own encoding.

Kannel signs nothing: the address that it was given carries a keyed word (`homevisits texts kannel` prints it).
"""

import re
from contextlib import suppress

from flask import Blueprint, Response, abort, request
from flask.blueprints import BlueprintSetupState

from homevisits.inbox import processing
from homevisits.inbox.webhooks.twilio_web import process_safely
from homevisits.messages.callbacks.errors_web import watched
from homevisits.messages.providers import callback_token
from homevisits.web.context import now, settings, transaction
from homevisits.web.security import public

bp = Blueprint("kannel_inbound", __name__)
_PHONE = re.compile(r"[1-9][0-9]{6,14}")


@bp.post("/kannel/inbound/<given>")
@public
@watched("kannel_inbound")
def receive_kannel(given: str) -> Response:
    """Kannel brings a text. The answer is empty: whatever stood in it would go out as a text."""
    if not callback_token.genuine(settings().kannel_secret, callback_token.INBOUND, given):
        abort(403)
    provider_message_id, from_ = request.args.get("id", ""), to_e164(request.args.get("from", ""))
    if not 0 < len(provider_message_id) <= 64 or from_ is None:
        abort(400)
    text = processing.ReceivedMessage(
        provider_message_id=f"kannel-in-{provider_message_id}",
        from_=from_,
        to=to_e164(request.args.get("to", "")) or "",
        body=decode_text(request.get_data(), request.mimetype_params.get("charset", "")),
        carrier="kannel",
        raw={**request.args.to_dict(), "coding": request.headers.get("X-Kannel-Coding", "")},
    )
    with transaction() as session:
        kept = processing.store_message(session, text, now())
    if kept is not None:
        process_safely(kept)
    return Response("", mimetype="text/plain")


def decode_text(body: bytes, charset: str) -> str:
    """The words of a text as the phone sent them: UTF-16BE when they do not fit GSM 03.38, else UTF-8, or Latin-1."""
    for encoding, otherwise in ((charset or "utf-8", "replace" if "16" in charset else "strict"), ("utf-8", "strict")):
        with suppress(LookupError, UnicodeDecodeError):
            return body.decode(encoding, otherwise).replace("\x00", "")  # no database keeps it
    return body.decode("latin-1").replace("\x00", "")


def to_e164(given: str) -> str | None:
    """A number as E.164: some networks leave out the plus, some the country too. None: not a phone's."""
    digits = given.strip().removeprefix("+").removeprefix("00")
    if len(digits) == 10 and not given.startswith(("+", "00")):
        digits = "1" + digits
    return f"+{digits}" if _PHONE.fullmatch(digits) else None


@bp.record_once
def _machines(state: BlueprintSetupState) -> None:
    # A machine has no form of ours to copy a token from: the word in its address is checked instead.
    state.app.extensions["csrf"].exempt(receive_kannel)
