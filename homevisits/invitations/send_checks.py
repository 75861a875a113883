"""Whether a text about an invitation may still leave, asked at the last moment; and whom of a family we may text."""

from datetime import datetime

from sqlalchemy import Date, Integer, bindparam, select
from sqlalchemy.orm import Session

from homevisits.invitations.models import ConsentEntry, Invitation
from homevisits.invitations.queries import is_valid_yes, newest_answer_id
from homevisits.messages.models import OutgoingMessage
from homevisits.people.models import Caregiver
from homevisits.people.queries import has_left

INVITATION_TEMPLATE = "invitation"  # the other templates are replies and go to the phone that wrote


def text_wanted(session: Session, row: OutgoingMessage, now: datetime) -> str | None:
    """Why the text must not leave any more: closed, answered, or a code of `unreachable`. None: it may."""
    if row.template != INVITATION_TEMPLATE:
        return None
    newest = newest_answer_id(Invitation.family_id)
    found = (
        select(Invitation.family_id, Invitation.closed_at, is_valid_yes(ConsentEntry, now.date()).label("answered"))
        .select_from(Invitation)
        .outerjoin(ConsentEntry, ConsentEntry.id == newest)
    )
    asked = session.execute(found.where(Invitation.id == int(row.subject.partition(":")[2]))).one_or_none()
    if asked is None or asked.closed_at is not None:
        return "closed"
    if asked.answered:
        return "answered"  # by phone or in person, while the text waited
    return unreachable(session, asked.family_id, row.phone, now)


def unreachable(session: Session, family_id: int, phone: str, now: datetime) -> str | None:
    """Why nothing more goes to `phone` about this family; None when one of its caregivers hears there.

    restricted | left: whoever has the phone; phone_changed: nobody of the family has it any more; family_left: no
    child of theirs goes to a school of ours.
    """
    today = now.date()
    holders = session.execute(_HOLDERS, {"family": family_id, "phone": phone, "today": today}).all()
    if not holders:
        return "phone_changed"
    if holders[0].gone:
        return "family_left"
    if any(not one.restricted and (one.left_on is None or one.left_on > today) for one in holders):
        return None
    return "restricted" if all(one.restricted for one in holders) else "left"


# Built once: to put it together takes longer than to run it, and every message that is claimed asks it.
_HOLDERS = select(
    Caregiver.restricted,
    Caregiver.left_on,
    has_left(bindparam("family", type_=Integer), bindparam("today", type_=Date)).label("gone"),
).where(Caregiver.phone == bindparam("phone"), Caregiver.family_id == bindparam("family", type_=Integer))
