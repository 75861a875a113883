"""Pages for the user's account: sign-in, sign-out, language, role, password."""

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_user, logout_user
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import Problem, RulesBroken
from homevisits.people.sign_in import attempts, sessions
from homevisits.people.sign_in.session_limits import session_limits
from homevisits.web import formats, navigation
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.security import SignedIn, allow, current_actor, landing_page, local_path, public, signed_in_actor

bp = Blueprint("account", __name__)


@bp.get("/")
@public
def front() -> ResponseReturnValue:
    """Redirect to the user's first page, or to the sign-in page."""
    who = signed_in_actor()
    return redirect(landing_page(who) if who else url_for("account.sign_in"), code=303)


@bp.get("/sign-in")
@public
def sign_in() -> ResponseReturnValue:
    """Show the sign-in form."""
    who = signed_in_actor()
    if who is not None:
        return redirect(local_path(request.args.get("next"), landing_page(who)), code=303)
    return render_template("people/sign_in/sign_in.html", next=request.args.get("next", ""), email="", problems=())


@bp.post("/sign-in")
@public
def sign_in_now() -> ResponseReturnValue:
    """Check e-mail address and password; the throttle limits the attempts."""
    email, password = request.form.get("email", ""), request.form.get("password", "")
    try:
        token = _check_password_and_sign_in(email, password)
    except RulesBroken as broken:
        status = 429 if isinstance(broken, attempts.TooManyAttempts) else 422
        values = {"next": request.form.get("next", ""), "email": email, "problems": broken.problems}
        return render_template("people/sign_in/sign_in.html", **values), status
    who = start_session(token)
    return redirect(local_path(request.form.get("next"), landing_page(who)), code=303)


def _check_password_and_sign_in(email: str, password: str) -> str:
    with transaction() as db:
        attempt = attempts.begin_attempt(db, email, request.remote_addr or "unknown", now())
    # No transaction is open during the password hash, which is slow on purpose.
    if not attempts.is_password_correct(attempt, password) or attempt.account_id is None:
        raise RulesBroken([Problem("sign_in_failed", "email")])
    with transaction() as db:
        return attempts.finish_attempt(db, attempt, password, now())


def start_session(token: str) -> Actor:
    """Sign the browser in with a new session and end its previous session."""
    with transaction() as db:
        _end_session_of_browser(db)
        sign_in_session = sessions.find_session(db, token, session_limits(settings()), now())
    if sign_in_session is None:
        raise RulesBroken([Problem("sign_in_failed", "email")])
    session.clear()
    session.permanent = True
    login_user(SignedIn(sign_in_session.actor, token))
    return sign_in_session.actor


def _end_session_of_browser(db: Session) -> None:
    token = session.get("_user_id")
    if token:
        sessions.end_session(db, token, now())


def load_user(token: str) -> SignedIn | None:
    """Return the user of a session token for Flask-Login, or None if the session has ended."""
    with reading() as db:
        sign_in_session = sessions.find_session(db, token, session_limits(settings()), now())
    if sign_in_session is None:
        return None
    if sign_in_session.needs_refresh:
        with transaction() as db:
            sessions.refresh_session(db, token, now())
    return SignedIn(sign_in_session.actor, token)


@bp.post("/sign-out")
@public
def sign_out() -> ResponseReturnValue:
    """End this session."""
    with transaction() as db:
        _end_session_of_browser(db)
    logout_user()
    session.clear()
    return redirect(url_for("account.sign_in"), code=303)


@bp.post("/language")
@public
def choose_language() -> ResponseReturnValue:
    """Set the language of the account and of this browser."""
    chosen = request.form.get("language", "")
    response = redirect(local_path(request.form.get("next"), "/"), code=303)
    if chosen in formats.offered_languages():
        who = signed_in_actor()
        if who is not None:
            with transaction() as db:
                attempts.choose_language(db, who, chosen)
        secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
        response.set_cookie("language", chosen, max_age=31_536_000, httponly=True, secure=secure, samesite="Lax")
    return response


@bp.post("/role")
@allow(Permission.OWN_ACCOUNT)
def choose_role() -> ResponseReturnValue:
    """Switch to another of the user's roles."""
    if request.form.get("role") in navigation.held_roles(current_actor()):
        session["active_role"] = request.form["role"]
    return redirect(landing_page(current_actor()), code=303)


@bp.get("/account")
@allow(Permission.OWN_ACCOUNT)
def home() -> str:
    """Show the account page."""
    return render_template("people/account.html", problems=())


@bp.post("/account/password")
@allow(Permission.OWN_ACCOUNT)
def change_password() -> ResponseReturnValue:
    """Change the password and end all other sessions."""
    typed = attempts.NewPassword(*(request.form.get(name, "") for name in ("current", "password", "again")))
    try:
        with transaction() as db:
            attempt = attempts.begin_attempt(
                db, attempts.get_email(db, current_actor()), request.remote_addr or "unknown", now()
            )
        with transaction() as db:
            token = attempts.change_password(db, current_actor(), attempt, typed, now())
    except RulesBroken as broken:
        status = 429 if isinstance(broken, attempts.TooManyAttempts) else 422
        return render_template("people/account.html", problems=broken.problems), status
    start_session(token)
    show_notice(_("Your password was changed. You were signed out on every other phone and computer."))
    return redirect(url_for("account.home"), code=303)
