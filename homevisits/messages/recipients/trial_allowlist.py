"""The guests of a trial: staff whose phones a trial may text. Nobody else gets any text while it lasts."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound, Problem, RulesBroken
from homevisits.messages.models import Phone, TrialRecipient

LONGEST_NAME = 80


def everyone(session: Session) -> Sequence[TrialRecipient]:
    """The guests, by name."""
    return session.scalars(select(TrialRecipient).order_by(TrialRecipient.name, TrialRecipient.phone)).all()


def number(session: Session) -> int:
    """How many guests there are."""
    return session.scalar(select(func.count()).select_from(TrialRecipient)) or 0


def add(
    session: Session, actor: Actor, name: str, phone: str | None, now: datetime, *, of_family: bool = False
) -> None:
    """Let the trial text `phone` (E.164; None: what was typed is none). The same phone again takes the new name.

    ``of_family``: it is a family's and no colleague's; a trial texts no family.
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
    """The trial texts `phone` no more. False: it was none of the guests'."""
    refuse_unless_district(actor)
    row = session.get(TrialRecipient, phone)
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True


def refuse_unless_district(actor: Actor) -> None:
    """What texts go out from is the district's: a lead of one school finds nothing to change. Raises `NotFound`."""
    if actor.schools(Permission.SENDERS) is not None:
        raise NotFound
