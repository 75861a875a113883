"""Views of the demo: choice of role, a family's phone and the clock. Loaded only in demo mode."""

import secrets
from datetime import datetime, time, timedelta
from typing import Any

import structlog
from babel import Locale
from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from homevisits import worker
from homevisits.core import clock, local_time
from homevisits.demo import accounts, guide
from homevisits.demo.queries import guide as guide_queries
from homevisits.demo.settings import clock_file
from homevisits.inbox import processing as inbox
from homevisits.people.account_web import start_session
from homevisits.people.phones import format_phone
from homevisits.people.sign_in import sessions
from homevisits.web import formats
from homevisits.web.context import reading, services, settings, transaction
from homevisits.web.security import landing_page, local_path, page_permissions, public, signed_in_actor

bp = Blueprint("demo", __name__, url_prefix="/demo")
CHIPS = ("1", "2", "3", "9", "STOP")
LONGEST = 480
MORNING = time(9, 0)
log = structlog.get_logger("homevisits.demo")


@bp.before_app_request
def _begin_at_the_guide() -> ResponseReturnValue | None:
    """Reject requests outside demo mode, and redirect the start page to the guide."""
    if not settings().demo:
        abort(404)
    if request.method == "GET" and request.path == "/" and signed_in_actor() is None:
        return redirect(url_for("demo.front"), code=303)
    return None


@bp.app_context_processor
def _bar() -> dict[str, Any]:
    """Return the data for the demo bar on every page."""
    now = clock.now()
    with reading() as db:
        event, members = guide_queries.next_event(db, now), accounts.members(db)
    return {
        "demo_now": now,
        "demo_zone": settings().timezone,
        "demo_event": event,
        "demo_members": members,
        "demo_parts": guide.PARTS,
        "demo_family": session.get("demo_family"),
        "demo_here": request.full_path.rstrip("?") if request.method == "GET" else "/demo/",
    }


@bp.get("/")
@public
def front() -> str:
    """Show the roles and the guide."""
    with reading() as db:
        names = {part: member.name for part, member in accounts.members(db).items()}
        drawn = accounts.story_draw(db)
    marks = {"/asking": f"#draw-{drawn}"} if drawn else {}
    shown = {"story": guide.STORY, "known": page_permissions(), "names": names, "marks": marks}
    return _page("front", **shown, PHONE=guide.PHONE, CLOCK=guide.CLOCK)


def _page(name: str, **values: object) -> str:
    """Render a page without the navigation of the signed-in user."""
    return render_template(f"demo/{name}.html", places=(), **values)


@bp.post("/be")
@public
def sign_in_as() -> ResponseReturnValue:
    """Sign in as a demo user with a single click."""
    with reading() as db:
        member = accounts.members(db).get(request.form.get("part", ""))
    if member is None:
        abort(404)
    family = session.get("demo_family")
    with transaction() as db:
        token = sessions.begin_session(db, member.account_id, clock.now())
    who = start_session(token)
    session["demo_family"] = family
    return redirect(local_path(request.form.get("next"), landing_page(who)), code=303)


@bp.get("/phone")
@public
def phones() -> str:
    """Show the list of families to choose a phone from."""
    words = request.args.get("q", "")
    with reading() as db:
        contacts = guide_queries.contacts(db, words)
    return _page("phones", contacts=contacts, words=words, language_name=_language)


def _language(code: str) -> str:
    """Return the name of a family's language in the user's language."""
    return formats.capitalize_first(Locale.parse(formats.current_language()).languages.get(code, code))


@bp.get("/phone/<int:family_id>")
@public
def phone(family_id: int) -> str:
    """Show a family's phone with its messages and a reply form."""
    with reading() as db:
        phone_ = guide_queries.phone(db, family_id, settings().timezone)
    session["demo_family"] = family_id
    return _page("phone", phone=phone_, number=format_phone(phone_.number), chips=CHIPS)


@bp.post("/phone/<int:family_id>")
@public
def reply(family_id: int) -> ResponseReturnValue:
    """Process a family's reply in the same way as a real incoming message."""
    body = (request.form.get("chip") or request.form.get("body", "")).strip()[:LONGEST]
    with reading() as db:
        phone_ = guide_queries.phone(db, family_id, settings().timezone)
    if body and phone_.number:
        text = inbox.ReceivedMessage(f"demo-{secrets.token_hex(8)}", phone_.number, "demo", body)
        with transaction() as db:
            inbox.receive_message(db, text, settings().policy, clock.now())
        _run_jobs()
    return redirect(url_for("demo.phone", family_id=family_id) + "#newest", code=303)


@bp.post("/clock")
@public
def advance_clock() -> ResponseReturnValue:
    """Advance the clock to the next event or to tomorrow morning, and run the jobs due by then."""
    now = clock.now()
    with reading() as db:
        event = guide_queries.next_event(db, now)
    target = event.at + timedelta(seconds=5) if event and request.form.get("to") == "event" else _morning(now)
    try:
        clock.advance_to(clock_file(settings()), target)
    except ValueError:
        log.info("clock_already_later", target=target.isoformat())
    _run_jobs()
    return redirect(local_path(request.form.get("next"), url_for("demo.front")), code=303)


def _morning(now: datetime) -> datetime:
    zone = settings().timezone
    tomorrow = local_time.to_local(now, zone).date() + timedelta(days=1)
    return local_time.to_utc(tomorrow, MORNING, zone) or now + timedelta(days=1)


def _run_jobs() -> None:
    """Run the worker's jobs immediately, so that the page shows their effect."""
    for job in worker.build_jobs(settings(), services().database):
        worker.run_job(job)
