"""Check before sending whether a message about a visit is still correct; it may have been planned days ago."""

import re
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.engine import Row
from sqlalchemy.orm import Session

from homevisits.invitations.models import ConsentEntry
from homevisits.invitations.queries import is_valid_yes, newest_answer_id
from homevisits.invitations.send_checks import find_unreachable_reason
from homevisits.messages.models import OutgoingMessage
from homevisits.people.models import Educator
from homevisits.visits.message_types import BY_NAME, VisitMessage, templates_with_purpose
from homevisits.visits.models import Visit, VisitMember
from homevisits.visits.notifications import MIN_GAP_BEFORE_REMINDER

# family_id, version, state, starts_at, answer, consent_is_valid; the last two are None for a family that never answered
VisitRow = Row[int, int, str, datetime, str, bool]

_KEY = re.compile(r"visit:\d+:v(\d+):[a-z0-9-]+(?::e(\d+))?")


def reason_not_to_send(session: Session, row: OutgoingMessage, now: datetime) -> str | None:
    """Return the code why a planned message must not be sent any more, or None if it may be sent.

    visit_changed | visit_started | consent_withdrawn | consent_lapsed | recently_announced | partner_changed, or a code
    of `find_unreachable_reason`.
    """
    message = BY_NAME.get(row.template)
    if message is None or not message.states:
        return None
    visit = _load_visit(session, int(row.subject.partition(":")[2]), now)
    key = _KEY.match(row.dedupe_key)
    if visit is None or visit.state not in message.states or (key is not None and int(key[1]) != visit.version):
        return "visit_changed"
    if message.before_start and visit.starts_at <= now:
        return "visit_started"
    if message.needs_consent and not visit.consent_is_valid:
        return "consent_lapsed" if visit.answer == "yes" else "consent_withdrawn"
    if message.audience == "staff":
        return _check_staff(session, row, message, int(key[2]) if key is not None and key[2] else 0)
    if message.purpose == "remind" and _was_recently_announced(session, row, now):
        return "recently_announced"
    return _check_family(session, visit, row, message, now)


def _load_visit(session: Session, visit_id: int, now: datetime) -> VisitRow | None:
    visits = (
        select(
            Visit.family_id,
            Visit.version,
            Visit.state,
            Visit.starts_at,
            ConsentEntry.answer.label("answer"),
            is_valid_yes(ConsentEntry, now.date()).label("consent_is_valid"),
        )
        .select_from(Visit)
        .outerjoin(ConsentEntry, ConsentEntry.id == newest_answer_id(Visit.family_id))
    )
    return session.execute(visits.where(Visit.id == visit_id)).one_or_none()


def _was_recently_announced(session: Session, row: OutgoingMessage, now: datetime) -> bool:
    """Return whether the visit's time was announced just now, because a quiet day delayed the message.

    A reminder shortly after it would repeat it.
    """
    recent = select(OutgoingMessage.id).where(
        OutgoingMessage.subject == row.subject,
        OutgoingMessage.phone == row.phone,
        OutgoingMessage.template.in_(templates_with_purpose("announce_time")),
        OutgoingMessage.sent_at > now - MIN_GAP_BEFORE_REMINDER,
    )
    return session.scalar(recent.limit(1)) is not None


def _check_family(
    session: Session, visit: VisitRow, row: OutgoingMessage, message: VisitMessage, now: datetime
) -> str | None:
    reason = find_unreachable_reason(session, visit.family_id, row.phone, now)
    # A family that has left the district meanwhile still needs the cancellation.
    return None if reason == "family_left" and message.purpose == "cancel" else reason


def _check_staff(session: Session, row: OutgoingMessage, message: VisitMessage, educator_id: int) -> str | None:
    visit_id = int(row.subject.partition(":")[2])
    members = (
        select(Educator.phone, Educator.left_on, VisitMember.state)
        .join(VisitMember, VisitMember.educator_id == Educator.id)
        .where(Educator.id == educator_id, VisitMember.visit_id == visit_id)
    )
    member = session.execute(members).one_or_none()
    if member is None or (message.member_states and member.state not in message.member_states):
        return "partner_changed"
    if member.left_on is not None:
        return "left"
    return None if member.phone == row.phone else "phone_changed"
