"""Mark an incoming message as handled by staff."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import NotFound
from homevisits.inbox.conversations.queries import access
from homevisits.messages.models import IncomingMessage


def mark_handled(session: Session, actor: Actor, incoming_message_id: int, now: datetime) -> None:
    """Mark a message as handled. Raises `NotFound` for a phone that the user may not see."""
    seen = select(IncomingMessage).where(
        IncomingMessage.id == incoming_message_id, access.visible_to_office(actor, IncomingMessage.phone)
    )
    row = session.scalar(seen)
    if row is None:
        raise NotFound
    # Clear the flag, so that the query for waiting messages does not read handled rows.
    row.needs_staff, row.handled_at, row.handled_by = False, now, actor.account_id
