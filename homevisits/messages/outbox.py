"""The outbox: domain code puts texts in, in the transaction of what they are about. Only delivery takes them out."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from homevisits.messages import optout, packs
from homevisits.messages.models import WAITING, OutboxText, Phone
from homevisits.messages.texts import PlannedText


def put(session: Session, about: str, text: PlannedText, now: datetime) -> OutboxText:
    """Add one text about something. The same key again is the same text; one that was withdrawn comes back."""
    body = packs.render(text.language, text.template, text.params)
    key = f"{about}:{text.key}"
    row = session.scalar(select(OutboxText).where(OutboxText.dedupe_key == key))
    # Asked before the row is in the session: a question would write it half filled.
    state = "queued" if optout.lets_through(session, text.to, text.template) else "suppressed"
    if session.get(Phone, text.to) is None:
        session.add(Phone(e164=text.to, state="ok"))
        session.flush()
    if row is None:
        row = OutboxText(dedupe_key=key, about=about, created_at=now, attempts=0, state="queued")
        session.add(row)
    elif row.state != "cancelled":
        return row
    row.state = state
    row.about, row.asks, row.phone = about, text.asks, text.to
    row.language, row.template, row.body = text.language, text.template, body
    row.not_before = row.next_at = text.not_before
    row.expires_at = text.expires_at
    session.flush()
    return row


def replace(session: Session, about: str, texts: Iterable[PlannedText], now: datetime) -> None:
    """Make `texts` the plan for `about`: what is not in it and has not left is withdrawn, what is new is added."""
    wanted = list(texts)
    keys = [f"{about}:{text.key}" for text in wanted]
    session.execute(
        update(OutboxText)
        .where(OutboxText.about == about, OutboxText.state.in_(WAITING), OutboxText.dedupe_key.not_in(keys))
        .values(state="cancelled")
        .execution_options(synchronize_session="fetch")
    )
    for text in wanted:
        put(session, about, text, now)


def withdraw(session: Session, about: str, now: datetime) -> None:
    """Nothing more leaves about this."""
    replace(session, about, (), now)
