"""Views shared by the pair's and the coordinator's pages: changes to a visit before it takes place."""

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

ANSWER_CHOICES = ("confirmed", "other_time", "not_now", "call_me")
CHANNELS = ("phone", "in_person", "paper")


@dataclass(frozen=True)
class PageVariant:
    """The page a visit is changed from (the pair's or the office page): how to load, render and link it."""

    office: bool
    endpoint: str
    load: Callable[[Session, int], Any]  # raises NotFound if the actor may not see the visit
    render: Callable[[int, list[Problem]], str]

    def redirect_to_visit(self, visit_id: int) -> ResponseReturnValue:
        """Redirect to the visit's page."""
        return redirect(url_for(self.endpoint, visit_id=visit_id), code=303)

    def perform(self, visit_id: int, action: Callable[[Session], object], message: str) -> ResponseReturnValue:
        """Perform an action and show `message`, or render the visit with the problems."""
        try:
            with transaction() as session:
                action(session)
        except RulesBroken as broken:
            return self.render(visit_id, list(broken.problems)), 422
        show_notice(message)
        return self.redirect_to_visit(visit_id)

    def redirect_if_not_allowed(self, verb: str, visit_id: int) -> ResponseReturnValue | None:
        """Redirect to the visit if `verb` is no longer allowed, such as after an old link."""
        with reading() as session:
            page = self.load(session, visit_id)
        return self.redirect_to_visit(visit_id) if states.check_transition(verb, page.card.state) else None


def cancel(variant: PageVariant, visit_id: int) -> ResponseReturnValue:
    """Cancel the visit."""
    return variant.perform(
        visit_id,
        lambda session: actions.cancel(session, current_actor(), visit_id, settings().policy, now()),
        _("Canceled. We are letting everyone know."),
    )


def mark_not_held(variant: PageVariant, visit_id: int) -> ResponseReturnValue:
    """Close a visit that did not take place. No message is sent."""
    return variant.perform(
        visit_id,
        lambda session: actions.mark_not_held(session, current_actor(), visit_id, settings().policy, now()),
        _("Visit closed. You can book this family again."),
    )


def cannot_come(variant: PageVariant, visit_id: int, default_id: int = 0) -> ResponseReturnValue:
    """Record that an educator cannot come: form field `who`, or `default_id`."""
    educator_id = _parse_id(request.form.get("who", "")) or default_id
    return variant.perform(
        visit_id,
        lambda session: actions.cannot_come(
            session, current_actor(), visit_id, educator_id, policy=settings().policy, now=now()
        ),
        _("Saved. The visit needs a stand-in: nobody goes alone."),
    )


def record_family_answer(variant: PageVariant, visit_id: int) -> ResponseReturnValue:
    """Record the family's answer, given by phone, in person or on paper."""
    message = _("Saved. The visit was updated.")
    return variant.perform(visit_id, lambda session: _record_answer(session, visit_id), message)


def _record_answer(session: Session, visit_id: int) -> None:
    answer, how = request.form.get("answer", ""), request.form.get("how", "")
    problems = [Problem("not_a_choice", "answer")] if answer not in ANSWER_CHOICES else []
    problems += [Problem("not_a_choice", "how")] if how not in CHANNELS else []
    if problems:
        raise RulesBroken(problems)
    actions.record_family_answer(
        session, current_actor(), visit_id, answer, policy=settings().policy, now=now(), how=how
    )


def choose_stand_in(variant: PageVariant, visit_id: int) -> ResponseReturnValue:
    """List the stand-in candidates for the current time."""
    return variant.redirect_if_not_allowed("replace", visit_id) or _render_stand_ins(variant, visit_id, [])


def _render_stand_ins(variant: PageVariant, visit_id: int, problems: list[Problem]) -> str:
    with reading() as session:
        page = variant.load(session, visit_id)
        people = actions.find_stand_ins(session, current_actor(), visit_id, settings().policy, now())
    return render_template(
        "visits/partner.html", card=page.card, people=people, problems=problems, office=variant.office
    )


def replace_partner(variant: PageVariant, visit_id: int) -> ResponseReturnValue:
    """Ask a stand-in."""
    stand_in = _parse_id(request.form.get("partner", ""))
    try:
        with transaction() as session:
            actions.replace_partner(session, current_actor(), visit_id, stand_in, policy=settings().policy, now=now())
    except RulesBroken as broken:
        return _render_stand_ins(variant, visit_id, list(broken.problems)), 422
    show_notice(_("Asked. Once they accept, we ask the family to confirm."))
    return variant.redirect_to_visit(visit_id)


def other_times(variant: PageVariant, visit_id: int) -> ResponseReturnValue:
    """List other times for the same pair."""
    return variant.redirect_if_not_allowed("move", visit_id) or _render_other_times(variant, visit_id, [])


def _render_other_times(variant: PageVariant, visit_id: int, problems: list[Problem]) -> str:
    after = forms.parse_day(request.args.get("after", ""))
    with reading() as session:
        page = variant.load(session, visit_id)
        offer = actions.find_new_times(session, current_actor(), visit_id, settings().policy, now(), after=after)
    return render_template("visits/move.html", card=page.card, offer=offer, problems=problems, office=variant.office)


def move(variant: PageVariant, visit_id: int, message: str) -> ResponseReturnValue:
    """Move the visit; the educators and then the family are asked again."""
    starts_at = forms.parse_moment(request.form.get("start", ""))
    if starts_at is None:
        return _render_other_times(variant, visit_id, [Problem("not_a_time", "start")]), 422
    try:
        with transaction() as session:
            actions.move(session, current_actor(), visit_id, starts_at, policy=settings().policy, now=now())
    except RulesBroken as broken:
        return _render_other_times(variant, visit_id, list(broken.problems)), 422
    show_notice(message)
    return variant.redirect_to_visit(visit_id)


def _parse_id(typed: str) -> int:
    return int(typed[:18]) if typed.isdecimal() else 0
