"""Allowlist of staff phones. In trial mode, no other phone receives messages."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound, Problem, RulesBroken
from homevisits.messages.models import Phone, TrialRecipient

LONGEST_NAME = 80


def everyone(session: Session) -> Sequence[TrialRecipient]:
    """Return the allowlist, sorted by name."""
    return session.scalars(select(TrialRecipient).order_by(TrialRecipient.name, TrialRecipient.phone)).all()


def number(session: Session) -> int:
    """Return the size of the allowlist."""
    return session.scalar(select(func.count()).select_from(TrialRecipient)) or 0


def add(
    session: Session, actor: Actor, name: str, phone: str | None, now: datetime, *, of_family: bool = False
) -> None:
    """Add `phone` (E.164; None if invalid) to the allowlist, or rename it.

    of_family: reject the number, because trial mode only messages staff.
    """
    refuse_unless_district(actor)
    name = name.strip()
    wrong = []
    if not name:
        wrong.append(Problem("missing", "name"))
    elif len(name) > LONGEST_NAME:
        wrong.append(Problem("too_long", "name", {"most": LONGEST_NAME}))
    if phone is None:
        wrong.append(Problem("not_a_phone", "phone"))
    elif of_family:
        wrong.append(Problem("guest_is_family", "phone"))
    if wrong or phone is None:
        raise RulesBroken(wrong)
    row = session.get(TrialRecipient, phone)
    if row is None:
        session.add(TrialRecipient(phone=phone, name=name, by_account=actor.account_id, at=now))
        if session.get(Phone, phone) is None:
            session.add(Phone(e164=phone, state="ok"))
    else:
        row.name = name
    session.flush()


def remove(session: Session, actor: Actor, phone: str) -> bool:
    """Remove `phone` from the allowlist. False if it was not listed."""
    refuse_unless_district(actor)
    row = session.get(TrialRecipient, phone)
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True


def refuse_unless_district(actor: Actor) -> None:
    """Raise `NotFound` unless the actor may manage senders for the whole district."""
    if actor.schools(Permission.SENDERS) is not None:
        raise NotFound
