"""Web of what is measured: one address, for a machine that says the word."""

import hmac

from flask import Blueprint, Response, abort, request

from homevisits.messages.monitoring import prometheus
from homevisits.web.context import now, reading, settings
from homevisits.web.security import public

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
@public
def show() -> Response:
    """Figures for Prometheus. Without a word in the settings there is no such page; who does not say it is told so."""
    word = settings().metrics_token
    if not word:
        abort(404)
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {word}".encode()):
        return Response("Say the word.\n", 401, {"WWW-Authenticate": 'Bearer realm="metrics"'}, mimetype="text/plain")
    with reading() as session:
        found = prometheus.families(session, settings().timezone, settings().segment_price, now())
    return Response(prometheus.exposition(found), content_type=prometheus.CONTENT_TYPE)
