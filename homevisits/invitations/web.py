"""Pages of asking: the next family and why it is next, the next few at once, a family that asked itself."""

from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from homevisits.core.access import Permission
from homevisits.core.problems import Problem, RulesBroken, refuse_if_any
from homevisits.draws import queries as draws
from homevisits.draws.queries import DrawRow
from homevisits.invitations import actions, queries, queue
from homevisits.invitations.queries import Contact
from homevisits.invitations.queue import Next, Progress
from homevisits.web.context import now, reading, show_notice, transaction
from homevisits.web.security import allow, current_actor

bp = Blueprint("invitations", __name__)
MOST_AT_ONCE = 50


@dataclass(frozen=True)
class ToAsk:
    """A draw on the asking page: how far it is, and the family that is next with its text (or why one calls)."""

    draw: DrawRow
    progress: Progress
    next: Next | None
    contact: Contact | None
    text: str | None
    call: str | None


@bp.get("/asking")
@allow(Permission.ASK)
def asking() -> str:
    """Ask the next family."""
    return _asking([])


@bp.post("/asking/<int:draw_id>/ask")
@allow(Permission.ASK)
def ask(draw_id: int) -> ResponseReturnValue:
    """Ask the family shown, or the next few."""
    family, count = request.form.get("family", ""), request.form.get("count", "")
    try:
        with transaction() as session:
            draws.get_draw(session, current_actor(), draw_id)  # of another school: not found, whatever was typed
            if family.isascii() and family.isdigit() and len(family) < 18:
                invited = [actions.ask_one(session, current_actor(), draw_id, int(family), now())]
            else:
                # Nobody is asked on a number that cannot be read: a text cannot be taken back.
                number = int(count) if count.isascii() and count.isdigit() and len(count) < 4 else 0
                in_reach = 1 <= number <= MOST_AT_ONCE
                refuse_if_any([] if in_reach else [Problem("ask_how_many", f"count-{draw_id}", {"most": MOST_AT_ONCE})])
                invited = actions.ask_next(session, current_actor(), draw_id, number, now())
    except RulesBroken as broken:
        return _asking(list(broken.problems)), 422
    calls = sum(each.call is not None for each in invited)
    texts = len(invited) - calls
    said = (
        [ngettext("We are asking one family by text.", "We are asking %(num)d families by text.", texts)]
        if texts
        else []
    )
    if calls:
        said.append(ngettext("One family needs a call from you.", "%(num)d families need a call from you.", calls))
    show_notice(" ".join(said))
    return redirect(url_for("invitations.asking"), code=303)


@bp.get("/asking/request")
@allow(Permission.ASK)
def new_request() -> str:
    """Find the family that asked for a visit itself."""
    return _request_page([])


@bp.post("/asking/request")
@allow(Permission.ASK)
def record_request() -> ResponseReturnValue:
    """Record that a family asked for a visit itself."""
    family, _colon, school = request.form.get("family", "").partition(":")
    how = request.form.get("how", "")
    if not all(each.isascii() and each.isdigit() and len(each) < 18 for each in (family, school)):
        told = [] if how in actions.HOW else [Problem("not_a_choice", "how")]
        return _request_page([Problem("not_a_choice", "family"), *told]), 422
    try:
        with transaction() as session:
            actions.request(session, current_actor(), int(family), int(school), how, now())
    except RulesBroken as broken:
        return _request_page(list(broken.problems)), 422
    show_notice(_("Saved: this family asked for a visit. Its teachers see it in My families."))
    return redirect(url_for("invitations.asking"), code=303)


def _asking(problems: list[Problem]) -> str:
    with reading() as session:
        rows = draws.list_current_draws(session, current_actor(), now() - queue.A_YEAR)
        progress = queue.progress(session, [row.id for row in rows])
        cards = []
        for row in rows:
            waiting = queue.next_families(session, row.id, 1, now())
            if not waiting:
                cards.append(ToAsk(row, progress[row.id], None, None, None, None))
                continue
            contact, text, call = actions.preview(session, row.school_id, waiting[0].family_id)
            cards.append(ToAsk(row, progress[row.id], waiting[0], contact, text, call))
        asked = queue.asked(session, current_actor(), now())
    return render_template("invitations/asking.html", cards=cards, asked=asked, problems=problems)


def _request_page(problems: list[Problem]) -> str:
    words = request.values.get("q", "").strip()
    with reading() as session:
        found = queries.find_families(session, current_actor(), words)
    return render_template(
        "invitations/request.html",
        words=words,
        found=found,
        family=request.form.get("family", ""),
        how=request.form.get("how", ""),
        problems=problems,
    )
