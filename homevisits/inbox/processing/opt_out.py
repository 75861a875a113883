"""Stop, start, wrong number: what a family says about being texted at all. It holds at once, on every sender."""

from sqlalchemy import update

from homevisits.inbox.models import PendingChoice
from homevisits.inbox.processing import queries
from homevisits.inbox.processing.context import HELP_INTERVAL, IncomingContext, leave_to_person, send_reply
from homevisits.messages.models import IncomingMessage, OptOutEntry, Phone
from homevisits.messages.recipients import opt_outs
from homevisits.messages.templates import catalog


def stop_texts(heard: IncomingContext) -> None:
    """Nothing leaves for this number from here on but one confirmation, for any school. A visit ahead becomes a call.

    Where the carrier says that it took the stop itself (OptOutType), it has confirmed it too, and would refuse ours.
    """
    session, row = heard.session, heard.row
    entry = opt_outs.stop(session, row.phone, "family", heard.now, evidence=heard.evidence, how="text")
    if entry is not None and not row.opt_out_type:
        send_reply(heard, "stop_confirmed")
    row.needs_person = queries.has_live_visit(session, row.phone) | _drop_choices(heard)


def resume_texts(heard: IncomingContext) -> None:
    """The family wants texts again: a stop it made itself is lifted, and no other. Who holds the other tells it so."""
    if opt_outs.start(heard.session, heard.row.phone, heard.now, evidence=heard.evidence) is not None:
        if not heard.row.opt_out_type:
            send_reply(heard, "start_confirmed")
    elif not opt_outs.may_text(heard.session, heard.row.phone):
        leave_to_person(heard)


def send_help(heard: IncomingContext) -> None:
    """What these texts are and how to end them, once a day, also after a stop; a person, where we cannot say it."""
    if not catalog.has(heard.language, "help"):
        leave_to_person(heard)
    elif not heard.row.opt_out_type:
        send_reply(heard, "help", once_in=HELP_INTERVAL)


def record_wrong_number(heard: IncomingContext) -> None:
    """The phone is not the family's: nothing more goes to it, no answer from it counts, and staff find the right one.

    A stop of the family's own gives way to this one: a START from a stranger must not bring our texts back.
    """
    session, row, now = heard.session, heard.row, heard.now
    newest = opt_outs.newest(session, row.phone)
    opt_outs.stop(session, row.phone, "wrong_number", now, evidence=heard.evidence, how="text")
    if newest is not None and newest.entry == "stop" and newest.reason in ("family", "carrier"):
        session.add(
            OptOutEntry(
                phone=row.phone, entry="stop", reason="wrong_number", at=now, evidence=heard.evidence, how="text"
            )
        )
    said_already = is_wrong_number(heard)
    session.execute(update(Phone).where(Phone.e164 == row.phone).values(state="wrong_number", since=now, code="said"))
    if not said_already and not (newest is not None and newest.entry == "stop"):
        send_reply(heard, "wrong_number_confirmed")
    _drop_choices(heard)
    leave_to_person(heard)


def is_wrong_number(heard: IncomingContext) -> bool:
    """Whether whoever has this phone said that it is not the family's."""
    phone = heard.session.get(Phone, heard.row.phone, populate_existing=True)
    return phone is not None and phone.state == "wrong_number"


def _drop_choices(heard: IncomingContext) -> bool:
    """Nobody is asked "which one" any more; the answer that was kept goes to a person. Whether there was one."""
    session = heard.session
    kept = session.scalars(
        update(PendingChoice)
        .where(PendingChoice.phone == heard.row.phone, PendingChoice.resolved_at.is_(None))
        .values(resolved_at=heard.now)
        .returning(PendingChoice.incoming_message_id)
    ).all()
    session.execute(update(IncomingMessage).where(IncomingMessage.id.in_(kept)).values(needs_person=True))
    return bool(kept)
