"""Pages for coordinators: the visits of their schools, and actions on them. No addresses, no reflections."""

from datetime import timedelta

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from homevisits.core.access import Permission
from homevisits.core.problems import Problem
from homevisits.visits import labels, states
from homevisits.visits.queries import detail, summaries
from homevisits.visits.web import change
from homevisits.visits.web.blueprint import bp
from homevisits.web.context import now, reading, settings
from homevisits.web.security import allow, current_actor

LIST_VIEWS = ("ahead", "past")


@bp.get("/visits")
@allow(Permission.SEE_VISITS)
def all_visits() -> str:
    """List the schools' visits, ahead or past."""
    view = request.args.get("view", "ahead")
    view = view if view in LIST_VIEWS else "ahead"
    with reading() as session:
        if view == "ahead":
            first, last, shown = now() - summaries.LOOKBACK, now() + timedelta(days=400), tuple(sorted(states.LIVE))
        else:
            first, last, shown = now() - timedelta(days=60), now(), tuple(sorted(states.ENDED))
        rows = summaries.list_school_visits(session, current_actor(), first, last, shown)
    if view == "past":
        rows.reverse()
    return render_template("visits/office_list.html", rows=rows, view=view, now=now())


@bp.get("/visits/<int:visit_id>/office")
@allow(Permission.SEE_VISITS)
def office_page(visit_id: int) -> str:
    """Show a visit to a coordinator."""
    return _render_office_visit(visit_id, [])


def _render_office_visit(visit_id: int, problems: list[Problem]) -> str:
    with reading() as session:
        page = detail.get_office_detail(session, current_actor(), visit_id, settings().policy, now())
    return render_template(
        "visits/office.html", page=page, card=page.card, marks=labels.marks(page), problems=problems, now=now()
    )


OFFICE_PAGE = change.PageVariant(
    office=True,
    endpoint="visits.office_page",
    load=lambda session, visit_id: detail.get_office_detail(
        session, current_actor(), visit_id, settings().policy, now()
    ),
    render=_render_office_visit,
)


@bp.post("/visits/<int:visit_id>/office/family")
@allow(Permission.SEE_VISITS)
def office_record_answer(visit_id: int) -> ResponseReturnValue:
    """Record a family's answer, given by phone, in person or on paper."""
    return change.record_family_answer(OFFICE_PAGE, visit_id)


@bp.post("/visits/<int:visit_id>/office/cancel")
@allow(Permission.SEE_VISITS)
def office_cancel(visit_id: int) -> ResponseReturnValue:
    """Cancel a visit."""
    return change.cancel(OFFICE_PAGE, visit_id)


@bp.post("/visits/<int:visit_id>/office/not-held")
@allow(Permission.SEE_VISITS)
def office_not_held(visit_id: int) -> ResponseReturnValue:
    """Close a visit that did not take place."""
    return change.mark_not_held(OFFICE_PAGE, visit_id)


@bp.post("/visits/<int:visit_id>/office/cannot-come")
@allow(Permission.SEE_VISITS)
def office_cannot_come(visit_id: int) -> ResponseReturnValue:
    """Record that an educator cannot come."""
    return change.cannot_come(OFFICE_PAGE, visit_id)


@bp.get("/visits/<int:visit_id>/office/partner")
@allow(Permission.SEE_VISITS)
def office_partner(visit_id: int) -> ResponseReturnValue:
    """List the stand-in candidates."""
    return change.choose_stand_in(OFFICE_PAGE, visit_id)


@bp.post("/visits/<int:visit_id>/office/partner")
@allow(Permission.SEE_VISITS)
def office_replace(visit_id: int) -> ResponseReturnValue:
    """Ask a stand-in."""
    return change.replace_partner(OFFICE_PAGE, visit_id)


@bp.get("/visits/<int:visit_id>/office/move")
@allow(Permission.SEE_VISITS)
def office_times(visit_id: int) -> ResponseReturnValue:
    """List other times for the same pair."""
    return change.other_times(OFFICE_PAGE, visit_id)


@bp.post("/visits/<int:visit_id>/office/move")
@allow(Permission.SEE_VISITS)
def office_move(visit_id: int) -> ResponseReturnValue:
    """Move a visit; both educators are asked again."""
    return change.move(OFFICE_PAGE, visit_id, _("Moved. We are asking both people again, then the family."))
