"""Webhook for Kannel delivery reports, authenticated by an HMAC token in the URL."""

import re

from flask import Blueprint, Response, abort, request

from homevisits.messages.callbacks import delivery_status
from homevisits.messages.callbacks.retry_on_error_web import alert_on_failure, store_and_apply
from homevisits.messages.providers import callback_token
from homevisits.messages.providers.kannel import provider_message_id_of
from homevisits.web.context import settings
from homevisits.web.security import public

bp = Blueprint("kannel", __name__)

_ATTEMPT_ID = re.compile(r"[0-9a-f]{32}")
# Bits of the report type (Kannel user guide, "delivery reports").
DELIVERED, UNDELIVERED, QUEUED, ACCEPTED, REJECTED = 1, 2, 4, 8, 16
# Status and error code of each report type, the most final first.
_REPORT_TYPES = (
    (DELIVERED, "delivered", ""),
    (UNDELIVERED, "undelivered", "kannel_undelivered"),
    (REJECTED, "failed", "kannel_smsc_rejected"),
    (ACCEPTED, "sent", ""),
    (QUEUED, "queued", ""),
)


@bp.get("/kannel/status/<attempt_id>/<token>")
@public
@alert_on_failure("kannel_status")
def status(attempt_id: str, token: str) -> Response:
    """Receive a delivery report. Unknown types are stored and ignored."""
    if not _ATTEMPT_ID.fullmatch(attempt_id) or not callback_token.is_valid_token(
        settings().kannel_secret, attempt_id, token
    ):
        abort(403)
    reported, code = parse_report_type(request.args.get("type", ""))
    report = delivery_status.DeliveryReport(
        provider="kannel",
        provider_message_id=provider_message_id_of(attempt_id),
        status=reported,
        code=code,
        attempt_id=attempt_id,
        raw=request.args.to_dict(),
    )
    store_and_apply(report)
    return Response("", mimetype="text/plain")  # a body would be sent as a message


def parse_report_type(report_type: str) -> tuple[str, str]:
    """Return status and error code of a report type. If several bits are set, use the most final."""
    bits = int(report_type) if report_type.isascii() and report_type.isdigit() and len(report_type) < 6 else 0
    for bit, reported, code in _REPORT_TYPES:
        if bits & bit:
            return reported, code
    return f"kannel-{report_type[:20]}", ""
