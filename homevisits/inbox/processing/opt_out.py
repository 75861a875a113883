"""Opt-out, opt-in, help and wrong-number messages. They apply immediately and to all senders."""

from sqlalchemy import update

from homevisits.inbox.models import PendingChoice
from homevisits.inbox.processing import queries
from homevisits.inbox.processing.context import HELP_INTERVAL, IncomingContext, leave_to_person, send_reply
from homevisits.messages.models import IncomingMessage, OptOutEntry, Phone
from homevisits.messages.recipients import opt_outs
from homevisits.messages.templates import catalog


def stop_texts(heard: IncomingContext) -> None:
    """Opt the number out for all schools and send one confirmation. Staff call about upcoming visits.

    If the provider handled the opt-out itself (OptOutType), it already sent a confirmation and would reject ours.
    """
    session, row = heard.session, heard.row
    entry = opt_outs.opt_out(session, row.phone, "family", heard.now, evidence=heard.evidence, how="text")
    if entry is not None and not row.opt_out_type:
        send_reply(heard, "stop_confirmed")
    row.needs_person = queries.has_live_visit(session, row.phone) | _drop_choices(heard)


def resume_texts(heard: IncomingContext) -> None:
    """Lift an opt-out that the family made itself. Leave other opt-outs to staff."""
    if opt_outs.opt_in(heard.session, heard.row.phone, heard.now, evidence=heard.evidence) is not None:
        if not heard.row.opt_out_type:
            send_reply(heard, "start_confirmed")
    elif not opt_outs.may_receive(heard.session, heard.row.phone):
        leave_to_person(heard)


def send_help(heard: IncomingContext) -> None:
    """Send the help template once a day, also after an opt-out. Without a template, leave it to staff."""
    if not catalog.is_approved(heard.language, "help"):
        leave_to_person(heard)
    elif not heard.row.opt_out_type:
        send_reply(heard, "help", once_in=HELP_INTERVAL)


def record_wrong_number(heard: IncomingContext) -> None:
    """Opt the number out and ignore its answers from now on; staff look for the correct number.

    This replaces the family's own opt-out, because a START from a stranger must not resume messages.
    """
    session, row, now = heard.session, heard.row, heard.now
    newest = opt_outs.latest_entry(session, row.phone)
    opt_outs.opt_out(session, row.phone, "wrong_number", now, evidence=heard.evidence, how="text")
    if newest is not None and newest.entry == "stop" and newest.reason in ("family", "provider"):
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
    """Return whether the holder of this phone reported a wrong number."""
    phone = heard.session.get(Phone, heard.row.phone, populate_existing=True)
    return phone is not None and phone.state == "wrong_number"


def _drop_choices(heard: IncomingContext) -> bool:
    """Close the phone's prompts and leave their answers to staff. Return whether there were any."""
    session = heard.session
    kept = session.scalars(
        update(PendingChoice)
        .where(PendingChoice.phone == heard.row.phone, PendingChoice.resolved_at.is_(None))
        .values(resolved_at=heard.now)
        .returning(PendingChoice.incoming_message_id)
    ).all()
    session.execute(update(IncomingMessage).where(IncomingMessage.id.in_(kept)).values(needs_person=True))
    return bool(kept)
