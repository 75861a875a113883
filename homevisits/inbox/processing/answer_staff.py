"""Answer messages from staff phones: they are no replies of families, because reminders to staff ask no questions."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from homevisits.inbox.parsing.keywords import Intent
from homevisits.inbox.processing import context, opt_out
from homevisits.inbox.processing.context import IncomingContext
from homevisits.people.models import Caregiver, Person

STAFF_REPLY_INTERVAL = timedelta(hours=24)
UNANSWERED_INTENTS = frozenset({Intent.ROBOT, Intent.TAPBACK, Intent.PROBABLE_YES})
"""Intents that get no reply: automatic messages and reactions."""
_HANDLERS: Mapping[Intent, Callable[[IncomingContext], None]] = MappingProxyType(
    {
        Intent.STOP: opt_out.stop_texts,
        Intent.START: opt_out.resume_texts,
        Intent.WRONG_NUMBER: opt_out.record_wrong_number,
    }
)


def is_staff_phone(session: Session, phone: str) -> bool:
    """Return whether the phone belongs only to staff. Staff who are also caregivers count as caregivers."""
    colleague = exists().where(Person.phone == phone)
    parent = exists().where(Caregiver.phone == phone)
    return session.scalar(select(colleague & ~parent)) or False


def handle_staff_message(incoming: IncomingContext, intent: Intent) -> None:
    """Apply opt-out and opt-in; answer other messages once a day with where to find the visits.

    The message is not shown to other users, because it would reveal a colleague's number.
    """
    if intent in _HANDLERS:
        _HANDLERS[intent](incoming)
    elif intent not in UNANSWERED_INTENTS:
        context.send_reply(incoming, "staff_reply", min_interval=STAFF_REPLY_INTERVAL)
    incoming.row.needs_staff = False
