"""The coordinator's visits: all of a school's, and what is done on someone's behalf. No addresses, no reflections."""

from collections.abc import Callable
from datetime import timedelta

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from homevisits.access import Permission
from homevisits.pages import actor, allow, done, now, reading, settings, transaction
from homevisits.problems import Problem, RulesBroken
from homevisits.visits import actions, forms, life, words
from homevisits.visits.queries import cards, pages
from homevisits.visits.web import bp
from homevisits.visits.web.visit import record_family

VIEWS = ("ahead", "past")


@bp.get("/visits")
@allow(Permission.SEE_VISITS)
def all_visits() -> str:
    """The school's visits: what is ahead, and what was."""
    view = request.args.get("view", "ahead")
    view = view if view in VIEWS else "ahead"
    with reading() as session:
        if view == "ahead":
            first, last, states = now() - cards.REACH, now() + timedelta(days=400), tuple(sorted(life.LIVE))
        else:
            first, last, states = now() - timedelta(days=60), now(), tuple(sorted(life.ENDED))
        rows = cards.of_schools(session, actor(), first, last, states)
    if view == "past":
        rows.reverse()
    return render_template("visits/office_list.html", rows=rows, view=view, now=now())


@bp.get("/visits/<int:visit_id>/office")
@allow(Permission.SEE_VISITS)
def office_page(visit_id: int) -> str:
    """One visit of the school."""
    return _shown(visit_id, [])


def _shown(visit_id: int, problems: list[Problem]) -> str:
    with reading() as session:
        page = pages.office_page(session, actor(), visit_id, settings().policy)
    return render_template(
        "visits/office.html", page=page, card=page.card, marks=words.marks(page), problems=problems, now=now()
    )


def _do(visit_id: int, act: Callable[[Session], object], message: str) -> ResponseReturnValue:
    try:
        with transaction() as session:
            act(session)
    except RulesBroken as broken:
        return _shown(visit_id, list(broken.problems)), 422
    done(message)
    return redirect(url_for("visits.office_page", visit_id=visit_id), code=303)


@bp.post("/visits/<int:visit_id>/office/family")
@allow(Permission.SEE_VISITS)
def office_family(visit_id: int) -> ResponseReturnValue:
    """What a family said by phone, in person or on paper."""
    return _do(visit_id, lambda session: record_family(session, visit_id), _("Recorded. The visit follows it."))


@bp.post("/visits/<int:visit_id>/office/cancel")
@allow(Permission.SEE_VISITS)
def office_cancel(visit_id: int) -> ResponseReturnValue:
    """Call it off on someone's behalf."""
    return _do(
        visit_id,
        lambda session: actions.cancel(session, actor(), visit_id, settings().policy, now()),
        _("Called off. Everyone who knew of it is told."),
    )


@bp.post("/visits/<int:visit_id>/office/cannot-come")
@allow(Permission.SEE_VISITS)
def office_cannot_come(visit_id: int) -> ResponseReturnValue:
    """One of the two cannot come."""
    typed = request.form.get("who", "")
    who = int(typed[:18]) if typed.isdecimal() else 0
    return _do(
        visit_id,
        lambda session: actions.cannot_come(session, actor(), visit_id, who, settings().policy, now()),
        _("Noted. The visit waits for someone to stand in: nobody goes alone."),
    )


@bp.get("/visits/<int:visit_id>/office/partner")
@allow(Permission.SEE_VISITS)
def office_partner(visit_id: int) -> ResponseReturnValue:
    """Who could stand in?"""
    return _too_late_for("replace", visit_id) or _stand_ins(visit_id, [])


def _too_late_for(verb: str, visit_id: int) -> ResponseReturnValue | None:
    with reading() as session:
        page = pages.office_page(session, actor(), visit_id, settings().policy)
    if life.may(verb, page.card.state):
        return redirect(url_for("visits.office_page", visit_id=visit_id), code=303)
    return None


def _stand_ins(visit_id: int, problems: list[Problem]) -> str:
    with reading() as session:
        page = pages.office_page(session, actor(), visit_id, settings().policy)
        people = actions.stand_ins(session, actor(), visit_id, settings().policy, now())
    return render_template("visits/partner.html", card=page.card, people=people, problems=problems, office=True)


@bp.post("/visits/<int:visit_id>/office/partner")
@allow(Permission.SEE_VISITS)
def office_replace(visit_id: int) -> ResponseReturnValue:
    """Ask someone to stand in, on someone's behalf."""
    typed = request.form.get("partner", "")
    try:
        with transaction() as session:
            stand_in = int(typed[:18]) if typed.isdecimal() else 0
            actions.replace_partner(session, actor(), visit_id, stand_in, settings().policy, now())
    except RulesBroken as broken:
        return _stand_ins(visit_id, list(broken.problems)), 422
    done(_("Asked. Once they come, the family is asked to confirm."))
    return redirect(url_for("visits.office_page", visit_id=visit_id), code=303)


@bp.get("/visits/<int:visit_id>/office/move")
@allow(Permission.SEE_VISITS)
def office_times(visit_id: int) -> ResponseReturnValue:
    """Other times for the same two people."""
    return _too_late_for("move", visit_id) or _other_times(visit_id, [])


def _other_times(visit_id: int, problems: list[Problem]) -> str:
    after = forms.day(request.args.get("after", ""))
    with reading() as session:
        page = pages.office_page(session, actor(), visit_id, settings().policy)
        offer = actions.look_again(session, actor(), visit_id, settings().policy, now(), after=after)
    return render_template("visits/move.html", card=page.card, offer=offer, problems=problems, office=True)


@bp.post("/visits/<int:visit_id>/office/move")
@allow(Permission.SEE_VISITS)
def office_move(visit_id: int) -> ResponseReturnValue:
    """Move it on someone's behalf; both are asked."""
    starts_at = forms.moment(request.form.get("start", ""))
    if starts_at is None:
        return _other_times(visit_id, [Problem("not_a_time", "start")]), 422
    try:
        with transaction() as session:
            actions.move(session, actor(), visit_id, starts_at, settings().policy, now())
    except RulesBroken as broken:
        return _other_times(visit_id, list(broken.problems)), 422
    done(_("Moved. Both are asked again, then the family."))
    return redirect(url_for("visits.office_page", visit_id=visit_id), code=303)
