"""Check before sending whether an invitation is still open and the family may be reached at that phone."""

from datetime import datetime

from sqlalchemy import Date, Integer, bindparam, select
from sqlalchemy.orm import Session

from homevisits.invitations.models import ConsentEntry, Invitation
from homevisits.invitations.queries import is_valid_yes, newest_answer_id
from homevisits.messages.models import OutgoingMessage
from homevisits.people.models import Caregiver
from homevisits.people.queries import has_left

INVITATION_TEMPLATE = "invitation"  # the other templates are replies and go to the phone that wrote


def reason_not_to_send(session: Session, row: OutgoingMessage, now: datetime) -> str | None:
    """Return the code why a planned message must not be sent any more, or None if it may be sent.

    closed | answered, or a code of `find_unreachable_reason`.
    """
    if row.template != INVITATION_TEMPLATE:
        return None
    newest = newest_answer_id(Invitation.family_id)
    invitations = (
        select(Invitation.family_id, Invitation.closed_at, is_valid_yes(ConsentEntry, now.date()).label("is_accepted"))
        .select_from(Invitation)
        .outerjoin(ConsentEntry, ConsentEntry.id == newest)
    )
    invitation = session.execute(invitations.where(Invitation.id == int(row.subject.partition(":")[2]))).one_or_none()
    if invitation is None or invitation.closed_at is not None:
        return "closed"
    if invitation.is_accepted:
        return "answered"  # by phone or in person, while the message waited
    return find_unreachable_reason(session, invitation.family_id, row.phone, now)


def find_unreachable_reason(session: Session, family_id: int, phone: str, now: datetime) -> str | None:
    """Return the code why a family cannot be reached at `phone`, or None if a caregiver may be reached there.

    phone_changed: no caregiver of the family has the phone any more.
    family_left: no child of the family is enrolled in the district any more.
    restricted: all caregivers with the phone are restricted contacts.
    left: the caregivers with the phone who are not restricted have left the family.
    """
    today = now.date()
    holders = session.execute(_HOLDERS, {"family": family_id, "phone": phone, "today": today}).all()
    if not holders:
        return "phone_changed"
    if holders[0].has_left:
        return "family_left"
    if any(not holder.restricted and (holder.left_on is None or holder.left_on > today) for holder in holders):
        return None
    return "restricted" if all(holder.restricted for holder in holders) else "left"


# Built once, because building the statement takes longer than running it, and it runs for every claimed message.
_HOLDERS = select(
    Caregiver.restricted,
    Caregiver.left_on,
    has_left(bindparam("family", type_=Integer), bindparam("today", type_=Date)).label("has_left"),
).where(Caregiver.phone == bindparam("phone"), Caregiver.family_id == bindparam("family", type_=Integer))
