"""One visit: everything about it, and what one of the pair can do to it before it is held."""

from collections.abc import Callable

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from homevisits.access import Permission
from homevisits.pages import actor, allow, done, now, reading, settings, transaction
from homevisits.problems import NotFound, Problem, RulesBroken
from homevisits.visits import actions, forms, life, words
from homevisits.visits.queries import pages
from homevisits.visits.web import bp


@bp.get("/visits/<int:visit_id>")
@allow(Permission.OWN_VISITS, Permission.SEE_VISITS)
def visit_page(visit_id: int) -> ResponseReturnValue:
    """People, time, place just in time, the five practices with their evidence. Coordinators go to their own page."""
    try:
        return shown(visit_id, [])
    except NotFound:
        if not actor().may(Permission.SEE_VISITS):
            raise
        return redirect(url_for("visits.office_page", visit_id=visit_id), code=303)


def shown(visit_id: int, problems: list[Problem]) -> str:
    """The visit's page, with what stood against the last tap."""
    with reading() as session:
        page = pages.visit_page(session, actor(), visit_id, settings().policy, now())
    me = page.card.me(actor().educator_id)
    return render_template(
        "visits/visit.html",
        page=page,
        card=page.card,
        mine=me,
        other=page.card.other(actor().educator_id),
        my_account=page.account_of(me.id),
        other_account=page.account_of(page.card.other(me.id).id),
        marks=words.marks(page),
        problems=problems,
        now=now(),
    )


def _do(visit_id: int, act: Callable[[Session], object], message: str) -> ResponseReturnValue:
    """One tap: do it and say so, or show the visit with every reason why not."""
    try:
        with transaction() as session:
            act(session)
    except RulesBroken as broken:
        return shown(visit_id, list(broken.problems)), 422
    done(message)
    return redirect(url_for("visits.visit_page", visit_id=visit_id), code=303)


@bp.post("/visits/<int:visit_id>/accept")
@allow(Permission.OWN_VISITS)
def accept(visit_id: int) -> ResponseReturnValue:
    """I'll come."""
    return _do(
        visit_id,
        lambda session: actions.accept(session, actor(), visit_id, settings().policy, now()),
        _("Good. The family is asked to confirm the time."),
    )


@bp.post("/visits/<int:visit_id>/decline")
@allow(Permission.OWN_VISITS)
def decline(visit_id: int) -> ResponseReturnValue:
    """Not this time."""
    try:
        with transaction() as session:
            actions.decline(session, actor(), visit_id, now())
    except RulesBroken as broken:
        return shown(visit_id, list(broken.problems)), 422
    done(_("All right. Your hour is your own again."))
    return redirect(url_for("visits.my_day"), code=303)


@bp.post("/visits/<int:visit_id>/on-the-way")
@allow(Permission.OWN_VISITS)
def on_the_way(visit_id: int) -> ResponseReturnValue:
    """We are on our way: the partner sees it; nobody's location is kept."""
    return _do(
        visit_id,
        lambda session: actions.on_the_way(session, actor(), visit_id, now()),
        _("Your partner sees that you are on your way."),
    )


@bp.post("/visits/<int:visit_id>/cancel")
@allow(Permission.OWN_VISITS)
def cancel(visit_id: int) -> ResponseReturnValue:
    """Call it off; no reason asked."""
    return _do(
        visit_id,
        lambda session: actions.cancel(session, actor(), visit_id, settings().policy, now()),
        _("Called off. Everyone who knew of it is told."),
    )


@bp.post("/visits/<int:visit_id>/cannot-come")
@allow(Permission.OWN_VISITS)
def cannot_come(visit_id: int) -> ResponseReturnValue:
    """One of us cannot come: `who` is me or my partner."""
    typed = request.form.get("who", "")
    who = int(typed[:18]) if typed.isdecimal() else actor().educator_id or 0
    return _do(
        visit_id,
        lambda session: actions.cannot_come(session, actor(), visit_id, who, settings().policy, now()),
        _("Noted. The visit waits for someone to stand in: nobody goes alone."),
    )


@bp.get("/visits/<int:visit_id>/partner")
@allow(Permission.OWN_VISITS)
def choose_partner(visit_id: int) -> ResponseReturnValue:
    """Who could stand in at the time that stands?"""
    return too_late_for("replace", visit_id) or _stand_ins(visit_id, [])


def too_late_for(verb: str, visit_id: int) -> ResponseReturnValue | None:
    """Back to the visit's page when this cannot be done to it any more: an old link, a second tap."""
    with reading() as session:
        page = pages.visit_page(session, actor(), visit_id, settings().policy, now())
    if life.may(verb, page.card.state):
        return redirect(url_for("visits.visit_page", visit_id=visit_id), code=303)
    return None


def _stand_ins(visit_id: int, problems: list[Problem]) -> str:
    with reading() as session:
        page = pages.visit_page(session, actor(), visit_id, settings().policy, now())
        people = actions.stand_ins(session, actor(), visit_id, settings().policy, now())
    return render_template("visits/partner.html", card=page.card, people=people, problems=problems, office=False)


@bp.post("/visits/<int:visit_id>/partner")
@allow(Permission.OWN_VISITS)
def replace_partner(visit_id: int) -> ResponseReturnValue:
    """Ask someone to stand in."""
    typed = request.form.get("partner", "")
    try:
        with transaction() as session:
            stand_in = int(typed[:18]) if typed.isdecimal() else 0
            actions.replace_partner(session, actor(), visit_id, stand_in, settings().policy, now())
    except RulesBroken as broken:
        return _stand_ins(visit_id, list(broken.problems)), 422
    done(_("Asked. Once they come, the family is asked to confirm."))
    return redirect(url_for("visits.visit_page", visit_id=visit_id), code=303)


@bp.get("/visits/<int:visit_id>/move")
@allow(Permission.OWN_VISITS)
def other_times(visit_id: int) -> ResponseReturnValue:
    """Other times for the same two people."""
    return too_late_for("move", visit_id) or _other_times(visit_id, [])


def _other_times(visit_id: int, problems: list[Problem]) -> str:
    after = forms.day(request.args.get("after", ""))
    with reading() as session:
        page = pages.visit_page(session, actor(), visit_id, settings().policy, now())
        offer = actions.look_again(session, actor(), visit_id, settings().policy, now(), after=after)
    return render_template("visits/move.html", card=page.card, offer=offer, problems=problems, office=False)


@bp.post("/visits/<int:visit_id>/move")
@allow(Permission.OWN_VISITS)
def move(visit_id: int) -> ResponseReturnValue:
    """Move it; partner and family are asked again."""
    starts_at = forms.moment(request.form.get("start", ""))
    if starts_at is None:
        return _other_times(visit_id, [Problem("not_a_time", "start")]), 422
    try:
        with transaction() as session:
            actions.move(session, actor(), visit_id, starts_at, settings().policy, now())
    except RulesBroken as broken:
        return _other_times(visit_id, list(broken.problems)), 422
    done(_("Moved. Your partner is asked again, then the family."))
    return redirect(url_for("visits.visit_page", visit_id=visit_id), code=303)


@bp.post("/visits/<int:visit_id>/family")
@allow(Permission.OWN_VISITS)
def family_said(visit_id: int) -> ResponseReturnValue:
    """What the family said by phone or in person."""
    return _do(visit_id, lambda session: record_family(session, visit_id), _("Recorded. The visit follows it."))


ANSWERS = ("confirmed", "other_time", "not_now", "call_me")
BY = ("phone", "in_person", "paper")


def record_family(session: Session, visit_id: int) -> None:
    """Read the family's word from the form and record it; for the pair and for coordinators alike."""
    answer, how = request.form.get("answer", ""), request.form.get("how", "")
    problems = [Problem("not_a_choice", "answer")] if answer not in ANSWERS else []
    problems += [Problem("not_a_choice", "how")] if how not in BY else []
    if problems:
        raise RulesBroken(problems)
    actions.family_answers(session, actor(), visit_id, answer, settings().policy, now(), how=how)
