"""Store and process incoming messages. Failed messages are retried, then left to staff."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from homevisits.core.db import Database, insert_new, savepoint
from homevisits.inbox.conversations import state
from homevisits.inbox.parsing.intent import decode_body, parse_intent, parse_number
from homevisits.inbox.parsing.keywords import Intent
from homevisits.inbox.parsing.reactions import quotes_message
from homevisits.inbox.processing import (
    answer_staff,
    apply_answer,
    context,
    disambiguate,
    match_question,
    opt_out,
    reply_limits,
)
from homevisits.inbox.processing.context import IncomingContext
from homevisits.invitations.models import Answer
from homevisits.messages.models import IncomingMessage as Row
from homevisits.messages.models import OutgoingMessage, Phone
from homevisits.messages.monitoring import alerts
from homevisits.messages.recipients import opt_outs
from homevisits.messages.templates import catalog
from homevisits.policies.rules import Policy

MAX_ATTEMPTS = 3
PROCESS_AFTER = timedelta(seconds=5)
"""Delay before the worker processes a message, so that the receiving request can process it first."""
MAX_MESSAGES_PER_SWEEP = 100
ANSWERS_BY_INTENT = {
    Intent.YES: Answer.YES,
    Intent.OTHER_TIME: Answer.OTHER_TIME,
    Intent.NOT_NOW: Answer.NOT_NOW,
    Intent.CALL_ME: Answer.CALL_ME,
}
ROBOT_TASK_INTERVAL = timedelta(hours=24)

log = structlog.get_logger("homevisits.inbox")


@dataclass(frozen=True)
class ReceivedMessage:
    """An incoming message. ``provider_message_id`` is the provider's id and detects duplicates.

    ``media``: number of attached pictures; ``opt_out_type``: the provider's classification (STOP, START, HELP);
    ``raw``: all fields of the provider's request.
    """

    provider_message_id: str
    from_: str
    to: str
    body: str
    provider: str = "console"
    media: int = 0
    opt_out_type: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


def store_message(session: Session, text: ReceivedMessage, now: datetime) -> int | None:
    """Store a message unprocessed. Return its id, or None for a duplicate."""
    if session.scalar(select(Row.id).where(Row.provider_message_id == text.provider_message_id)) is not None:
        return None
    row = Row(
        provider_message_id=text.provider_message_id,
        provider=text.provider,
        phone=text.from_,
        to=text.to,
        body=decode_body(text.body),
        media=text.media,
        opt_out_type=text.opt_out_type,
        raw=json.dumps(dict(text.raw), ensure_ascii=False, sort_keys=True),
        received_at=now,
        needs_staff=False,
    )
    try:
        with savepoint(session):
            session.add(row)
    except IntegrityError:  # The provider delivered it twice at the same time; the other request processes it.
        return None
    return row.id


def receive_message(session: Session, text: ReceivedMessage, policy: Policy, now: datetime) -> Intent:
    """Store and process a message in a single transaction. Webhooks use two transactions: see twilio_web."""
    message_id = store_message(session, text, now)
    intent = process_message(session, message_id, policy, now) if message_id is not None else None
    return intent or parse_intent(text.body, context.phone_language(session, text.from_))


def process_message(session: Session, incoming_message_id: int, policy: Policy, now: datetime) -> Intent | None:
    """Classify and apply a stored message. Return None if another process has or had it."""
    row = session.scalar(
        select(Row).where(Row.id == incoming_message_id, Row.processed_at.is_(None)).with_for_update(skip_locked=True)
    )
    if row is None:
        return None
    _lock_phone(session, row)
    incoming = IncomingContext(session, row, policy, now, context.phone_language(session, row.phone))
    before = reply_limits.newest_reply(session, row.phone)
    intent = _parse(incoming)
    row.intent = intent.value
    if answer_staff.is_staff_phone(session, row.phone):
        answer_staff.handle_staff_message(incoming, intent)
        row.processed_at = now
        return intent
    _handle(incoming, intent)
    row.processed_at = now
    state.record_incoming(session, row.phone, row.received_at, row.needs_staff)
    needed_staff = row.needs_staff
    reply_limits.suppress_excess_replies(incoming, before)
    if row.needs_staff and not needed_staff:
        state.record_incoming(session, row.phone, row.received_at, True)
    session.flush()
    return intent


def record_failure(session: Session, incoming_message_id: int, now: datetime) -> None:
    """Record a processing failure. The message is retried; after three failures, staff read it."""
    row = session.get(Row, incoming_message_id, with_for_update=True)
    if row is None or row.processed_at is not None:
        return
    row.attempts += 1
    alerts.raise_alert(session, "webhook", "inbound", now, detail=f"inbound:{incoming_message_id}")
    if row.attempts >= MAX_ATTEMPTS:
        row.processed_at, row.intent, row.needs_staff = now, Intent.UNCLEAR.value, True
        state.record_incoming(session, row.phone, row.received_at, True)


def process_waiting(database: Database, policy: Policy, now: datetime) -> int:
    """Process pending messages and expire prompts; return the count. Safe with concurrent workers."""
    done = 0
    with database.reading() as session:
        lapsed = disambiguate.has_expired_choices(session, now)
        waiting = session.scalars(
            select(Row.id)
            .where(Row.processed_at.is_(None), Row.received_at <= now - PROCESS_AFTER)
            .order_by(Row.id)
            .limit(MAX_MESSAGES_PER_SWEEP)
        ).all()
    if lapsed:  # Check first, so that a worker with nothing to write takes no lock.
        with database.transaction() as session:
            done += disambiguate.expire_choices(session, now)
    for incoming_message_id in waiting:
        try:
            with database.transaction() as session:
                done += process_message(session, incoming_message_id, policy, now) is not None
        except Exception:
            log.exception("incoming_message_failed", incoming_message_id=incoming_message_id)
            with database.transaction() as session:
                record_failure(session, incoming_message_id, now)
    return done


def _lock_phone(session: Session, row: Row) -> None:
    """Process messages of a phone one at a time. New outgoing messages can be scheduled meanwhile."""
    insert_new(session, Phone, [{"e164": row.phone}], "e164")
    session.execute(select(Phone.e164).where(Phone.e164 == row.phone).with_for_update(key_share=True))
    session.execute(
        update(Phone)
        .where(Phone.e164 == row.phone, Phone.last_inbound_at.is_(None) | (Phone.last_inbound_at < row.received_at))
        .values(last_inbound_at=row.received_at)
    )


def _parse(incoming: IncomingContext) -> Intent:
    row = incoming.row
    intent = parse_intent(row.body, incoming.language)
    if row.opt_out_type == "STOP":
        return Intent.STOP
    if row.opt_out_type == "START":
        # Providers treat YES as an opt-in keyword; from a phone without an opt-out it is an answer.
        answers_us = intent in ANSWERS_BY_INTENT and opt_outs.may_receive(incoming.session, row.phone)
        return intent if answers_us else Intent.START
    if row.opt_out_type == "HELP":
        return Intent.HELP
    if row.media and not row.body.strip():
        return Intent.PICTURE
    is_uncertain = intent in (Intent.UNCLEAR, Intent.POLITE_STOP, Intent.ROBOT)
    return Intent.TAPBACK if is_uncertain and quotes_message(row.body, _last_outgoing(incoming)) else intent


def _last_outgoing(incoming: IncomingContext) -> list[str]:
    """Return the bodies of the last messages sent to this phone."""
    query = select(OutgoingMessage.body).where(
        OutgoingMessage.phone == incoming.row.phone, OutgoingMessage.sent_at.is_not(None)
    )
    return list(incoming.session.scalars(query.order_by(OutgoingMessage.id.desc()).limit(10)))


def _handle(incoming: IncomingContext, intent: Intent) -> None:
    if intent in _HANDLERS:
        _HANDLERS[intent](incoming)
        return
    if opt_out.is_wrong_number(incoming):
        context.leave_to_staff(incoming)  # the holder of this phone reported a wrong number
        return
    choice, digit = disambiguate.open_choice(incoming), parse_number(incoming.row.body)
    done = disambiguate.apply_choice(incoming, choice, digit) if choice is not None and digit is not None else None
    if done is None:
        done = intent in ANSWERS_BY_INTENT and _handle_answer(incoming, ANSWERS_BY_INTENT[intent])
    if not done:
        context.leave_to_staff(incoming, _choose_clarification(incoming, intent))


def _choose_clarification(incoming: IncomingContext, intent: Intent) -> str:
    """Return the reply template for an unclear message or an answer without an open question."""
    is_answer = intent in ANSWERS_BY_INTENT and not match_question.matching_questions(
        incoming.session, incoming.row.phone, incoming.row.received_at
    )
    return (
        "nothing_to_answer" if is_answer and catalog.is_approved(incoming.language, "nothing_to_answer") else "unclear"
    )


def _handle_answer(incoming: IncomingContext, answer: Answer) -> bool:
    questions = match_question.matching_questions(incoming.session, incoming.row.phone, incoming.row.received_at)
    if not questions:
        return False
    if len(questions) == 1 or answer is Answer.CALL_ME:  # the caller will find out which question is meant
        return apply_answer.apply_answer(incoming, questions[0], answer)
    return disambiguate.ask_which(incoming, questions, answer)


def _handle_reaction(incoming: IncomingContext) -> None:
    """Show a positive reaction beside the question and ask the family to reply with a digit."""
    open_ = match_question.matching_questions(incoming.session, incoming.row.phone, incoming.row.received_at)
    if open_ and not open_[0].answered:
        incoming.row.answers = open_[0].question
        context.leave_to_staff(incoming, "unclear")
    else:
        context.leave_to_staff(incoming)


def _handle_automatic_reply(incoming: IncomingContext) -> None:
    """Do not reply to automatic messages. Staff read the first of a day, as it may report an absence."""
    lately = select(Row.id).where(
        Row.phone == incoming.row.phone,
        Row.id < incoming.row.id,
        Row.intent == Intent.ROBOT.value,
        Row.received_at > incoming.now - ROBOT_TASK_INTERVAL,
    )
    incoming.row.needs_staff = incoming.session.scalar(lately.limit(1)) is None


_HANDLERS: Mapping[Intent, Callable[[IncomingContext], None]] = {
    Intent.STOP: opt_out.stop_texts,
    Intent.START: opt_out.resume_texts,
    Intent.HELP: opt_out.send_help,
    Intent.WRONG_NUMBER: opt_out.record_wrong_number,
    Intent.POLITE_STOP: lambda incoming: context.leave_to_staff(incoming, "polite_stop"),
    Intent.PROBABLE_YES: _handle_reaction,
    Intent.TAPBACK: context.leave_to_staff,
    Intent.ROBOT: _handle_automatic_reply,
    Intent.PICTURE: lambda incoming: context.leave_to_staff(incoming, "unclear"),
}
