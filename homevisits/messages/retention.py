"""Retention: delete message texts and raw reports after the configured time; keep the metadata."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update

from homevisits.core.db import Database
from homevisits.messages.models import STATES, WAITING_STATES, IncomingMessage, OutgoingMessage, ProviderEvent

BATCH_SIZE = 1000  # rows per transaction; small, because SQLite has only one writer


def delete_old_texts(database: Database, keep_days: int, now: datetime) -> int:
    """Delete message texts and raw reports older than `keep_days`; return the number of rows."""
    before = now - timedelta(days=keep_days)
    finished = [state for state in STATES if state not in (*WAITING_STATES, "sending")]
    outgoing = OutgoingMessage.state.in_(finished), OutgoingMessage.created_at < before
    return (
        _clear_rows(database, OutgoingMessage, (*outgoing, OutgoingMessage.body != ""), {"body": "", "params": "{}"})
        + _clear_rows(
            database,
            IncomingMessage,
            (
                IncomingMessage.received_at < before,
                IncomingMessage.processed_at.is_not(None),
                or_(IncomingMessage.body != "", IncomingMessage.raw != "{}"),
            ),
            {"body": "", "raw": "{}"},
        )
        + _clear_rows(
            database, ProviderEvent, (ProviderEvent.received_at < before, ProviderEvent.raw != "{}"), {"raw": "{}"}
        )
    )


def _clear_rows(
    database: Database, table: Any, conditions: tuple[ColumnElement[bool], ...], values: dict[str, Any]
) -> int:
    total = 0
    while True:
        with database.transaction() as session:
            ids = session.scalars(select(table.id).where(*conditions).limit(BATCH_SIZE)).all()
            session.execute(
                update(table).where(table.id.in_(ids)).values(**values).execution_options(synchronize_session=False)
            )
        total += len(ids)
        if len(ids) < BATCH_SIZE:
            return total
