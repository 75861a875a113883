"""Sign in, sign out, language, role, password: the pages about the account itself."""

from datetime import datetime, timedelta

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_user, logout_user

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import Problem, RulesBroken
from homevisits.people import signin
from homevisits.web import formats, navigation
from homevisits.web.pages import (
    SignedIn,
    actor,
    allow,
    done,
    landing,
    local_path,
    now,
    public,
    reading,
    settings,
    signed_in,
    transaction,
)

bp = Blueprint("account", __name__)
SEEN_EVERY = timedelta(minutes=1)
"""How often a session writes down that it is in use: not with every picture of a page."""


@bp.get("/")
@public
def front() -> ResponseReturnValue:
    """The door: everyone's own first page."""
    who = signed_in()
    return redirect(landing(who) if who else url_for("account.sign_in"), code=303)


@bp.get("/sign-in")
@public
def sign_in() -> ResponseReturnValue:
    """Ask for name and password."""
    who = signed_in()
    if who is not None:
        return redirect(local_path(request.args.get("next"), landing(who)), code=303)
    return render_template("account/sign_in.html", next=request.args.get("next", ""), email="", problems=())


@bp.post("/sign-in")
@public
def sign_in_now() -> ResponseReturnValue:
    """Check name and password, slowly and not too often."""
    email, password = request.form.get("email", ""), request.form.get("password", "")
    try:
        account_id, epoch = _checked(email, password)
    except RulesBroken as broken:
        status = 429 if isinstance(broken, signin.TooManyTries) else 422
        values = {"next": request.form.get("next", ""), "email": email, "problems": broken.problems}
        return render_template("account/sign_in.html", **values), status
    who = begin_session(account_id, epoch)
    return redirect(local_path(request.form.get("next"), landing(who)), code=303)


def _checked(email: str, password: str) -> tuple[int, int]:
    with transaction() as db:
        given = signin.begin_try(db, email, request.remote_addr or "unknown", now())
    # No transaction is open while the hash is worked out: it takes a while on purpose.
    if not signin.password_fits(given, password) or given.account_id is None:
        raise RulesBroken([Problem("sign_in_failed", "email")])
    with transaction() as db:
        return given.account_id, signin.finish_try(db, given, password)


def begin_session(account_id: int, epoch: int) -> Actor:
    """Sign the account in, in a session that shares nothing with whatever was in the browser before."""
    with reading() as db:
        who = signin.actor_of(db, account_id, epoch)
    if who is None:
        raise RulesBroken([Problem("sign_in_failed", "email")])
    session.clear()
    session.permanent = True
    session["began"] = session["seen"] = now().timestamp()
    login_user(SignedIn(who, f"{account_id}.{epoch}"))
    return who


def load(key: str) -> SignedIn | None:
    """Flask-Login asks who a session belongs to: nobody, once it has lapsed or the password was changed."""
    account_id, _dot, epoch = key.partition(".")
    if not (account_id.isdigit() and epoch.isdigit()) or _lapsed(now()):
        return None
    with reading() as db:
        who = signin.actor_of(db, int(account_id), int(epoch))
    return SignedIn(who, key) if who else None


def _lapsed(at: datetime) -> bool:
    began, seen = session.get("began", 0.0), session.get("seen", 0.0)
    if not settings().demo:  # the demo's clock jumps days ahead; its visitor stays
        if at.timestamp() - began > settings().session_hours * 3600:
            return True
        if at.timestamp() - seen > settings().session_idle_minutes * 60:
            return True
    if abs(at.timestamp() - seen) > SEEN_EVERY.total_seconds():
        session["seen"] = at.timestamp()
    return False


@bp.post("/sign-out")
@public
def sign_out() -> ResponseReturnValue:
    """End this session."""
    logout_user()
    session.clear()
    return redirect(url_for("account.sign_in"), code=303)


@bp.post("/language")
@public
def choose_language() -> ResponseReturnValue:
    """Read on in another language; kept with the account, and in this browser."""
    chosen = request.form.get("language", "")
    response = redirect(local_path(request.form.get("next"), "/"), code=303)
    if chosen in formats.LANGUAGES:
        who = signed_in()
        if who is not None:
            with transaction() as db:
                signin.choose_language(db, who, chosen)
        secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
        response.set_cookie("language", chosen, max_age=31_536_000, httponly=True, secure=secure, samesite="Lax")
    return response


@bp.post("/role")
@allow(Permission.OWN_ACCOUNT)
def choose_hat() -> ResponseReturnValue:
    """Work as another of one's own roles."""
    if request.form.get("hat") in navigation.hats_of(actor()):
        session["hat"] = request.form["hat"]
    return redirect(landing(actor()), code=303)


@bp.get("/account")
@allow(Permission.OWN_ACCOUNT)
def home() -> str:
    """What one may change about one's account."""
    return render_template("account/home.html", problems=())


@bp.post("/account/password")
@allow(Permission.OWN_ACCOUNT)
def change_password() -> ResponseReturnValue:
    """A new password; every other session ends, this one goes on."""
    typed = [request.form.get(name, "") for name in ("current", "password", "again")]
    try:
        with transaction() as db:
            given = signin.begin_try(db, signin.email_of(db, actor()), request.remote_addr or "unknown", now())
        with transaction() as db:
            epoch = signin.change_password(db, actor(), given, *typed)
    except RulesBroken as broken:
        status = 429 if isinstance(broken, signin.TooManyTries) else 422
        return render_template("account/home.html", problems=broken.problems), status
    begin_session(actor().account_id, epoch)
    done(_("Your password is changed. Every other phone and computer is signed out."))
    return redirect(url_for("account.home"), code=303)
