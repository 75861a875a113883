"""One visit: everything about it, and what one of the pair can do to it before it is held."""

from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from homevisits.core.access import Permission
from homevisits.core.problems import NotFound, Problem, RulesBroken
from homevisits.visits import actions, labels
from homevisits.visits.queries import detail
from homevisits.visits.web import change
from homevisits.visits.web.blueprint import bp
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor


@bp.get("/visits/<int:visit_id>")
@allow(Permission.OWN_VISITS, Permission.SEE_VISITS)
def visit_page(visit_id: int) -> ResponseReturnValue:
    """People, time, place just in time, the five practices with their evidence. Coordinators go to their own page."""
    try:
        return shown(visit_id, [])
    except NotFound:
        if not current_actor().may(Permission.SEE_VISITS):
            raise
        return redirect(url_for("visits.office_page", visit_id=visit_id), code=303)


def shown(visit_id: int, problems: list[Problem]) -> str:
    """The visit's page, with what stood against the last tap."""
    with reading() as session:
        page = detail.visit_page(session, current_actor(), visit_id, settings().policy, now())
    me = page.card.me(current_actor().educator_id)
    return render_template(
        "visits/visit.html",
        page=page,
        card=page.card,
        mine=me,
        other=page.card.other(current_actor().educator_id),
        my_account=page.account_of(me.id),
        other_account=page.account_of(page.card.other(me.id).id),
        marks=labels.marks(page),
        problems=problems,
        now=now(),
    )


SIDE = change.Side(
    office=False,
    endpoint="visits.visit_page",
    read=lambda session, visit_id: detail.visit_page(session, current_actor(), visit_id, settings().policy, now()),
    shown=shown,
)


@bp.post("/visits/<int:visit_id>/accept")
@allow(Permission.OWN_VISITS)
def accept(visit_id: int) -> ResponseReturnValue:
    """I'll come."""
    return SIDE.do(
        visit_id,
        lambda session: actions.accept(session, current_actor(), visit_id, settings().policy, now()),
        _("Great. We are asking the family to confirm the time."),
    )


@bp.post("/visits/<int:visit_id>/decline")
@allow(Permission.OWN_VISITS)
def decline(visit_id: int) -> ResponseReturnValue:
    """Not this time."""
    try:
        with transaction() as session:
            actions.decline(session, current_actor(), visit_id, settings().policy, now())
    except RulesBroken as broken:
        return shown(visit_id, list(broken.problems)), 422
    show_notice(_("OK. That time is free again."))
    return redirect(url_for("visits.my_day"), code=303)


@bp.post("/visits/<int:visit_id>/on-the-way")
@allow(Permission.OWN_VISITS)
def on_the_way(visit_id: int) -> ResponseReturnValue:
    """We are on our way: the partner sees it; nobody's location is kept."""
    return SIDE.do(
        visit_id,
        lambda session: actions.on_the_way(session, current_actor(), visit_id, now()),
        _("Your partner can see that you are on your way."),
    )


@bp.post("/visits/<int:visit_id>/cancel")
@allow(Permission.OWN_VISITS)
def cancel(visit_id: int) -> ResponseReturnValue:
    """Call it off; no reason asked."""
    return change.cancel(SIDE, visit_id)


@bp.post("/visits/<int:visit_id>/not-held")
@allow(Permission.OWN_VISITS)
def mark_not_held(visit_id: int) -> ResponseReturnValue:
    """Close a visit that did not take place."""
    return change.mark_not_held(SIDE, visit_id)


@bp.post("/visits/<int:visit_id>/cannot-come")
@allow(Permission.OWN_VISITS)
def cannot_come(visit_id: int) -> ResponseReturnValue:
    """One of us cannot come: `who` is me or my partner."""
    return change.cannot_come(SIDE, visit_id, current_actor().educator_id or 0)


@bp.get("/visits/<int:visit_id>/partner")
@allow(Permission.OWN_VISITS)
def choose_partner(visit_id: int) -> ResponseReturnValue:
    """Who could stand in at the time that stands?"""
    return change.stand_ins(SIDE, visit_id)


@bp.post("/visits/<int:visit_id>/partner")
@allow(Permission.OWN_VISITS)
def replace_partner(visit_id: int) -> ResponseReturnValue:
    """Ask someone to stand in."""
    return change.replace_partner(SIDE, visit_id)


@bp.get("/visits/<int:visit_id>/move")
@allow(Permission.OWN_VISITS)
def other_times(visit_id: int) -> ResponseReturnValue:
    """Other times for the same two people."""
    return change.other_times(SIDE, visit_id)


@bp.post("/visits/<int:visit_id>/move")
@allow(Permission.OWN_VISITS)
def move(visit_id: int) -> ResponseReturnValue:
    """Move it; partner and family are asked again."""
    return change.move(SIDE, visit_id, _("Moved. We are asking your partner again, then the family."))


@bp.post("/visits/<int:visit_id>/family")
@allow(Permission.OWN_VISITS)
def family_said(visit_id: int) -> ResponseReturnValue:
    """What the family said by phone or in person."""
    return change.family_said(SIDE, visit_id)
