"""The coordinator's visits: all of a school's, and what is done on someone's behalf. No addresses, no reflections."""

from datetime import timedelta

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from homevisits.core.access import Permission
from homevisits.core.problems import Problem
from homevisits.visits import labels
from homevisits.visits import states as life
from homevisits.visits.queries import detail, summaries
from homevisits.visits.web import change
from homevisits.visits.web.blueprint import bp
from homevisits.web.context import now, reading, settings
from homevisits.web.security import allow, current_actor

VIEWS = ("ahead", "past")


@bp.get("/visits")
@allow(Permission.SEE_VISITS)
def all_visits() -> str:
    """The school's visits: what is ahead, and what was."""
    view = request.args.get("view", "ahead")
    view = view if view in VIEWS else "ahead"
    with reading() as session:
        if view == "ahead":
            first, last, states = now() - summaries.REACH, now() + timedelta(days=400), tuple(sorted(life.LIVE))
        else:
            first, last, states = now() - timedelta(days=60), now(), tuple(sorted(life.ENDED))
        rows = summaries.of_schools(session, current_actor(), first, last, states)
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
        page = detail.office_page(session, current_actor(), visit_id, settings().policy, now())
    return render_template(
        "visits/office.html", page=page, card=page.card, marks=labels.marks(page), problems=problems, now=now()
    )


SIDE = change.Side(
    office=True,
    endpoint="visits.office_page",
    read=lambda session, visit_id: detail.office_page(session, current_actor(), visit_id, settings().policy, now()),
    shown=_shown,
)


@bp.post("/visits/<int:visit_id>/office/family")
@allow(Permission.SEE_VISITS)
def office_family(visit_id: int) -> ResponseReturnValue:
    """What a family said by phone, in person or on paper."""
    return change.family_said(SIDE, visit_id)


@bp.post("/visits/<int:visit_id>/office/cancel")
@allow(Permission.SEE_VISITS)
def office_cancel(visit_id: int) -> ResponseReturnValue:
    """Call it off on someone's behalf."""
    return change.cancel(SIDE, visit_id)


@bp.post("/visits/<int:visit_id>/office/not-held")
@allow(Permission.SEE_VISITS)
def office_not_held(visit_id: int) -> ResponseReturnValue:
    """Close, on someone's behalf, a visit that did not take place."""
    return change.mark_not_held(SIDE, visit_id)


@bp.post("/visits/<int:visit_id>/office/cannot-come")
@allow(Permission.SEE_VISITS)
def office_cannot_come(visit_id: int) -> ResponseReturnValue:
    """One of the two cannot come."""
    return change.cannot_come(SIDE, visit_id)


@bp.get("/visits/<int:visit_id>/office/partner")
@allow(Permission.SEE_VISITS)
def office_partner(visit_id: int) -> ResponseReturnValue:
    """Who could stand in?"""
    return change.stand_ins(SIDE, visit_id)


@bp.post("/visits/<int:visit_id>/office/partner")
@allow(Permission.SEE_VISITS)
def office_replace(visit_id: int) -> ResponseReturnValue:
    """Ask someone to stand in, on someone's behalf."""
    return change.replace_partner(SIDE, visit_id)


@bp.get("/visits/<int:visit_id>/office/move")
@allow(Permission.SEE_VISITS)
def office_times(visit_id: int) -> ResponseReturnValue:
    """Other times for the same two people."""
    return change.other_times(SIDE, visit_id)


@bp.post("/visits/<int:visit_id>/office/move")
@allow(Permission.SEE_VISITS)
def office_move(visit_id: int) -> ResponseReturnValue:
    """Move it on someone's behalf; both are asked."""
    return change.move(SIDE, visit_id, _("Moved. We are asking both people again, then the family."))
