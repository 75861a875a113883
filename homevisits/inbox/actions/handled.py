"""A person has read a text and done what it asked for."""

from datetime import datetime

from sqlalchemy.orm import Session

from homevisits.access import Actor
from homevisits.inbox import queries
from homevisits.messages.models import InboundText
from homevisits.problems import NotFound


def read_by(session: Session, actor: Actor, inbound_id: int, now: datetime) -> None:
    """A person has read a reply and done what it asked for. Raises `NotFound` for a phone the actor does not see."""
    row = session.get(InboundText, inbound_id)
    if row is None or row.phone not in queries.phones_seen_by(session, actor, [row.phone]):
        raise NotFound
    # The flag falls, so that what waits is found without reading what was done.
    row.needs_person, row.handled_at, row.handled_by = False, now, actor.account_id
