"""Allowlist of staff phones. In trial mode, no other phone receives messages."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound, Problem, RulesBroken
from homevisits.messages.models import Phone, TrialRecipient

MAX_NAME_LENGTH = 80


def list_recipients(session: Session) -> Sequence[TrialRecipient]:
    """Return the allowlist, sorted by name."""
    return session.scalars(select(TrialRecipient).order_by(TrialRecipient.name, TrialRecipient.phone)).all()


def count_recipients(session: Session) -> int:
    """Return the size of the allowlist."""
    return session.scalar(select(func.count()).select_from(TrialRecipient)) or 0


def add_recipient(
    session: Session, actor: Actor, name: str, phone: str | None, now: datetime, *, is_family_phone: bool = False
) -> None:
    """Add `phone` (E.164; None if invalid) to the allowlist, or rename it.

    is_family_phone: reject the number, because trial mode only messages staff.
    """
    require_district_access(actor)
    name = name.strip()
    problems = []
    if not name:
        problems.append(Problem("missing", "name"))
    elif len(name) > MAX_NAME_LENGTH:
        problems.append(Problem("too_long", "name", {"most": MAX_NAME_LENGTH}))
    if phone is None:
        problems.append(Problem("not_a_phone", "phone"))
    elif is_family_phone:
        problems.append(Problem("guest_is_family", "phone"))
    if problems or phone is None:
        raise RulesBroken(problems)
    row = session.get(TrialRecipient, phone)
    if row is None:
        session.add(TrialRecipient(phone=phone, name=name, by_account=actor.account_id, at=now))
        if session.get(Phone, phone) is None:
            session.add(Phone(e164=phone, state="ok"))
    else:
        row.name = name
    session.flush()


def remove_recipient(session: Session, actor: Actor, phone: str) -> bool:
    """Remove `phone` from the allowlist. False if it was not listed."""
    require_district_access(actor)
    row = session.get(TrialRecipient, phone)
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True


def require_district_access(actor: Actor) -> None:
    """Raise `NotFound` unless the actor may manage senders for the whole district."""
    if actor.schools(Permission.SENDERS) is not None:
        raise NotFound
