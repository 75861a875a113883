"""Pages for the pair: a visit and the actions on it before it takes place."""

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
    """Show a visit to a member of its pair. Redirect coordinators to the office page."""
    try:
        return render_visit(visit_id, [])
    except NotFound:
        if not current_actor().may(Permission.SEE_VISITS):
            raise
        return redirect(url_for("visits.office_page", visit_id=visit_id), code=303)


def render_visit(visit_id: int, problems: list[Problem]) -> str:
    """Render the visit's page with the problems of the last action."""
    with reading() as session:
        page = detail.get_visit_detail(session, current_actor(), visit_id, settings().policy, now())
    own = page.card.own_member(current_actor().educator_id)
    return render_template(
        "visits/visit.html",
        page=page,
        card=page.card,
        mine=own,
        other=page.card.other_member(current_actor().educator_id),
        my_account=page.report_by(own.id),
        other_account=page.report_by(page.card.other_member(own.id).id),
        marks=labels.marks(page),
        problems=problems,
        now=now(),
    )


PAIR_PAGE = change.PageVariant(
    office=False,
    endpoint="visits.visit_page",
    load=lambda session, visit_id: detail.get_visit_detail(
        session, current_actor(), visit_id, settings().policy, now()
    ),
    render=render_visit,
)


@bp.post("/visits/<int:visit_id>/accept")
@allow(Permission.OWN_VISITS)
def accept(visit_id: int) -> ResponseReturnValue:
    """Accept."""
    return PAIR_PAGE.perform(
        visit_id,
        lambda session: actions.accept(session, current_actor(), visit_id, settings().policy, now()),
        _("Great. We are asking the family to confirm the time."),
    )


@bp.post("/visits/<int:visit_id>/decline")
@allow(Permission.OWN_VISITS)
def decline(visit_id: int) -> ResponseReturnValue:
    """Decline."""
    try:
        with transaction() as session:
            actions.decline(session, current_actor(), visit_id, settings().policy, now())
    except RulesBroken as broken:
        return render_visit(visit_id, list(broken.problems)), 422
    show_notice(_("OK. That time is free again."))
    return redirect(url_for("visits.my_day"), code=303)


@bp.post("/visits/<int:visit_id>/on-the-way")
@allow(Permission.OWN_VISITS)
def on_the_way(visit_id: int) -> ResponseReturnValue:
    """Record that the actor is on the way. No location is stored."""
    return PAIR_PAGE.perform(
        visit_id,
        lambda session: actions.on_the_way(session, current_actor(), visit_id, now()),
        _("Your partner can see that you are on your way."),
    )


@bp.post("/visits/<int:visit_id>/cancel")
@allow(Permission.OWN_VISITS)
def cancel(visit_id: int) -> ResponseReturnValue:
    """Cancel the visit."""
    return change.cancel(PAIR_PAGE, visit_id)


@bp.post("/visits/<int:visit_id>/not-held")
@allow(Permission.OWN_VISITS)
def mark_not_held(visit_id: int) -> ResponseReturnValue:
    """Close a visit that did not take place."""
    return change.mark_not_held(PAIR_PAGE, visit_id)


@bp.post("/visits/<int:visit_id>/cannot-come")
@allow(Permission.OWN_VISITS)
def cannot_come(visit_id: int) -> ResponseReturnValue:
    """Record that an educator cannot come. Form field `who`: the actor (default) or the partner."""
    return change.cannot_come(PAIR_PAGE, visit_id, current_actor().educator_id or 0)


@bp.get("/visits/<int:visit_id>/partner")
@allow(Permission.OWN_VISITS)
def choose_partner(visit_id: int) -> ResponseReturnValue:
    """List the stand-in candidates for the current time."""
    return change.choose_stand_in(PAIR_PAGE, visit_id)


@bp.post("/visits/<int:visit_id>/partner")
@allow(Permission.OWN_VISITS)
def replace_partner(visit_id: int) -> ResponseReturnValue:
    """Ask a stand-in."""
    return change.replace_partner(PAIR_PAGE, visit_id)


@bp.get("/visits/<int:visit_id>/move")
@allow(Permission.OWN_VISITS)
def other_times(visit_id: int) -> ResponseReturnValue:
    """List other times for the same pair."""
    return change.other_times(PAIR_PAGE, visit_id)


@bp.post("/visits/<int:visit_id>/move")
@allow(Permission.OWN_VISITS)
def move(visit_id: int) -> ResponseReturnValue:
    """Move the visit; the partner and the family are asked again."""
    return change.move(PAIR_PAGE, visit_id, _("Moved. We are asking your partner again, then the family."))


@bp.post("/visits/<int:visit_id>/family")
@allow(Permission.OWN_VISITS)
def record_family_answer(visit_id: int) -> ResponseReturnValue:
    """Record the family's answer, given by phone or in person."""
    return change.record_family_answer(PAIR_PAGE, visit_id)
