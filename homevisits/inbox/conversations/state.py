"""The state of a conversation: when something was last said in it, and since when a family waits for a person."""

from datetime import datetime

from sqlalchemy import func, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from homevisits.core.db import is_sqlite
from homevisits.inbox.models import Conversation


def record_incoming(session: Session, phone: str, now: datetime, waits: bool) -> None:
    """A family wrote from `phone` (E.164). ``waits``: only a person can answer; the oldest such word counts."""
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    new = insert(Conversation).values(phone=phone, last_at=now, waiting_since=now if waits else None)
    session.execute(
        # In one statement: two texts of a phone that come at once are one conversation.
        new.on_conflict_do_update(
            index_elements=["phone"],
            set_={
                "last_at": new.excluded.last_at,
                "waiting_since": func.coalesce(Conversation.waiting_since, new.excluded.waiting_since),
            },
        ).execution_options(synchronize_session=False)
    )


def record_answer(session: Session, phone: str, now: datetime) -> None:
    """Somebody answered the family, by text or otherwise: nothing of `phone` waits. No conversation: nothing."""
    session.execute(
        update(Conversation)
        .where(Conversation.phone == phone)
        .values(last_at=now, waiting_since=None)
        .execution_options(synchronize_session="fetch")
    )
