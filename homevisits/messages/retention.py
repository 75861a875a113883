"""The words of texts are kept for as long as the policy says; what was sent, when and what became of it stays."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update

from homevisits.core.db import Database
from homevisits.messages.models import STATES, WAITING, CarrierEvent, InboundText, OutboxText

AT_ONCE = 1000
"""Rows in one transaction: on SQLite nobody else writes meanwhile."""


def empty(database: Database, keep_days: int, now: datetime) -> int:
    """Empty the words of texts, both ways, and the raw reports, that are older than `keep_days`: how many rows."""
    before = now - timedelta(days=keep_days)
    over = [state for state in STATES if state not in (*WAITING, "sending")]
    outbox = OutboxText.state.in_(over), OutboxText.created_at < before
    return (
        _emptied(database, OutboxText, (*outbox, OutboxText.body != ""), {"body": "", "params": "{}"})
        + _emptied(
            database,
            InboundText,
            (
                InboundText.received_at < before,
                InboundText.taken_at.is_not(None),
                or_(InboundText.body != "", InboundText.raw != "{}"),
            ),
            {"body": "", "raw": "{}"},
        )
        + _emptied(database, CarrierEvent, (CarrierEvent.received_at < before, CarrierEvent.raw != "{}"), {"raw": "{}"})
    )


def _emptied(database: Database, table: Any, which: tuple[ColumnElement[bool], ...], values: dict[str, Any]) -> int:
    total = 0
    while True:
        with database.transaction() as session:
            ids = session.scalars(select(table.id).where(*which).limit(AT_ONCE)).all()
            session.execute(
                update(table).where(table.id.in_(ids)).values(**values).execution_options(synchronize_session=False)
            )
        total += len(ids)
        if len(ids) < AT_ONCE:
            return total
