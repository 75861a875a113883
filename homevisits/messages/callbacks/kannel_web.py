"""Webhook for Kannel delivery reports, authenticated by an HMAC token in the URL."""

import re

from flask import Blueprint, Response, abort, request

from homevisits.messages.callbacks import delivery_status
from homevisits.messages.callbacks.errors_web import alert_on_failure, store_and_apply
from homevisits.messages.providers import callback_token
from homevisits.messages.providers.kannel import provider_message_id_of
from homevisits.web.context import settings
from homevisits.web.security import public

bp = Blueprint("kannel", __name__)

_TOKEN = re.compile(r"[0-9a-f]{32}")
DELIVERED, UNDELIVERED, QUEUED, ACCEPTED, REJECTED = 1, 2, 4, 8, 16
"""Bits of the report type (Kannel user guide, "delivery reports")."""
_REPORT_TYPES = (
    (DELIVERED, "delivered", ""),
    (UNDELIVERED, "undelivered", "kannel_undelivered"),
    (REJECTED, "failed", "kannel_smsc_rejected"),
    (ACCEPTED, "sent", ""),
    (QUEUED, "queued", ""),
)


@bp.get("/kannel/status/<attempt_id>/<given>")
@public
@alert_on_failure("kannel_status")
def status(attempt_id: str, given: str) -> Response:
    """Receive a delivery report. Unknown types are stored and ignored."""
    if not _TOKEN.fullmatch(attempt_id) or not callback_token.is_valid_token(
        settings().kannel_secret, attempt_id, given
    ):
        abort(403)
    word, code = parse_report_type(request.args.get("type", ""))
    told = delivery_status.DeliveryReport(
        provider="kannel",
        provider_message_id=provider_message_id_of(attempt_id),
        status=word,
        code=code,
        attempt_id=attempt_id,
        raw=request.args.to_dict(),
    )
    store_and_apply(told)
    return Response("", mimetype="text/plain")  # a body would be sent as a message


def parse_report_type(kind: str) -> tuple[str, str]:
    """Return status and code of a report type; of several bits, the most final counts."""
    number = int(kind) if kind.isascii() and kind.isdigit() and len(kind) < 6 else 0
    for bit, word, code in _REPORT_TYPES:
        if number & bit:
            return word, code
    return f"kannel-{kind[:20]}", ""
