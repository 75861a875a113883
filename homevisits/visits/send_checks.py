"""Whether a text about a visit may still leave, asked at the last moment: minutes or days after it was planned."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.engine import Row
from sqlalchemy.orm import Session

from homevisits.invitations.models import ConsentEntry
from homevisits.invitations.queries import is_valid_yes, newest_answer_id
from homevisits.invitations.send_checks import unreachable
from homevisits.messages.models import OutgoingMessage
from homevisits.people.models import Educator
from homevisits.visits.models import Visit, VisitMember

Found = Row[int, int, str, datetime, str, bool]  # the last two are None for a family that never answered

TRUE_WHILE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "visit_confirm": frozenset({"scheduled"}),
        "visit_moved": frozenset({"scheduled"}),
        "visit_reminder": frozenset({"scheduled", "confirmed"}),
        "visit_see_you": frozenset({"confirmed"}),
        "visit_confirmed": frozenset({"confirmed"}),
        "visit_now_at": frozenset({"scheduled"}),
        "visit_new_time_soon": frozenset({"proposed"}),
        "visit_cancelled": frozenset({"cancelled_by_educator"}),
        "visit_off": frozenset({"cancelled_by_educator"}),
        "visit_thanks": frozenset({"completed"}),
        "staff_asked": frozenset({"proposed"}),
        "staff_moved": frozenset({"proposed"}),
        "staff_stand_in": frozenset({"proposed"}),
        "staff_reminder": frozenset({"scheduled", "confirmed"}),
        "staff_cancelled": frozenset({"cancelled_by_educator", "cancelled_by_family"}),
    }
)
"""In which states of the visit each text says what is true. Others answer the family's own word."""
REMINDERS = frozenset({"visit_reminder", "visit_see_you"})  # before and after the family has confirmed
BEFORE_IT = REMINDERS | {
    "visit_confirm",
    "visit_moved",
    "visit_now_at",
    "visit_cancelled",
    "visit_off",
    "staff_asked",
    "staff_moved",
    "staff_reminder",
}
"""Of no use once the visit has begun."""
NEEDS_CONSENT = REMINDERS | {"visit_confirm", "visit_moved", "visit_now_at", "visit_thanks", "staff_reminder"}
"""That a visit is off must be said also to a family that wants none any more."""
JUST_NOW = timedelta(hours=1)
"""As near as a plan lets a reminder follow the question."""
MEMBER = MappingProxyType({"staff_asked": ("asked",), "staff_moved": ("asked",)})
"""Where somebody must stand for a text to them to be true; otherwise: coming."""
_KEY = re.compile(r"visit:\d+:v(\d+):[a-z0-9-]+(?::e(\d+))?")


def text_wanted(session: Session, row: OutgoingMessage, now: datetime) -> str | None:
    """Why the text must not leave any more; None: it may.

    visit_changed | begun | consent_withdrawn | consent_lapsed | just_told | partner_changed, or a code of
    `unreachable`.
    """
    states = TRUE_WHILE.get(row.template)
    if states is None:
        return None
    visit = _visit(session, int(row.subject.partition(":")[2]), now)
    key = _KEY.match(row.dedupe_key)
    if visit is None or visit.state not in states or (key is not None and int(key[1]) != visit.version):
        return "visit_changed"
    if row.template in BEFORE_IT and visit.starts_at <= now:
        return "begun"
    if row.template in NEEDS_CONSENT and not visit.counts:
        return "consent_lapsed" if visit.answer == "yes" else "consent_withdrawn"
    if row.template.startswith("staff_"):
        return _staff(session, row, int(key[2]) if key is not None and key[2] else 0)
    if row.template in REMINDERS and _just_told(session, row, now):
        return "just_told"
    return _family(session, visit, row, now)


def _visit(session: Session, visit_id: int, now: datetime) -> Found | None:
    found = (
        select(
            Visit.family_id,
            Visit.version,
            Visit.state,
            Visit.starts_at,
            ConsentEntry.answer.label("answer"),
            is_valid_yes(ConsentEntry, now.date()).label("counts"),
        )
        .select_from(Visit)
        .outerjoin(ConsentEntry, ConsentEntry.id == newest_answer_id(Visit.family_id))
    )
    return session.execute(found.where(Visit.id == visit_id)).one_or_none()


def _just_told(session: Session, row: OutgoingMessage, now: datetime) -> bool:
    """Whether the question itself left only now, held back by a quiet day: the reminder would say the same again."""
    found = select(OutgoingMessage.id).where(
        OutgoingMessage.subject == row.subject,
        OutgoingMessage.phone == row.phone,
        OutgoingMessage.template.in_(("visit_confirm", "visit_moved", "visit_now_at")),
        OutgoingMessage.sent_at > now - JUST_NOW,
    )
    return session.scalar(found.limit(1)) is not None


def _family(session: Session, visit: Found, row: OutgoingMessage, now: datetime) -> str | None:
    why = unreachable(session, visit.family_id, row.phone, now)
    # A family that moved away meanwhile must hear that nobody comes.
    return None if why == "family_left" and row.template in ("visit_cancelled", "visit_off") else why


def _staff(session: Session, row: OutgoingMessage, educator_id: int) -> str | None:
    visit_id = int(row.subject.partition(":")[2])
    found = (
        select(Educator.phone, Educator.left_on, VisitMember.state)
        .join(VisitMember, VisitMember.educator_id == Educator.id)
        .where(Educator.id == educator_id, VisitMember.visit_id == visit_id)
    )
    member = session.execute(found).one_or_none()
    if member is None or (
        row.template != "staff_cancelled" and member.state not in MEMBER.get(row.template, ("coming",))
    ):
        return "partner_changed"
    if member.left_on is not None:
        return "left"
    return None if member.phone == row.phone else "phone_changed"
