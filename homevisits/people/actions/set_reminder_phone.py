from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import Problem, RulesBroken, refuse_if_any
from homevisits.people import phones
from homevisits.people.models import Educator


def set_reminder_phone(session: Session, actor: Actor, typed: str) -> str | None:
    """Set the educator's phone for reminders, or remove it if `typed` is empty. No other user sees it.

    Returns the number in E.164. Raises `RulesBroken` if it is not a valid phone number.
    """
    if actor.educator_id is None:
        raise RulesBroken([Problem("not_an_educator")])
    phone = phones.to_e164(typed) if typed.strip() else None
    refuse_if_any([Problem("not_a_phone", "phone")] if typed.strip() and phone is None else [])
    session.get_one(Educator, actor.educator_id).phone = phone
    session.flush()
    return phone
