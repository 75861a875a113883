"""Access control of routes, request validation and security headers."""

import secrets
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import Response, abort, current_app, g, request, session
from flask_login import UserMixin, current_user

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound, PermissionDenied
from homevisits.web import navigation

P = ParamSpec("P")


R = TypeVar("R")


_PERMISSIONS: dict[Callable[..., Any], frozenset[Permission]] = {}


_ANY_CHARACTERS: set[Callable[..., Any]] = set()


CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer, because the CSRF check over TLS compares the referrer's origin.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SignInRequired(Exception):
    """The request requires a signed-in user. `people.saved_forms_web` redirects to the sign-in page."""


class SignedIn(UserMixin):  # type: ignore[misc]
    """The Flask-Login user: the actor of this request and the session token."""

    def __init__(self, actor: Actor, token: str) -> None:
        self.actor = actor
        self.id = token


def signed_in_actor() -> Actor | None:
    """Return the signed-in user, or None."""
    return current_user.actor if current_user.is_authenticated else None


def current_actor() -> Actor:
    """Return the signed-in user. Only for routes with `allow`."""
    actor = signed_in_actor()
    if actor is None:
        raise PermissionDenied
    return actor


def allow(*permissions: Permission) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Allow only users with one of `permissions`; others must sign in or get status 403."""

    def mark(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            who = signed_in_actor()
            if who is None:
                raise SignInRequired
            if not any(who.may(permission) for permission in permissions):
                raise PermissionDenied
            return view(*args, **kwargs)

        _PERMISSIONS[guarded] = frozenset(permissions)
        return guarded

    return mark


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a view as public. The view may check a secret link or a signature itself."""
    _PERMISSIONS[view] = frozenset()
    return view


def accepts_any_characters(view: Callable[P, R]) -> Callable[P, R]:
    """Accept NUL characters in the request, so that no message is lost; the view removes them."""
    _ANY_CHARACTERS.add(view)
    return view


def permissions_of(view: Callable[..., Any]) -> frozenset[Permission]:
    """Return the permissions of a view, any of which suffices; empty if public. KeyError if undeclared."""
    return _PERMISSIONS[view]


def page_permissions() -> Mapping[str, frozenset[Permission]]:
    """Return the paths of all GET routes with their permissions."""
    permissions: dict[str, frozenset[Permission]] = current_app.extensions.setdefault("homevisits.addresses", {})
    if not permissions:
        views = current_app.view_functions
        for rule in current_app.url_map.iter_rules():
            if "GET" in (rule.methods or ()) and views[rule.endpoint] in _PERMISSIONS:
                permissions[rule.rule] = _PERMISSIONS[views[rule.endpoint]]
    return permissions


def landing_page(who: Actor) -> str:
    """Return the start page of a user."""
    return navigation.landing_path(who, page_permissions(), session.get("active_role"))


def local_path(address: str | None, default: str) -> str:
    """Return `address` if it is a local path, else `default`, to prevent open redirects."""
    if not address or not address.startswith("/") or address.startswith(("//", "/\\")):
        return default
    parts = urlsplit(address)
    return default if parts.scheme or parts.netloc or any(ord(letter) < 32 for letter in address) else address


def check_request() -> None:
    g.request_id = secrets.token_hex(6)
    view = current_app.view_functions.get(request.endpoint or "")
    if view is not None and view not in _PERMISSIONS and not (request.endpoint or "").endswith("static"):
        raise PermissionDenied  # deny routes without declared permissions
    if any(isinstance(value, int) and value >= 2**63 for value in (request.view_args or {}).values()):
        raise NotFound  # too large for a 64-bit database key
    sent = request.query_string or request.content_length or "chunked" in request.headers.get("Transfer-Encoding", "")
    if view not in _ANY_CHARACTERS and sent and any("\x00" in text for text in request.values.values()):
        abort(400)  # PostgreSQL cannot store NUL


def add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    response.headers["X-Request-ID"] = g.get("request_id", "")
    return response
