"""Error pages: what happened and what to do, without internal details."""

import structlog
from flask import Response, g, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

log = structlog.get_logger("homevisits")


STATUSES_WITH_PAGE = frozenset({400, 403, 404, 405, 413, 422, 429, 500})


def error_page(status: int, **values: object) -> tuple[str, int]:
    """Render the error page for a status, without internal details."""
    name = status if status in STATUSES_WITH_PAGE else (400 if status < 500 else 500)
    return render_template(f"errors/{name}.html", status=status, **values), status


def handle_http_error(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error.get_response()
    page, status = error_page(error.code)
    response = Response(page, status)
    if error.code == 405:
        response.headers.extend(error.get_headers())  # keep the Allow header, but our own content type
        response.headers["Content-Type"] = "text/html; charset=utf-8"
    return response


def handle_bug(error: Exception) -> ResponseReturnValue:
    # Log the rule instead of the path, because a calendar's path contains a secret.
    rule = str(request.url_rule) if request.url_rule else None
    ids = {k: v for k, v in (request.view_args or {}).items() if isinstance(v, int)}
    request_id = g.get("request_id")
    log.error("request_failed", request_id=request_id, method=request.method, rule=rule, ids=ids, exc_info=error)
    try:
        return error_page(500)
    except Exception:  # the template may need what failed, such as the database: respond with plain text
        log.exception("error_page_failed", request_id=request_id)
        return Response("Something went wrong on our side. Please try again in a minute.\n", 500, mimetype="text/plain")
