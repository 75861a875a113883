"""Views for a coordinator's Today page and for answers given to staff."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from homevisits.core.access import Permission
from homevisits.core.problems import Problem, RulesBroken
from homevisits.inbox.conversations import actions
from homevisits.inbox.conversations import labels as conversation_labels
from homevisits.inbox.conversations.queries import listing as talks
from homevisits.inbox.conversations.queries import participants
from homevisits.inbox.today import lapsed_consents, queries, unreachable
from homevisits.invitations import actions as invitations
from homevisits.invitations import queries as families
from homevisits.invitations import queue
from homevisits.visits import actions as visits
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor

bp = Blueprint("inbox", __name__)


@bp.get("/today")
@allow(Permission.ASK)
def today() -> str:
    """Show open tasks."""
    with reading() as session:
        who = current_actor()
        to_call = queries.families_to_call(session, who, now())
        called = {row.invitation_id for row in to_call}
        return render_template(
            "inbox/today.html",
            to_read=queries.messages_to_read(session, who),
            to_call=to_call,
            unreached=unreachable.unreachable_reasons(session, [row.phone for row in to_call if row.phone]),
            unreachable=[
                row for row in unreachable.unreachable_families(session, who, now()) if row.invitation_id not in called
            ],
            talks=talks.count_waiting(session, who, now()),
            why_unreached=conversation_labels.UNREACHABLE_REASONS,
            lapsed=lapsed_consents.lapsed_consents(session, who, now()),
            need_partner=queries.visits_without_partner(session, who),
            need_telling=queries.visits_not_communicated(session, who, now()),
            waiting=unreachable.count_open_invitations(session, who, now()),
            zone=settings().timezone,
        )


@bp.post("/today/read/<int:incoming_message_id>")
@allow(Permission.ASK)
def read(incoming_message_id: int) -> ResponseReturnValue:
    """Mark a message as handled."""
    with transaction() as session:
        actions.mark_read(session, current_actor(), incoming_message_id, now())
    show_notice(_("Done. Removed from your list."))
    return redirect(url_for("inbox.today"), code=303)


@bp.get("/asking/<int:invitation_id>/answer")
@allow(Permission.ASK)
def answer(invitation_id: int) -> str:
    """Show the form for a family's answer."""
    return _answer_page(invitation_id, "", "", [])


@bp.post("/asking/<int:invitation_id>/answer")
@allow(Permission.ASK)
def record_answer(invitation_id: int) -> ResponseReturnValue:
    """Record an answer given to staff. A no cancels a booked visit immediately."""
    answer_value, how = request.form.get("answer", ""), request.form.get("how", "")
    try:
        with transaction() as session:
            invitations.record_answer(session, current_actor(), invitation_id, answer_value, how=how, now=now())
            if answer_value in families.REFUSALS:
                visits.apply_withdrawals(session, settings().policy, now())
            else:
                visits.plan_messages_after_new_yes(session, invitation_id, settings().policy, now())
    except RulesBroken as broken:
        return _answer_page(invitation_id, answer_value, how, list(broken.problems)), 422
    show_notice(_("The family's answer is recorded."))
    return redirect(url_for("invitations.asking"), code=303)


def _answer_page(invitation_id: int, answer_value: str, how: str, problems: list[Problem]) -> str:
    with reading() as session:
        row = queue.get_invitation(session, current_actor(), invitation_id, now())
        contact = families.load_contacts(session, [row.family_id])[row.family_id]
        stopped = participants.current_opt_out(session, contact.phone) if contact.phone else None
    return render_template(
        "inbox/answer.html",
        row=row,
        contact=contact,
        answer=answer_value,
        how=how,
        choices=invitations.RECORDABLE_ANSWERS,
        problems=problems,
        stopped=stopped,
        conversation_labels=conversation_labels,
    )
