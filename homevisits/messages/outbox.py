"""Outbox: domain code adds messages in its own transaction; only the dispatcher sends them."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from homevisits.core.db import insert_new
from homevisits.messages import message_types
from homevisits.messages.dispatch.eligibility import count_body_segments
from homevisits.messages.models import WAITING_STATES, OutgoingMessage, Phone
from homevisits.messages.recipients import opt_outs
from homevisits.messages.templates import catalog
from homevisits.messages.templates.rendering import PlannedMessage

# A message in these states cannot be cancelled, but it is not sent again after `cancel_requested`.
IN_FLIGHT = ("sending", "unknown")
BATCH_SIZE = 500  # messages inserted by each statement


def put(session: Session, subject: str, message: PlannedMessage, now: datetime) -> OutgoingMessage:
    """Add a message; idempotent by key. A withdrawn message with the same key is queued again.

    Raises `UnknownMessageType`, `catalog.NoSuchText` without an approved template in the language, and KeyError for a
    missing parameter.
    """
    put_many(session, [(subject, message)], now)
    return session.scalars(
        select(OutgoingMessage)
        .where(OutgoingMessage.dedupe_key == f"{subject}:{message.key}")
        .execution_options(populate_existing=True)
    ).one()


def put_many(session: Session, planned: Iterable[tuple[str, PlannedMessage]], now: datetime) -> int:
    """Add messages by subject and return how many are new. Safe with concurrent calls."""
    added = 0
    remaining = list(planned)
    while remaining:
        batch, remaining = remaining[:BATCH_SIZE], remaining[BATCH_SIZE:]
        rows = [_row(subject, message, now) for subject, message in batch]
        insert_new(session, Phone, [{"e164": phone} for phone in sorted({row["phone"] for row in rows})], "e164")
        opted_out = opt_outs.find_opted_out(session, {row["phone"] for row in rows})
        sent_after_opt_out = message_types.names_sent_after_opt_out()
        for row in rows:
            if row["phone"] in opted_out and row["template"] not in sent_after_opt_out:
                row["state"], row["error"] = "suppressed", "stopped"
        new = insert_new(session, OutgoingMessage, rows, "dedupe_key")
        added += new
        if new < len(rows):
            _requeue_withdrawn(session, rows)
    return added


def replace(session: Session, subject: str, messages: Iterable[PlannedMessage], now: datetime) -> None:
    """Replace the planned messages of `subject`: withdraw unsent messages not in `messages`, add new."""
    planned = list(messages)
    keys = [f"{subject}:{message.key}" for message in planned]
    # A single statement, because a message could change from waiting to sending between two.
    session.execute(
        update(OutgoingMessage)
        .where(
            OutgoingMessage.subject == subject,
            OutgoingMessage.state.in_((*WAITING_STATES, *IN_FLIGHT)),
            OutgoingMessage.dedupe_key.not_in(keys),
        )
        .values(
            state=case((OutgoingMessage.state.in_(WAITING_STATES), "cancelled"), else_=OutgoingMessage.state),
            error=case((OutgoingMessage.state.in_(WAITING_STATES), "withdrawn"), else_=OutgoingMessage.error),
            hold_reason=None,
            cancel_requested=case(
                (OutgoingMessage.state.in_(WAITING_STATES), OutgoingMessage.cancel_requested), else_=True
            ),
        )
        .execution_options(synchronize_session="fetch")
    )
    put_many(session, [(subject, message) for message in planned], now)


def withdraw(session: Session, subject: str, now: datetime) -> None:
    """Withdraw all unsent messages about `subject`."""
    replace(session, subject, (), now)


def _row(subject: str, message: PlannedMessage, now: datetime) -> dict[str, Any]:
    body = message.body
    if body is None:
        body = catalog.render(message.language, message.template, message.params)
    message_type = message_types.get(message.template)
    category = message.category or message_type.category
    return {
        "dedupe_key": f"{subject}:{message.key}",
        "subject": subject,
        "question": message.question,
        "phone": message.to,
        "school_id": message.school_id,
        "zone": message.zone,
        "language": message.language,
        "template": message.template,
        "category": category,
        "priority": message_types.priority(category),
        "params": json.dumps({name: str(value) for name, value in message.params.items()}, ensure_ascii=False),
        "body": body,
        "segments": count_body_segments(body),
        "not_before": message.not_before,
        "next_at": message.not_before,
        "expires_at": message.expires_at,
        "state": "queued",
        "error": None,
        "created_at": now,
        "urgent_by": message.urgent_by,
        "urgent_reason": message.urgent_reason,
        "written_by": message.written_by,
    }


def _requeue_withdrawn(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Queue withdrawn messages of the plan again and revoke their cancel requests."""
    by_key = {row["dedupe_key"]: row for row in rows}
    requeue = update(OutgoingMessage).execution_options(synchronize_session=False)
    session.execute(
        requeue.where(
            OutgoingMessage.dedupe_key.in_(by_key),
            OutgoingMessage.state.in_(IN_FLIGHT),
            OutgoingMessage.cancel_requested.is_(True),
        ).values(cancel_requested=False)
    )
    withdrawn = select(OutgoingMessage.dedupe_key).where(
        OutgoingMessage.dedupe_key.in_(by_key), OutgoingMessage.state == "cancelled"
    )
    for key in session.scalars(withdrawn).all():
        values = {name: value for name, value in by_key[key].items() if name not in ("dedupe_key", "created_at")}
        session.execute(
            requeue.where(OutgoingMessage.dedupe_key == key, OutgoingMessage.state == "cancelled").values(
                **values, cancel_requested=False, hold_reason=None
            )
        )


def messages_about(session: Session, subject: str) -> Sequence[OutgoingMessage]:
    """Return the messages about `subject`, oldest first."""
    return session.scalars(
        select(OutgoingMessage).where(OutgoingMessage.subject == subject).order_by(OutgoingMessage.id)
    ).all()
