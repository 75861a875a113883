"""Prevent reply loops with automatic senders: limit replies per hour and suppress repetitions."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from homevisits.inbox.message_types import REPLIES
from homevisits.inbox.models import Conversation
from homevisits.inbox.parsing.intent import normalize
from homevisits.inbox.processing.context import IncomingContext
from homevisits.messages.models import WAITING_STATES, IncomingMessage, OutgoingMessage
from homevisits.messages.monitoring import alerts

MAX_REPLIES = 4
LIMIT_INTERVAL = timedelta(hours=1)
# Confirmations exempt from the hourly limit, unless they repeat within the hour.
EXEMPT_TEMPLATES = frozenset(reply.name for reply in REPLIES if reply.exempt_from_reply_limit)


def newest_reply(session: Session, phone: str) -> int:
    """Return the id of the newest message to `phone`; later messages are replies of this processing."""
    return session.scalar(select(func.max(OutgoingMessage.id)).where(OutgoingMessage.phone == phone)) or 0


def suppress_excess_replies(incoming: IncomingContext, before: int) -> None:
    """Cancel excess replies. The family's request is still applied, and staff read the message."""
    session, phone = incoming.session, incoming.row.phone
    session.flush()
    new_replies = session.scalars(
        select(OutgoingMessage)
        .where(
            OutgoingMessage.phone == phone,
            OutgoingMessage.id > before,
            OutgoingMessage.category == "reply",
            OutgoingMessage.state.in_(WAITING_STATES),
        )
        .execution_options(populate_existing=True)
    ).all()
    if not new_replies:
        return
    earlier = _recent_replies(session, phone, before, incoming.now - LIMIT_INTERVAL)
    if len(earlier) >= MAX_REPLIES:
        templates = {one.template for one in earlier}
        quiet = [one for one in new_replies if one.template not in EXEMPT_TEMPLATES or one.template in templates]
        if quiet:
            _limit_reached(incoming)
    else:
        quiet = [one for one in new_replies if _is_repetition(incoming, one, earlier)]
    for one in quiet:
        one.state, one.error = "cancelled", "loop"


def _recent_replies(session: Session, phone: str, before: int, since: datetime) -> Sequence[OutgoingMessage]:
    """Return the automatic replies to `phone` since then, newest first. Messages by staff do not count."""
    return session.scalars(
        select(OutgoingMessage)
        .where(
            OutgoingMessage.phone == phone,
            OutgoingMessage.id <= before,
            OutgoingMessage.created_at > since,
            OutgoingMessage.category == "reply",
            OutgoingMessage.written_by.is_(None),
            OutgoingMessage.state != "cancelled",
        )
        .order_by(OutgoingMessage.id.desc())
    ).all()


def _limit_reached(incoming: IncomingContext) -> None:
    """Stop replying and flag the message for staff; alert the operator once per conversation."""
    incoming.row.needs_staff = True
    thread = incoming.session.scalar(select(Conversation.id).where(Conversation.phone == incoming.row.phone))
    alerts.raise_alert(incoming.session, "loop", f"thread:{thread}", incoming.now)


def _is_repetition(incoming: IncomingContext, reply: OutgoingMessage, earlier: Sequence[OutgoingMessage]) -> bool:
    """Return whether the phone repeated its last message and would get the same reply again."""
    if not earlier or (earlier[0].template, earlier[0].body) != (reply.template, reply.body):
        return False
    row = incoming.row
    last = incoming.session.scalar(
        select(IncomingMessage.body)
        .where(
            IncomingMessage.phone == row.phone,
            IncomingMessage.id < row.id,
            IncomingMessage.received_at > incoming.now - LIMIT_INTERVAL,
        )
        .order_by(IncomingMessage.id.desc())
        .limit(1)
    )
    return last is not None and (last == row.body or normalize(last) == normalize(row.body) != "")
