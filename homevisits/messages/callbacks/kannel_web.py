"""Webhook for Kannel delivery reports, authenticated by an HMAC token in the URL."""

import re

from flask import Blueprint, Response, abort, request

from homevisits.messages.callbacks import delivery_status
from homevisits.messages.callbacks.errors_web import keep_and_apply, watched
from homevisits.messages.providers import callback_token
from homevisits.messages.providers.kannel import sid_of
from homevisits.web.context import settings
from homevisits.web.security import public

bp = Blueprint("kannel", __name__)

_TOKEN = re.compile(r"[0-9a-f]{32}")
DELIVERED, UNDELIVERED, QUEUED, TAKEN, REJECTED = 1, 2, 4, 8, 16
"""Bits of the report type (Kannel user guide, "delivery reports")."""
_MEANINGS = (
    (DELIVERED, "delivered", ""),
    (UNDELIVERED, "undelivered", "kannel_undelivered"),
    (REJECTED, "failed", "kannel_smsc_rejected"),
    (TAKEN, "sent", ""),
    (QUEUED, "queued", ""),
)


@bp.get("/kannel/status/<attempt_id>/<given>")
@public
@watched("kannel_status")
def status(attempt_id: str, given: str) -> Response:
    """Receive a delivery report. Unknown types are stored and ignored."""
    if not _TOKEN.fullmatch(attempt_id) or not callback_token.genuine(settings().kannel_secret, attempt_id, given):
        abort(403)
    word, code = meaning(request.args.get("type", ""))
    told = delivery_status.Report(
        provider="kannel",
        provider_message_id=sid_of(attempt_id),
        status=word,
        code=code,
        attempt_id=attempt_id,
        raw=request.args.to_dict(),
    )
    keep_and_apply(told)
    return Response("", mimetype="text/plain")  # a body would be sent as a message


def meaning(kind: str) -> tuple[str, str]:
    """Return status and code of a report type; of several bits, the most final counts."""
    number = int(kind) if kind.isascii() and kind.isdigit() and len(kind) < 6 else 0
    for bit, word, code in _MEANINGS:
        if number & bit:
            return word, code
    return f"kannel-{kind[:20]}", ""
