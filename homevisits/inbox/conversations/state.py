"""State of a conversation: time of the last message and start of the wait for a reply."""

from datetime import datetime

from sqlalchemy import func, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from homevisits.core.db import is_sqlite
from homevisits.inbox.models import Conversation


def record_incoming(session: Session, phone: str, now: datetime, waits: bool) -> None:
    """Record an incoming message from `phone` (E.164). ``waits``: staff must reply; keep the oldest time."""
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    new = insert(Conversation).values(phone=phone, last_at=now, waiting_since=now if waits else None)
    session.execute(
        # Use a single upsert, so that two simultaneous messages of a phone create a single conversation.
        new.on_conflict_do_update(
            index_elements=["phone"],
            set_={
                "last_at": new.excluded.last_at,
                "waiting_since": func.coalesce(Conversation.waiting_since, new.excluded.waiting_since),
            },
        ).execution_options(synchronize_session=False)
    )


def record_answer(session: Session, phone: str, now: datetime) -> None:
    """Clear the waiting flag of `phone` after a reply. Does nothing if there is no conversation."""
    session.execute(
        update(Conversation)
        .where(Conversation.phone == phone)
        .values(last_at=now, waiting_since=None)
        .execution_options(synchronize_session="fetch")
    )
