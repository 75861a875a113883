"""Who may call a route, and what every request and response must satisfy."""

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
    # Not no-referrer: the check of forged requests over TLS compares the referrer's origin.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SignInRequired(Exception):
    """A request that needs someone signed in came without. `people.kept_forms_web` leads to the sign-in page."""


class SignedIn(UserMixin):  # type: ignore[misc]
    """Flask-Login's user: the actor of this request, and the token of the session."""

    def __init__(self, actor: Actor, token: str) -> None:
        self.actor = actor
        self.id = token


def signed_in_actor() -> Actor | None:
    """Whoever is signed in, or None."""
    return current_user.actor if current_user.is_authenticated else None


def current_actor() -> Actor:
    """Whoever is signed in. Only for routes behind `allow`."""
    found = signed_in_actor()
    if found is None:
        raise PermissionDenied
    return found


def allow(*permissions: Permission) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Only for people whose roles carry one of `permissions`; others sign in first, or are refused (403)."""

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
    """For everyone: the page itself decides by a secret link, a signature, or not at all."""
    _PERMISSIONS[view] = frozenset()
    return view


def accepts_any_characters(view: Callable[P, R]) -> Callable[P, R]:
    """For what must not be lost for a letter in it: the page itself takes out what no database keeps."""
    _ANY_CHARACTERS.add(view)
    return view


def permissions_of(view: Callable[..., Any]) -> frozenset[Permission]:
    """What a view asks for, one of these; none of them when it is public. KeyError for a view that does not say."""
    return _PERMISSIONS[view]


def page_permissions() -> Mapping[str, frozenset[Permission]]:
    """Every fixed address a person can open here, and what it asks for."""
    found: dict[str, frozenset[Permission]] = current_app.extensions.setdefault("homevisits.addresses", {})
    if not found:
        views = current_app.view_functions
        for rule in current_app.url_map.iter_rules():
            if "GET" in (rule.methods or ()) and views[rule.endpoint] in _PERMISSIONS:
                found[rule.rule] = _PERMISSIONS[views[rule.endpoint]]
    return found


def landing_page(who: Actor) -> str:
    """Where `who` begins."""
    return navigation.landing_path(who, page_permissions(), session.get("hat"))


def local_path(address: str | None, otherwise: str) -> str:
    """`address` when it stays on this site, else `otherwise`: a link elsewhere must not ride on our sign-in."""
    if not address or not address.startswith("/") or address.startswith(("//", "/\\")):
        return otherwise
    parts = urlsplit(address)
    return otherwise if parts.scheme or parts.netloc or any(ord(letter) < 32 for letter in address) else address


def check_request() -> None:
    g.request_id = secrets.token_hex(6)
    view = current_app.view_functions.get(request.endpoint or "")
    if view is not None and view not in _PERMISSIONS and not (request.endpoint or "").endswith("static"):
        raise PermissionDenied  # a route that does not say who may call it is called by nobody
    if any(isinstance(given, int) and given >= 2**63 for given in (request.view_args or {}).values()):
        raise NotFound  # no database counts so far
    sent = request.query_string or request.content_length or "chunked" in request.headers.get("Transfer-Encoding", "")
    if view not in _ANY_CHARACTERS and sent and any("\x00" in text for text in request.values.values()):
        abort(400)  # no keyboard types it, and no database keeps it


def add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    response.headers["X-Request-ID"] = g.get("request_id", "")
    return response
