"""A colleague answers a reminder. Texts to the two who visit ask nothing: a digit from there answers for no family."""

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
"""What gets no word back: a machine, a thumb."""
_HANDLERS: Mapping[Intent, Callable[[IncomingContext], None]] = MappingProxyType(
    {
        Intent.STOP: opt_out.stop_texts,
        Intent.START: opt_out.resume_texts,
        Intent.WRONG_NUMBER: opt_out.record_wrong_number,
    }
)


def is_staff_phone(session: Session, phone: str) -> bool:
    """Whether the phone is a colleague's and no caregiver's: whoever is both is heard as the parent they are."""
    colleague = exists().where(Person.phone == phone)
    parent = exists().where(Caregiver.phone == phone)
    return session.scalar(select(colleague & ~parent)) or False


def handle_staff_message(hearing_: IncomingContext, said: Intent) -> None:
    """Stop and start count as from anybody; all else is told where the visits are, once a day.

    Nobody is shown the text: it would show a colleague's own number.
    """
    if said in _HANDLERS:
        _HANDLERS[said](hearing_)
    elif said not in UNANSWERED_INTENTS:
        context.send_reply(hearing_, "staff_reply", once_in=STAFF_REPLY_INTERVAL)
    hearing_.row.needs_person = False
