"""Keep a form whose session has ended, and show it filled in after the user has signed in again.

Every form carries a signed field, ``form_origin``: the account it was made for and the page it is on. A form is kept
only when that signature is valid and the request comes from our own pages. It is shown only to the same account.
"""

import re
from html import unescape
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, current_app, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError, generate_csrf
from itsdangerous import BadSignature, Signer
from werkzeug.exceptions import HTTPException

from homevisits.core.access import Permission
from homevisits.people.sign_in import saved_forms
from homevisits.people.sign_in.form_filling import Page
from homevisits.people.sign_in.saved_forms import TypedForm
from homevisits.web.context import now, settings, show_notice, transaction
from homevisits.web.errors import error_page
from homevisits.web.security import (
    SignInRequired,
    allow,
    current_actor,
    landing_page,
    local_path,
    permissions_of,
    signed_in_actor,
)

bp = Blueprint("saved_forms", __name__, url_prefix="/kept-form")
OWN_FIELDS = frozenset({"csrf_token", "form_origin", "saved_form"})  # new on each page, never kept
# Password fields, never kept. A test compares them with the fields of every page.
SECRET_FIELDS = frozenset({"password", "current", "again"})
MAX_PAGE_PATH_LENGTH = 500
TITLE = re.compile(r"<h1[^>]*>(.*?)</h1>", re.DOTALL)
TAGS = re.compile(r"<[^>]+>")


def install(app: Flask) -> None:
    """Give every form its origin, and take the requests that have no session any more."""
    app.jinja_env.globals["form_origin"] = form_origin
    app.register_error_handler(SignInRequired, _sign_in_required)
    app.register_error_handler(CSRFError, _token_refused)
    app.after_request(_discard_when_sent)


def _signer() -> Signer:
    return Signer(str(current_app.secret_key), salt="form origin")


def form_origin() -> str:
    """The signed origin of the forms on this page: the account (0 if not signed in) and the page's address."""
    known: dict[str, str] = g.setdefault("form_origins", {})
    page = _request_path()
    if request.method != "GET":
        # A page that answers a POST cannot be opened by its address; the page before it can.
        page = (_posted_origin() or (0, request.path))[1]
    if page not in known:
        who = signed_in_actor()
        known[page] = _signer().sign(f"{who.account_id if who else 0} {page}").decode()
    return known[page]


def _request_path() -> str:
    full = request.full_path.rstrip("?")
    return full if len(full) <= MAX_PAGE_PATH_LENGTH else request.path


def _posted_origin() -> tuple[int, str] | None:
    """The account and the page of the form that was sent; None when it names none that we signed."""
    try:
        account_id, _blank, page = _signer().unsign(request.form.get("form_origin", "")).decode().partition(" ")
    except (BadSignature, UnicodeError, HTTPException):  # a form that is too large cannot be read
        return None
    return int(account_id), page


def _is_same_origin() -> bool:
    """Return whether the request headers show that our own page sent it. Without such headers it is not trusted."""
    ours = {_origin(request.host_url), _origin(settings().public_url)}
    headers = request.headers
    answers = []
    if "Sec-Fetch-Site" in headers:
        answers.append(headers["Sec-Fetch-Site"] == "same-origin")
    answers += [_origin(headers[name]) in ours for name in ("Origin", "Referer") if name in headers]
    return bool(answers) and all(answers)


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc


def _read_typed_form(page: str) -> TypedForm:
    fields = request.form.items(multi=True)
    kept = tuple((name, value) for name, value in fields if name not in OWN_FIELDS | SECRET_FIELDS)
    return TypedForm(request.full_path.rstrip("?"), page, kept)


def _save_form() -> str | None:
    """Keep the form of this request for its account. Returns the address to see it at, None when it is not kept."""
    origin, who = _posted_origin(), signed_in_actor()
    if origin is None or not origin[0] or not _is_same_origin() or (who and who.account_id != origin[0]):
        return None
    with transaction() as db:
        token = saved_forms.save_form(db, origin[0], _read_typed_form(origin[1]), now())
    return url_for("saved_forms.show", token=token) if token else None


def _sign_in_required(_error: SignInRequired) -> ResponseReturnValue:
    after = _request_path() if request.method == "GET" else "/"
    if request.method == "POST":
        after = _save_form() or after
    return redirect(url_for("account.sign_in", next=after), code=303)


def _token_refused(_error: CSRFError) -> ResponseReturnValue:
    """Answer a form with the CSRF token of another session, because the cookie is gone or there was a new sign-in."""
    who, origin = signed_in_actor(), _posted_origin()
    if request.endpoint == ("account.sign_in_now" if who else "account.sign_out"):
        return redirect(url_for("account.sign_in", next=request.form.get("next")), code=303)
    if origin and _is_same_origin():
        if not permissions_of(current_app.view_functions[str(request.endpoint)]):
            return _render_filled_page(_read_typed_form(origin[1]), None), 400
        address = _save_form()
        if address:
            return redirect(address if who else url_for("account.sign_in", next=address), code=303)
    return error_page(400, stale=True)


@bp.get("/<token>")
@allow(Permission.OWN_ACCOUNT)
def show(token: str) -> ResponseReturnValue:
    """Show the form again with what was typed."""
    with transaction() as db:
        typed = saved_forms.find_saved_form(db, current_actor().account_id, token, now())
    if typed is None:
        show_notice(_("What you typed was deleted."))
        return redirect(landing_page(current_actor()), code=303)
    return _render_filled_page(typed, token)


@bp.post("/<token>/discard")
@allow(Permission.OWN_ACCOUNT)
def discard(token: str) -> ResponseReturnValue:
    """Delete what was typed, and go on at the page it was typed on."""
    with transaction() as db:
        typed = saved_forms.find_saved_form(db, current_actor().account_id, token, now())
        saved_forms.discard_form(db, current_actor().account_id, token)
    return redirect(local_path(typed.page if typed else None, landing_page(current_actor())), code=303)


def _render_filled_page(typed: TypedForm, token: str | None) -> str:
    """The page the form is on, filled in; for a button alone, or a form that is gone, a page that names it."""
    html = _render_page_at(typed.page)
    page = Page(html, typed.page)
    found = page.form_for(urlsplit(typed.path).path, typed.fields, OWN_FIELDS)
    if found and found.is_editable:
        notice = render_template("people/sign_in/saved_form_notice.html", token=token, found=found)
        extra = render_template("people/sign_in/saved_form_field.html", token=token) if token else ""
        return page.filled(found, typed.fields, extra, notice)
    title = TITLE.search(html)
    return render_template(
        "people/sign_in/saved_form_resend.html",
        typed=typed,
        token=token,
        action=found.pressed(typed.fields) if found else "",
        page_title=unescape(TAGS.sub("", title[1])).strip() if title else "",
        texts=() if found else [value for _name, value in typed.fields if " " in value.strip()],
    )


def _render_page_at(address: str) -> str:
    """Return the HTML of a page as the user of this request would get it, or an empty text if it cannot be opened."""
    generate_csrf()  # both requests then use the token of this one
    parts = urlsplit(address)
    environ: dict[str, Any] = {
        name: value
        for name, value in request.environ.items()
        if not name.startswith(("HTTP_IF_", "HTTP_RANGE", "werkzeug.", "CONTENT_"))
    }
    path = parts.path.encode().decode("latin-1")  # as WSGI wants it
    environ |= {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": parts.query, "wsgi.input": BytesIO()}
    with current_app.request_context(environ):
        answer = current_app.full_dispatch_request()
        html = answer.get_data(as_text=True) if (answer.status_code, answer.mimetype) == (200, "text/html") else ""
    session.pop("_flashes", None)  # that page has shown them
    return html


def _discard_when_sent(response: Response) -> Response:
    # A form that was too large cannot be read here either, so the status is asked first.
    if request.method == "POST" and response.status_code < 400:
        token, who = request.form.get("saved_form"), signed_in_actor()
        if token and who:
            with transaction() as db:
                saved_forms.discard_form(db, who.account_id, token)
    return response
