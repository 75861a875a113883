"""Processing context of an incoming message, and automatic replies in the family's language."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.inbox.processing import queries
from homevisits.messages import outbox
from homevisits.messages.models import IncomingMessage, OutgoingMessage
from homevisits.messages.templates import catalog
from homevisits.messages.templates.rendering import PlannedMessage
from homevisits.people.models import Caregiver, District, School, Student
from homevisits.policies.rules import Policy

REPLY_USEFUL_FOR = timedelta(hours=12)
"""Drop an automatic reply that could not be sent within this time."""
UNCLEAR_INTERVAL = timedelta(hours=12)
HELP_INTERVAL = timedelta(hours=24)


@dataclass(frozen=True)
class IncomingContext:
    """An incoming message being processed in the current transaction."""

    session: Session
    row: IncomingMessage
    policy: Policy
    now: datetime
    language: str

    @property
    def evidence(self) -> str:
        """Return the reference to this message for audit records."""
        return f"inbound:{self.row.id}"


def leave_to_staff(incoming: IncomingContext, template: str | None = None) -> None:
    """Leave the message to staff and send the family an occasional notice that staff will read it."""
    incoming.row.needs_staff = True
    if template is not None:
        send_reply(incoming, template, min_interval=UNCLEAR_INTERVAL)


def send_reply(
    incoming: IncomingContext,
    template: str,
    params: dict[str, object] | None = None,
    *,
    min_interval: timedelta | None = None,
) -> bool:
    """Send a template as a reply. Return False if none is approved or it was sent within ``min_interval``."""
    session, row, now = incoming.session, incoming.row, incoming.now
    if not catalog.is_approved(incoming.language, template):
        return False
    if min_interval is not None and _replied_since(session, row.phone, template, now - min_interval):
        return False
    school_id, zone, school = _school_of_phone(session, row.phone)
    text = PlannedMessage(
        key=template,
        to=row.phone,
        language=incoming.language,
        template=template,
        params={"school": school, **(params or {})},
        not_before=now,
        expires_at=now + REPLY_USEFUL_FOR,
        zone=zone,
        school_id=school_id,
        category="reply",
    )
    outbox.put(session, incoming.evidence, text, now)
    return True


def phone_language(session: Session, phone: str) -> str:
    """Return the language of the last message to this phone, or else of its family."""
    last = (
        select(OutgoingMessage.language)
        .where(OutgoingMessage.phone == phone)
        .order_by(OutgoingMessage.id.desc())
        .limit(1)
    )
    return session.scalar(last) or queries.family_language(session, phone) or "en"


def _replied_since(session: Session, phone: str, template: str, since: datetime) -> bool:
    recently = select(OutgoingMessage.id).where(
        OutgoingMessage.phone == phone,
        OutgoingMessage.template == template,
        OutgoingMessage.created_at > since,
        OutgoingMessage.state != "cancelled",
    )
    return session.scalar(recently.limit(1)) is not None


def _school_of_phone(session: Session, phone: str) -> tuple[int | None, str | None, str]:
    """Return id, zone and name of the family's school; only the district's name for unknown numbers."""
    query = (
        select(School.id, School.timezone, School.name)
        .join(Student, Student.school_id == School.id)
        .join(Caregiver, Caregiver.family_id == Student.family_id)
        .where(Caregiver.phone == phone)
        .order_by(Student.id)
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    if row is not None:
        return row[0], row[1], row[2]
    return None, None, session.scalar(select(District.name).limit(1)) or ""
