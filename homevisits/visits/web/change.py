"""What can be done to a visit before it is held: one piece of code for the pair and for a coordinator on its behalf."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from homevisits.core.problems import Problem, RulesBroken
from homevisits.visits import actions, forms, states
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.security import current_actor

ANSWERS = ("confirmed", "other_time", "not_now", "call_me")
BY = ("phone", "in_person", "paper")


@dataclass(frozen=True)
class Side:
    """From where a visit is changed: who may read it, how its page shows what stood against a tap, where it leads."""

    office: bool
    endpoint: str
    read: Callable[[Session, int], Any]  # the page's content; NotFound when the reader may not see it
    shown: Callable[[int, list[Problem]], str]

    def back(self, visit_id: int) -> ResponseReturnValue:
        """To the visit's page on this side."""
        return redirect(url_for(self.endpoint, visit_id=visit_id), code=303)

    def do(self, visit_id: int, act: Callable[[Session], object], message: str) -> ResponseReturnValue:
        """One tap: do it and say so, or show the visit with every reason why not."""
        try:
            with transaction() as session:
                act(session)
        except RulesBroken as broken:
            return self.shown(visit_id, list(broken.problems)), 422
        show_notice(message)
        return self.back(visit_id)

    def too_late_for(self, verb: str, visit_id: int) -> ResponseReturnValue | None:
        """Back to the visit's page when this cannot be done to it any more: an old link, a second tap."""
        with reading() as session:
            page = self.read(session, visit_id)
        return self.back(visit_id) if states.may(verb, page.card.state) else None


def cancel(side: Side, visit_id: int) -> ResponseReturnValue:
    """Call it off; no reason asked."""
    return side.do(
        visit_id,
        lambda session: actions.cancel(session, current_actor(), visit_id, settings().policy, now()),
        _("Canceled. We are letting everyone know."),
    )


def mark_not_held(side: Side, visit_id: int) -> ResponseReturnValue:
    """Close a visit that did not take place; no text is sent."""
    return side.do(
        visit_id,
        lambda session: actions.mark_not_held(session, current_actor(), visit_id, settings().policy, now()),
        _("Closed. The family can be booked again."),
    )


def cannot_come(side: Side, visit_id: int, otherwise: int = 0) -> ResponseReturnValue:
    """One of the two cannot come: who the form names, or `otherwise`."""
    who = _number(request.form.get("who", "")) or otherwise
    return side.do(
        visit_id,
        lambda session: actions.cannot_come(session, current_actor(), visit_id, who, settings().policy, now()),
        _("Saved. The visit needs a stand-in: nobody goes alone."),
    )


def family_said(side: Side, visit_id: int) -> ResponseReturnValue:
    """What the family said by phone, in person or on paper."""
    return side.do(visit_id, lambda session: _record_family(session, visit_id), _("Saved. The visit was updated."))


def _record_family(session: Session, visit_id: int) -> None:
    answer, how = request.form.get("answer", ""), request.form.get("how", "")
    problems = [Problem("not_a_choice", "answer")] if answer not in ANSWERS else []
    problems += [Problem("not_a_choice", "how")] if how not in BY else []
    if problems:
        raise RulesBroken(problems)
    actions.family_answers(session, current_actor(), visit_id, answer, settings().policy, now(), how=how)


def stand_ins(side: Side, visit_id: int) -> ResponseReturnValue:
    """Who could stand in at the time that stands?"""
    return side.too_late_for("replace", visit_id) or _stand_ins(side, visit_id, [])


def _stand_ins(side: Side, visit_id: int, problems: list[Problem]) -> str:
    with reading() as session:
        page = side.read(session, visit_id)
        people = actions.stand_ins(session, current_actor(), visit_id, settings().policy, now())
    return render_template("visits/partner.html", card=page.card, people=people, problems=problems, office=side.office)


def replace_partner(side: Side, visit_id: int) -> ResponseReturnValue:
    """Ask someone to stand in."""
    stand_in = _number(request.form.get("partner", ""))
    try:
        with transaction() as session:
            actions.replace_partner(session, current_actor(), visit_id, stand_in, settings().policy, now())
    except RulesBroken as broken:
        return _stand_ins(side, visit_id, list(broken.problems)), 422
    show_notice(_("Asked. Once they accept, we ask the family to confirm."))
    return side.back(visit_id)


def other_times(side: Side, visit_id: int) -> ResponseReturnValue:
    """Other times for the same two people."""
    return side.too_late_for("move", visit_id) or _other_times(side, visit_id, [])


def _other_times(side: Side, visit_id: int, problems: list[Problem]) -> str:
    after = forms.day(request.args.get("after", ""))
    with reading() as session:
        page = side.read(session, visit_id)
        offer = actions.look_again(session, current_actor(), visit_id, settings().policy, now(), after=after)
    return render_template("visits/move.html", card=page.card, offer=offer, problems=problems, office=side.office)


def move(side: Side, visit_id: int, message: str) -> ResponseReturnValue:
    """Move it; whoever comes is asked again, then the family."""
    starts_at = forms.moment(request.form.get("start", ""))
    if starts_at is None:
        return _other_times(side, visit_id, [Problem("not_a_time", "start")]), 422
    try:
        with transaction() as session:
            actions.move(session, current_actor(), visit_id, starts_at, settings().policy, now())
    except RulesBroken as broken:
        return _other_times(side, visit_id, list(broken.problems)), 422
    show_notice(message)
    return side.back(visit_id)


def _number(typed: str) -> int:
    return int(typed[:18]) if typed.isdecimal() else 0
