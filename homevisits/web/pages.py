"""Flask's shell, for every web room: who may call a route, the database and clock of a request, errors, headers."""

import hashlib
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, flash, g, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_login import UserMixin, current_user
from markupsafe import Markup
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException

from homevisits.core import clock
from homevisits.core.access import Actor, Permission
from homevisits.core.db import Database
from homevisits.core.problems import NotFound, Refused, RulesBroken
from homevisits.core.settings import Settings
from homevisits.web import formats, navigation, problem_wording

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger("homevisits")

_ASKS: dict[Callable[..., Any], frozenset[Permission]] = {}
_TAKES_ANYTHING: set[Callable[..., Any]] = set()
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
PAGES_OF_ERRORS = frozenset({400, 403, 404, 405, 413, 422, 429, 500})


@dataclass(frozen=True)
class Services:
    """What a process has one of."""

    settings: Settings
    database: Database


class SignInRequired(Exception):
    """A request that needs someone signed in came without. `people.kept_forms_web` leads to the sign-in page."""


class SignedIn(UserMixin):  # type: ignore[misc]
    """Flask-Login's user: the actor of this request, and the token of the session."""

    def __init__(self, actor: Actor, token: str) -> None:
        self.actor = actor
        self.id = token


def house() -> Services:
    """The settings and database this process runs on."""
    found: Services = current_app.extensions["homevisits"]
    return found


def settings() -> Settings:
    """The process's settings."""
    return house().settings


def transaction() -> AbstractContextManager[Session]:
    """A session that may write; commits once, on leaving."""
    return house().database.transaction()


def reading() -> AbstractContextManager[Session]:
    """A session that only reads."""
    return house().database.reading()


def now() -> datetime:
    """The moment of this request: the same on every call within it."""
    if "now" not in g:
        g.now = clock.now()
    found: datetime = g.now
    return found


def signed_in() -> Actor | None:
    """Whoever is signed in, or None."""
    return current_user.actor if current_user.is_authenticated else None


def actor() -> Actor:
    """Whoever is signed in. Only for routes behind `allow`."""
    found = signed_in()
    if found is None:
        raise Refused
    return found


def allow(*permissions: Permission) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Only for people whose roles carry one of `permissions`; others sign in first, or are refused (403)."""

    def mark(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            who = signed_in()
            if who is None:
                raise SignInRequired
            if not any(who.may(permission) for permission in permissions):
                raise Refused
            return view(*args, **kwargs)

        _ASKS[guarded] = frozenset(permissions)
        return guarded

    return mark


def public(view: Callable[P, R]) -> Callable[P, R]:
    """For everyone: the page itself decides by a secret link, a signature, or not at all."""
    _ASKS[view] = frozenset()
    return view


def takes_anything(view: Callable[P, R]) -> Callable[P, R]:
    """For what must not be lost for a letter in it: the page itself takes out what no database keeps."""
    _TAKES_ANYTHING.add(view)
    return view


def permissions_of(view: Callable[..., Any]) -> frozenset[Permission]:
    """What a view asks for, one of these; none of them when it is public. KeyError for a view that does not say."""
    return _ASKS[view]


def addresses() -> Mapping[str, frozenset[Permission]]:
    """Every fixed address a person can open here, and what it asks for."""
    found: dict[str, frozenset[Permission]] = current_app.extensions.setdefault("homevisits.addresses", {})
    if not found:
        views = current_app.view_functions
        for rule in current_app.url_map.iter_rules():
            if "GET" in (rule.methods or ()) and views[rule.endpoint] in _ASKS:
                found[rule.rule] = _ASKS[views[rule.endpoint]]
    return found


def landing(who: Actor) -> str:
    """Where `who` begins."""
    return navigation.landing(who, addresses(), session.get("hat"))


def done(message: str, undo: str | None = None) -> None:
    """Tell the reader on the next page what happened; `undo` is the address that takes it back (a POST)."""
    flash({"text": str(message), "undo": undo}, "done")  # type: ignore[arg-type]


def local_path(address: str | None, otherwise: str) -> str:
    """`address` when it stays on this site, else `otherwise`: a link elsewhere must not ride on our sign-in."""
    if not address or not address.startswith("/") or address.startswith(("//", "/\\")):
        return otherwise
    parts = urlsplit(address)
    return otherwise if parts.scheme or parts.netloc or any(ord(letter) < 32 for letter in address) else address


@cache
def _fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def asset(name: str) -> str:
    """The address of one of our static files; changes with its content."""
    return f"{current_app.static_url_path}/{name}?v={_fingerprint(Path(str(current_app.static_folder)) / name)}"


@cache
def bootstrap_links() -> Markup:
    """The style sheets of Bootstrap and its icons; the same for the life of a process."""
    bootstrap = current_app.extensions["bootstrap"]
    return Markup("\n").join([bootstrap.load_css(), bootstrap.load_icon_font_css()])


def initials(name: str) -> str:
    """Two letters for a round badge."""
    words = name.split()
    return (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper() if words else "?"


def _context() -> dict[str, Any]:
    who = signed_in()
    hat = navigation.hat_of(who, request.path, session.get("hat")) if who else None
    return {
        "me": who,
        "hat": hat,
        "places": navigation.places_of(who, hat, addresses()) if who and hat else (),
        "hats": navigation.hats_of(who) if who else (),
        "language": formats.language(),
        "languages": formats.offered(),
        "request_id": g.get("request_id", ""),
        "here": request.path,
        "demo": settings().demo,
        "zone": settings().timezone,
    }


def _begin() -> None:
    g.request_id = secrets.token_hex(6)
    view = current_app.view_functions.get(request.endpoint or "")
    if view is not None and view not in _ASKS and not (request.endpoint or "").endswith("static"):
        raise Refused  # a route that does not say who may call it is called by nobody
    if any(isinstance(given, int) and given >= 2**63 for given in (request.view_args or {}).values()):
        raise NotFound  # no database counts so far
    sent = request.query_string or request.content_length or "chunked" in request.headers.get("Transfer-Encoding", "")
    if view not in _TAKES_ANYTHING and sent and any("\x00" in text for text in request.values.values()):
        abort(400)  # no keyboard types it, and no database keeps it


def _finish(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    response.headers["X-Request-ID"] = g.get("request_id", "")
    return response


def error_page(status: int, **values: object) -> tuple[str, int]:
    """The page for an error: what happened and what to do, never how it happened inside."""
    name = status if status in PAGES_OF_ERRORS else (400 if status < 500 else 500)
    return render_template(f"errors/{name}.html", status=status, **values), status


def _http_error(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error.get_response()
    page, status = error_page(error.code)
    response = Response(page, status)
    if error.code == 405:
        response.headers.extend(error.get_headers())  # Allow; the type stays ours
        response.headers["Content-Type"] = "text/html; charset=utf-8"
    return response


def _bug(error: Exception) -> ResponseReturnValue:
    # The rule, not the path: a calendar's address is a secret.
    where, ids = request.url_rule, {k: v for k, v in (request.view_args or {}).items() if isinstance(v, int)}
    log.error("request %s: %s %s %s failed", g.get("request_id"), request.method, where, ids or "", exc_info=error)
    try:
        return error_page(500)
    except Exception:  # the page itself needs what is broken (the database, say): plain words then
        log.exception("request %s: the error page failed too", g.get("request_id"))
        return Response("Something went wrong on our side. Please try again in a minute.\n", 500, mimetype="text/plain")


def install(app: Flask) -> None:
    """Put the shell around `app`: headers, error pages, what templates may use."""
    app.before_request(_begin)
    app.after_request(_finish)
    app.context_processor(_context)
    app.jinja_env.globals.update(
        asset=asset, bootstrap_links=bootstrap_links, initials=initials, sentence=problem_wording.sentence
    )
    formats.install(app.jinja_env)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(NotFound, lambda _error: error_page(404))
    app.register_error_handler(Refused, lambda _error: error_page(403))
    app.register_error_handler(RulesBroken, lambda error: error_page(422, problems=error.problems))
    app.register_error_handler(Exception, _bug)
