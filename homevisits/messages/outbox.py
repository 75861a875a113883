"""Outbox: domain code adds messages in its own transaction; only the dispatcher sends them."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from homevisits.core.db import insert_new
from homevisits.messages import message_types
from homevisits.messages.dispatch.eligibility import count
from homevisits.messages.models import WAITING_STATES, OutgoingMessage, Phone
from homevisits.messages.recipients import opt_outs
from homevisits.messages.templates import catalog
from homevisits.messages.templates.rendering import PlannedMessage

IN_FLIGHT = ("sending", "unknown")
"""A message in these states cannot be cancelled, but it is not sent again after `cancel_requested`."""
BATCH_SIZE = 500


def put(session: Session, subject: str, text: PlannedMessage, now: datetime) -> OutgoingMessage:
    """Add a message; idempotent by key. A withdrawn message with the same key is queued again.

    Raises `UnknownMessageType`, `catalog.NoSuchText` without an approved template in the language, and KeyError for a
    missing parameter.
    """
    put_many(session, [(subject, text)], now)
    return session.scalars(
        select(OutgoingMessage)
        .where(OutgoingMessage.dedupe_key == f"{subject}:{text.key}")
        .execution_options(populate_existing=True)
    ).one()


def put_many(session: Session, planned: Iterable[tuple[str, PlannedMessage]], now: datetime) -> int:
    """Add messages by subject and return how many are new. Safe with concurrent calls."""
    added = 0
    left = list(planned)
    while left:
        some, left = left[:BATCH_SIZE], left[BATCH_SIZE:]
        rows = [_row(subject, text, now) for subject, text in some]
        insert_new(session, Phone, [{"e164": phone} for phone in sorted({row["phone"] for row in rows})], "e164")
        stopped = opt_outs.find_opted_out(session, {row["phone"] for row in rows})
        sent_after_opt_out = message_types.names_sent_after_opt_out()
        for row in rows:
            if row["phone"] in stopped and row["template"] not in sent_after_opt_out:
                row["state"], row["error"] = "suppressed", "stopped"
        new = insert_new(session, OutgoingMessage, rows, "dedupe_key")
        added += new
        if new < len(rows):
            _requeue_withdrawn(session, rows)
    return added


def replace(session: Session, subject: str, texts: Iterable[PlannedMessage], now: datetime) -> None:
    """Replace the planned messages of `subject`: withdraw unsent messages that are not in `texts`, add new."""
    wanted = list(texts)
    keys = [f"{subject}:{text.key}" for text in wanted]
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
    put_many(session, [(subject, text) for text in wanted], now)


def withdraw(session: Session, subject: str, now: datetime) -> None:
    """Withdraw all unsent messages about `subject`."""
    replace(session, subject, (), now)


def _row(subject: str, text: PlannedMessage, now: datetime) -> dict[str, Any]:
    body = text.body if text.body is not None else catalog.render(text.language, text.template, text.params)
    message_type = message_types.get(text.template)
    category = text.category or message_type.category
    return {
        "dedupe_key": f"{subject}:{text.key}",
        "subject": subject,
        "question": text.question,
        "phone": text.to,
        "school_id": text.school_id,
        "zone": text.zone,
        "language": text.language,
        "template": text.template,
        "category": category,
        "priority": message_types.priority(category),
        "params": json.dumps({name: str(value) for name, value in text.params.items()}, ensure_ascii=False),
        "body": body,
        "segments": count(body),
        "not_before": text.not_before,
        "next_at": text.not_before,
        "expires_at": text.expires_at,
        "state": "queued",
        "error": None,
        "created_at": now,
        "urgent_by": text.urgent_by,
        "urgent_reason": text.urgent_reason,
        "written_by": text.written_by,
    }


def _requeue_withdrawn(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Queue withdrawn messages of the plan again and revoke their cancel requests."""
    by_key = {row["dedupe_key"]: row for row in rows}
    back = update(OutgoingMessage).execution_options(synchronize_session=False)
    session.execute(
        back.where(
            OutgoingMessage.dedupe_key.in_(by_key),
            OutgoingMessage.state.in_(IN_FLIGHT),
            OutgoingMessage.cancel_requested.is_(True),
        ).values(cancel_requested=False)
    )
    gone = select(OutgoingMessage.dedupe_key).where(
        OutgoingMessage.dedupe_key.in_(by_key), OutgoingMessage.state == "cancelled"
    )
    for key in session.scalars(gone).all():
        values = {name: value for name, value in by_key[key].items() if name not in ("dedupe_key", "created_at")}
        session.execute(
            back.where(OutgoingMessage.dedupe_key == key, OutgoingMessage.state == "cancelled").values(
                **values, cancel_requested=False, hold_reason=None
            )
        )


def messages_about(session: Session, subject: str) -> Sequence[OutgoingMessage]:
    """Return the messages about `subject`, oldest first."""
    return session.scalars(
        select(OutgoingMessage).where(OutgoingMessage.subject == subject).order_by(OutgoingMessage.id)
    ).all()
