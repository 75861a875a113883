"""Opt-out, opt-in, help and wrong-number messages. They apply immediately and to all senders."""

from sqlalchemy import update

from homevisits.inbox.models import PendingChoice
from homevisits.inbox.processing import queries
from homevisits.inbox.processing.context import HELP_INTERVAL, IncomingContext, leave_to_staff, send_reply
from homevisits.messages.models import IncomingMessage, OptOutEntry, Phone
from homevisits.messages.recipients import opt_outs
from homevisits.messages.templates import catalog


def stop_texts(incoming: IncomingContext) -> None:
    """Opt the number out for all schools and send a confirmation. Staff call about upcoming visits.

    If the provider handled the opt-out itself (OptOutType), it already sent a confirmation and would reject ours.
    """
    session, row = incoming.session, incoming.row
    entry = opt_outs.opt_out(session, row.phone, "family", incoming.now, evidence=incoming.evidence, how="text")
    if entry is not None and not row.opt_out_type:
        send_reply(incoming, "stop_confirmed")
    row.needs_staff = queries.has_live_visit(session, row.phone) | _drop_choices(incoming)


def resume_texts(incoming: IncomingContext) -> None:
    """Lift an opt-out that the family made itself. Leave other opt-outs to staff."""
    if opt_outs.opt_in(incoming.session, incoming.row.phone, incoming.now, evidence=incoming.evidence) is not None:
        if not incoming.row.opt_out_type:
            send_reply(incoming, "start_confirmed")
    elif not opt_outs.may_receive(incoming.session, incoming.row.phone):
        leave_to_staff(incoming)


def send_help(incoming: IncomingContext) -> None:
    """Send the help template once a day, also after an opt-out. Without a template, leave it to staff."""
    if not catalog.is_approved(incoming.language, "help"):
        leave_to_staff(incoming)
    elif not incoming.row.opt_out_type:
        send_reply(incoming, "help", min_interval=HELP_INTERVAL)


def record_wrong_number(incoming: IncomingContext) -> None:
    """Opt the number out and ignore its answers from now on; staff look for the correct number.

    This replaces the family's own opt-out, because a START from a stranger must not resume messages.
    """
    session, row, now = incoming.session, incoming.row, incoming.now
    newest = opt_outs.latest_entry(session, row.phone)
    opt_outs.opt_out(session, row.phone, "wrong_number", now, evidence=incoming.evidence, how="text")
    if newest is not None and newest.entry == "stop" and newest.reason in ("family", "provider"):
        session.add(
            OptOutEntry(
                phone=row.phone, entry="stop", reason="wrong_number", at=now, evidence=incoming.evidence, how="text"
            )
        )
    already_reported = is_wrong_number(incoming)
    session.execute(
        update(Phone).where(Phone.e164 == row.phone).values(state="wrong_number", since=now, code="reported")
    )
    if not already_reported and not (newest is not None and newest.entry == "stop"):
        send_reply(incoming, "wrong_number_confirmed")
    _drop_choices(incoming)
    leave_to_staff(incoming)


def is_wrong_number(incoming: IncomingContext) -> bool:
    """Return whether the holder of this phone reported a wrong number."""
    phone = incoming.session.get(Phone, incoming.row.phone, populate_existing=True)
    return phone is not None and phone.state == "wrong_number"


def _drop_choices(incoming: IncomingContext) -> bool:
    """Close the phone's prompts and leave their answers to staff. Return whether there were any."""
    session = incoming.session
    kept = session.scalars(
        update(PendingChoice)
        .where(PendingChoice.phone == incoming.row.phone, PendingChoice.resolved_at.is_(None))
        .values(resolved_at=incoming.now)
        .returning(PendingChoice.incoming_message_id)
    ).all()
    session.execute(update(IncomingMessage).where(IncomingMessage.id.in_(kept)).values(needs_staff=True))
    return bool(kept)
