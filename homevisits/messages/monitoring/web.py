"""GET /metrics, protected by a bearer token."""

import hmac

from flask import Blueprint, Response, abort, request

from homevisits.messages.monitoring import prometheus
from homevisits.web.context import now, reading, settings
from homevisits.web.security import public

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
@public
def show() -> Response:
    """Return the Prometheus metrics: 404 without a token in the settings, 401 if it is wrong."""
    token = settings().metrics_token
    if not token:
        abort(404)
    header = request.headers.get("Authorization", "")
    if not hmac.compare_digest(header.encode(), f"Bearer {token}".encode()):
        return Response(
            "Missing or wrong token.\n", 401, {"WWW-Authenticate": 'Bearer realm="metrics"'}, mimetype="text/plain"
        )
    with reading() as session:
        metrics = prometheus.collect_metrics(session, settings().timezone, settings().segment_price, now())
    return Response(prometheus.render_metrics(metrics), content_type=prometheus.CONTENT_TYPE)
