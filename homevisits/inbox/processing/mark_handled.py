"""A person has read a text and done what it asked for."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import NotFound
from homevisits.inbox.conversations.queries import access
from homevisits.messages.models import IncomingMessage


def mark_handled(session: Session, actor: Actor, incoming_message_id: int, now: datetime) -> None:
    """A person has read a reply and done what it asked for. Raises `NotFound` for a phone the actor does not see."""
    seen = select(IncomingMessage).where(
        IncomingMessage.id == incoming_message_id, access.visible_to_office(actor, IncomingMessage.phone)
    )
    row = session.scalar(seen)
    if row is None:
        raise NotFound
    # The flag falls, so that what waits is found without reading what was done.
    row.needs_person, row.handled_at, row.handled_by = False, now, actor.account_id
