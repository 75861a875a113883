"""Web of what Kannel reports about a text. It signs nothing: the address it was given carries a keyed word."""

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
"""What a report's type is made of (Kannel's user guide, "delivery reports")."""
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
    """Kannel tells what became of a text. A type nobody knows is kept, and changes nothing."""
    if not _TOKEN.fullmatch(attempt_id) or not callback_token.genuine(settings().kannel_secret, attempt_id, given):
        abort(403)
    word, code = meaning(request.args.get("type", ""))
    told = delivery_status.Report(
        carrier="kannel",
        provider_message_id=sid_of(attempt_id),
        status=word,
        code=code,
        attempt_id=attempt_id,
        raw=request.args.to_dict(),
    )
    keep_and_apply(told)
    return Response("", mimetype="text/plain")  # whatever stood here would go out as a text


def meaning(kind: str) -> tuple[str, str]:
    """A report's type as a status and a code: what says most counts when it says several things."""
    number = int(kind) if kind.isascii() and kind.isdigit() and len(kind) < 6 else 0
    for bit, word, code in _MEANINGS:
        if number & bit:
            return word, code
    return f"kannel-{kind[:20]}", ""
