"""Staff decisions about unclear messages: polite opt-out, wrong number, reaction to a question."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import NotFound, Problem, RulesBroken
from homevisits.inbox.conversations.actions import clear_phone_state, close_if_nothing_waits
from homevisits.inbox.conversations.queries import detail as pages
from homevisits.inbox.conversations.queries.participants import find_participants
from homevisits.inbox.processing import apply_answer, match_question
from homevisits.inbox.processing.context import IncomingContext, phone_language
from homevisits.invitations.models import Answer
from homevisits.messages.models import IncomingMessage, OptOutEntry
from homevisits.messages.recipients import opt_outs
from homevisits.policies.rules import Policy

CHOICES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "polite_stop": frozenset({"stop", "keep"}),
        "wrong_number": frozenset({"stop", "right"}),
        "probable_yes": frozenset({"yes", "keep"}),
    }
)
"""The choices available to staff for each kind of unclear message."""


def resolve_message(
    session: Session,
    actor: Actor,
    conversation_id: int,
    incoming_message_id: int,
    decision: str,
    *,
    policy: Policy,
    now: datetime,
) -> None:
    """Apply a staff decision: `stop` or `keep` messages, number is `right`, reaction means `yes`.

    A polite opt-out confirmed by staff counts as the family's own, so the family can lift it by message.
    """
    who = find_participants(session, actor, conversation_id, now)
    row = session.get(IncomingMessage, incoming_message_id)
    if row is None or row.phone != who.number or row.intent not in pages.TASKS or not row.needs_staff:
        raise NotFound
    if not who.office and (row.received_at < (who.since or now) or decision == "right"):
        raise NotFound  # The pair cannot see the whole conversation and cannot know who owns the number.
    if decision not in CHOICES[row.intent]:
        raise RulesBroken([Problem("not_a_choice")])
    evidence = f"inbound:{row.id}"
    if decision == "stop":
        reason = "wrong_number" if row.intent == "wrong_number" else "family"
        opt_outs.opt_out(session, row.phone, reason, now, evidence, how="text", by_account=actor.account_id)
    elif decision == "right":
        _confirm_number(session, actor, row.phone, evidence, now)
    elif decision == "yes":
        _accept_as_yes(session, row, policy, now)
    row.needs_staff, row.handled_at, row.handled_by = False, now, actor.account_id
    session.flush()
    close_if_nothing_waits(session, row.phone, now)


def _accept_as_yes(session: Session, row: IncomingMessage, policy: Policy, now: datetime) -> None:
    """Accept a reaction to a question as a yes."""
    asked = match_question.asked_invitations(session, row.phone, row.received_at)
    question = next((one for one in asked if one.question == row.answers and not one.is_over), None)
    context = IncomingContext(session, row, policy, now, phone_language(session, row.phone))
    if question is None or not apply_answer.apply_answer(context, question, Answer.YES):
        raise RulesBroken([Problem("question_is_over")])
    row.intent = Answer.YES.value


def _confirm_number(session: Session, actor: Actor, phone: str, evidence: str, now: datetime) -> None:
    """Confirm that the number belongs to the family and restore an earlier opt-out."""
    held = opt_outs.latest_entry(session, phone)
    if held is not None and held.entry == "stop" and held.reason == "wrong_number":
        before = session.scalar(
            select(OptOutEntry)
            .where(OptOutEntry.phone == phone, OptOutEntry.reason != "wrong_number")
            .order_by(OptOutEntry.id.desc())
            .limit(1)
        )
        opt_outs.opt_in_by_staff(session, phone, now, actor.account_id, evidence=evidence)
        if before is not None and before.entry == "stop":
            opt_outs.opt_out(session, phone, before.reason, now, evidence, how=before.how, by_account=actor.account_id)
    clear_phone_state(session, phone, "wrong_number")
