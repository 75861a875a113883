"""Pages: ask the next families of a draw, and record a family's own request."""

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
from homevisits.invitations.queue import NextFamily, Progress
from homevisits.web.context import now, reading, show_notice, transaction
from homevisits.web.security import allow, current_actor

bp = Blueprint("invitations", __name__)
MAX_FAMILIES_AT_ONCE = 50


@dataclass(frozen=True)
class DrawCard:
    """A draw on the asking page: its progress, its next family and the message, or the reason for a call."""

    draw: DrawRow
    progress: Progress
    next_family: NextFamily | None = None
    contact: Contact | None = None
    text: str | None = None
    call_reason: str | None = None


@bp.get("/asking")
@allow(Permission.ASK)
def asking() -> str:
    """Show the draws with their next families."""
    return _render_asking([])


@bp.post("/asking/<int:draw_id>/ask")
@allow(Permission.ASK)
def ask(draw_id: int) -> ResponseReturnValue:
    """Ask the family shown, or the next few."""
    family, count = request.form.get("family", ""), request.form.get("count", "")
    try:
        with transaction() as session:
            draws.get_draw(session, current_actor(), draw_id)  # raises NotFound for a draw of another school
            if family.isascii() and family.isdigit() and len(family) < 18:
                invited = [actions.ask_one(session, current_actor(), draw_id, int(family), now())]
            else:
                # An unreadable number asks no families, because a sent message cannot be withdrawn.
                number = int(count) if count.isascii() and count.isdigit() and len(count) < 4 else 0
                is_in_range = 1 <= number <= MAX_FAMILIES_AT_ONCE
                refuse_if_any(
                    []
                    if is_in_range
                    else [Problem("count_out_of_range", f"count-{draw_id}", {"most": MAX_FAMILIES_AT_ONCE})]
                )
                invited = actions.ask_next(session, current_actor(), draw_id, number, now())
    except RulesBroken as broken:
        return _render_asking(list(broken.problems)), 422
    calls = sum(family.call_reason is not None for family in invited)
    texts = len(invited) - calls
    notices = (
        [ngettext("We are asking one family by text.", "We are asking %(num)d families by text.", texts)]
        if texts
        else []
    )
    if calls:
        notices.append(ngettext("One family needs a call from you.", "%(num)d families need a call from you.", calls))
    show_notice(" ".join(notices))
    return redirect(url_for("invitations.asking"), code=303)


@bp.get("/asking/request")
@allow(Permission.ASK)
def new_request() -> str:
    """Show the search for a family that asked for a visit."""
    return _render_request([])


@bp.post("/asking/request")
@allow(Permission.ASK)
def record_request() -> ResponseReturnValue:
    """Record a family's own request for a visit."""
    family, _colon, school = request.form.get("family", "").partition(":")
    how = request.form.get("how", "")
    if not all(value.isascii() and value.isdigit() and len(value) < 18 for value in (family, school)):
        channel_problems = [] if how in actions.CHANNELS else [Problem("not_a_choice", "how")]
        return _render_request([Problem("not_a_choice", "family"), *channel_problems]), 422
    try:
        with transaction() as session:
            actions.record_request(session, current_actor(), int(family), int(school), how=how, now=now())
    except RulesBroken as broken:
        return _render_request(list(broken.problems)), 422
    show_notice(_("Saved: this family asked for a visit. Its teachers see it in My families."))
    return redirect(url_for("invitations.asking"), code=303)


def _render_asking(problems: list[Problem]) -> str:
    with reading() as session:
        rows = draws.list_current_draws(session, current_actor(), now() - queue.LIST_PERIOD)
        progress = queue.load_progress(session, [row.id for row in rows])
        cards = []
        for row in rows:
            waiting = queue.list_next_families(session, row.id, 1, now())
            if not waiting:
                cards.append(DrawCard(draw=row, progress=progress[row.id]))
                continue
            contact, text, call_reason = actions.preview_invitation(session, row.school_id, waiting[0].family_id)
            cards.append(
                DrawCard(
                    draw=row,
                    progress=progress[row.id],
                    next_family=waiting[0],
                    contact=contact,
                    text=text,
                    call_reason=call_reason,
                )
            )
        asked = queue.list_open_invitations(session, current_actor(), now())
    return render_template("invitations/asking.html", cards=cards, asked=asked, problems=problems)


def _render_request(problems: list[Problem]) -> str:
    query = request.values.get("q", "").strip()
    with reading() as session:
        families = queries.find_families(session, current_actor(), query)
    return render_template(
        "invitations/record_request.html",
        words=query,
        found=families,
        family=request.form.get("family", ""),
        how=request.form.get("how", ""),
        problems=problems,
    )
