"""Whether a text about a visit may still leave, asked at the last moment: minutes or days after it was planned."""

import re
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.engine import Row
from sqlalchemy.orm import Session

from homevisits.invitations.models import ConsentEntry
from homevisits.invitations.queries import is_valid_yes, newest_answer_id
from homevisits.invitations.send_checks import unreachable
from homevisits.messages.models import OutgoingMessage
from homevisits.people.models import Educator
from homevisits.visits.messages import BY_NAME, VisitMessage, templates_with_purpose
from homevisits.visits.models import Visit, VisitMember

Found = Row[int, int, str, datetime, str, bool]  # the last two are None for a family that never answered

JUST_NOW = timedelta(hours=1)
"""As near as a plan lets a reminder follow the question."""
_KEY = re.compile(r"visit:\d+:v(\d+):[a-z0-9-]+(?::e(\d+))?")


def text_wanted(session: Session, row: OutgoingMessage, now: datetime) -> str | None:
    """Why the text must not leave any more; None: it may.

    visit_changed | begun | consent_withdrawn | consent_lapsed | just_told | partner_changed, or a code of
    `unreachable`.
    """
    message = BY_NAME.get(row.template)
    if message is None or not message.states:
        return None
    visit = _visit(session, int(row.subject.partition(":")[2]), now)
    key = _KEY.match(row.dedupe_key)
    if visit is None or visit.state not in message.states or (key is not None and int(key[1]) != visit.version):
        return "visit_changed"
    if message.before_start and visit.starts_at <= now:
        return "begun"
    if message.needs_consent and not visit.counts:
        return "consent_lapsed" if visit.answer == "yes" else "consent_withdrawn"
    if message.audience == "staff":
        return _staff(session, row, message, int(key[2]) if key is not None and key[2] else 0)
    if message.purpose == "remind" and _just_told(session, row, now):
        return "just_told"
    return _family(session, visit, row, message, now)


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
        OutgoingMessage.template.in_(templates_with_purpose("announce_time")),
        OutgoingMessage.sent_at > now - JUST_NOW,
    )
    return session.scalar(found.limit(1)) is not None


def _family(session: Session, visit: Found, row: OutgoingMessage, message: VisitMessage, now: datetime) -> str | None:
    why = unreachable(session, visit.family_id, row.phone, now)
    # A family that moved away meanwhile must hear that nobody comes.
    return None if why == "family_left" and message.purpose == "cancel" else why


def _staff(session: Session, row: OutgoingMessage, message: VisitMessage, educator_id: int) -> str | None:
    visit_id = int(row.subject.partition(":")[2])
    found = (
        select(Educator.phone, Educator.left_on, VisitMember.state)
        .join(VisitMember, VisitMember.educator_id == Educator.id)
        .where(Educator.id == educator_id, VisitMember.visit_id == visit_id)
    )
    member = session.execute(found).one_or_none()
    if member is None or (message.member_states and member.state not in message.member_states):
        return "partner_changed"
    if member.left_on is not None:
        return "left"
    return None if member.phone == row.phone else "phone_changed"
