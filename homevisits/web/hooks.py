"""Request hooks, error handlers and template values of the application."""

from typing import Any

from flask import Flask, g, request, session
from werkzeug.exceptions import HTTPException

from homevisits.core.problems import NotFound, PermissionDenied, RulesBroken
from homevisits.web import formats, navigation, problem_wording
from homevisits.web.context import asset, bootstrap_links, initials, settings
from homevisits.web.errors import error_page, handle_bug, handle_http_error
from homevisits.web.security import add_headers, check_request, page_permissions, signed_in_actor


def template_values() -> dict[str, Any]:
    """Return the variables available in every template."""
    actor = signed_in_actor()
    active_role = navigation.active_role(actor, request.path, session.get("active_role")) if actor else None
    return {
        "me": actor,
        "active_role": active_role,
        "places": navigation.visible_places(actor, active_role, page_permissions()) if actor and active_role else (),
        "held_roles": navigation.held_roles(actor) if actor else (),
        "language": formats.current_language(),
        "languages": formats.offered_languages(),
        "request_id": g.get("request_id", ""),
        "here": request.path,
        "demo": settings().demo,
        "zone": settings().timezone,
    }


def install(app: Flask) -> None:
    """Register request checks, headers, template helpers and error handlers on `app`."""
    app.before_request(check_request)
    app.after_request(add_headers)
    app.context_processor(template_values)
    app.jinja_env.globals.update(
        asset=asset, bootstrap_links=bootstrap_links, initials=initials, sentence=problem_wording.describe_problem
    )
    formats.install_filters(app.jinja_env)
    app.register_error_handler(HTTPException, handle_http_error)
    app.register_error_handler(NotFound, lambda _error: error_page(404))
    app.register_error_handler(PermissionDenied, lambda _error: error_page(403))
    app.register_error_handler(RulesBroken, lambda error: error_page(422, problems=error.problems))
    app.register_error_handler(Exception, handle_bug)
