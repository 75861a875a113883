"""Ask by digit which of two open questions an answer belongs to. Never mentions a child's name."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from homevisits.inbox.conversations import state
from homevisits.inbox.models import PendingChoice
from homevisits.inbox.processing import apply_answer, match_question
from homevisits.inbox.processing.context import IncomingContext, send_reply
from homevisits.inbox.processing.match_question import Question
from homevisits.invitations.models import Answer, Invitation
from homevisits.messages.dispatch.eligibility import count_body_segments
from homevisits.messages.models import IncomingMessage
from homevisits.messages.templates import catalog
from homevisits.people.models import Educator, Enrollment, School, Student, Teaching
from homevisits.visits.models import Visit
from homevisits.visits.notifications import format_day

CHOICE_OPEN_FOR = timedelta(hours=24)
MAX_CHOICES = 4
MAX_SEGMENTS = 2


def ask_which(incoming: IncomingContext, questions: Sequence[Question], answer: Answer) -> bool:
    """Store the answer and ask for the question. Return False if staff must ask instead."""
    options = questions[:MAX_CHOICES]
    if len(questions) > MAX_CHOICES or not catalog.is_approved(incoming.language, "which"):
        return False
    words = _options_text(incoming, [_names(incoming, one) for one in options])
    if words is None:
        return False
    _replace_choice(incoming)
    incoming.session.add(
        PendingChoice(
            phone=incoming.row.phone,
            incoming_message_id=incoming.row.id,
            answer=answer.value,
            options=json.dumps([one.question for one in options]),
            asked_at=incoming.now,
            expires_at=incoming.now + CHOICE_OPEN_FOR,
        )
    )
    return send_reply(incoming, "which", {"choices": words})


def open_choice(incoming: IncomingContext) -> PendingChoice | None:
    """Return the open disambiguation prompt of this phone, if any."""
    query = select(PendingChoice).where(
        PendingChoice.phone == incoming.row.phone,
        PendingChoice.resolved_at.is_(None),
        PendingChoice.expires_at > incoming.row.received_at,
    )
    return incoming.session.scalar(query.order_by(PendingChoice.id.desc()).limit(1))


def apply_choice(incoming: IncomingContext, choice: PendingChoice, number: int) -> bool | None:
    """Apply the stored answer to the chosen question. Return None if the number is not an option."""
    options = json.loads(choice.options)
    if not 1 <= number <= len(options):
        return None
    chosen = options[number - 1]
    first = incoming.session.get_one(IncomingMessage, choice.incoming_message_id)
    choice.chosen, choice.resolved_at = chosen, incoming.now
    incoming.row.intent = "choice"
    incoming.row.answers = chosen
    # Match against the questions that were open when the answer was given, not when it was clarified.
    asked = {
        one.question: one
        for one in match_question.asked_invitations(incoming.session, incoming.row.phone, first.received_at)
    }
    context = IncomingContext(incoming.session, first, incoming.policy, incoming.now, incoming.language)
    return chosen in asked and apply_answer.apply_answer(context, asked[chosen], Answer(choice.answer))


def has_expired_choices(session: Session, now: datetime) -> bool:
    """Return whether any disambiguation prompt has expired."""
    query = (
        select(PendingChoice.id).where(PendingChoice.resolved_at.is_(None), PendingChoice.expires_at <= now).limit(1)
    )
    return session.scalar(query) is not None


def expire_choices(session: Session, now: datetime) -> int:
    """Expire unanswered prompts and leave their answers to staff. Return the number of expired prompts."""
    message_ids = session.scalars(
        update(PendingChoice)
        .where(PendingChoice.resolved_at.is_(None), PendingChoice.expires_at <= now)
        .values(resolved_at=now)
        .returning(PendingChoice.incoming_message_id)
    ).all()
    for row in session.scalars(select(IncomingMessage).where(IncomingMessage.id.in_(message_ids))):
        row.needs_staff = True
        state.record_incoming(session, row.phone, row.received_at, True)
    return len(message_ids)


def _replace_choice(incoming: IncomingContext) -> None:
    """Discard the stored answer, because a newer answer replaces it."""
    incoming.session.execute(
        update(PendingChoice)
        .where(PendingChoice.phone == incoming.row.phone, PendingChoice.resolved_at.is_(None))
        .values(resolved_at=incoming.now)
    )


def _options_text(incoming: IncomingContext, names: Sequence[tuple[str, str, str]]) -> str | None:
    """Format the options within two segments. Return None if they cannot be distinguished."""
    for shown in ((0, 1, 2), (0, 2), (1, 2)):
        labels = [", ".join(name[place] for place in shown if name[place]) for name in names]
        words = " ".join(f"{number}. {label};" for number, label in enumerate(labels, 1)).rstrip(";")
        text = catalog.render(incoming.language, "which", {"choices": words})
        if all(labels) and len(set(labels)) == len(labels) and count_body_segments(text) <= MAX_SEGMENTS:
            return words
    return None


def _names(incoming: IncomingContext, question: Question) -> tuple[str, str, str]:
    """Return the teacher, school and day that identify a question to the family."""
    session = incoming.session
    if question.visit_id is not None:
        visit = session.get_one(Visit, question.visit_id)
        day = format_day(visit.local_date, incoming.language)
        return _person(session, visit.lead_id), session.get_one(School, visit.school_id).name, day
    made = session.get_one(Invitation, question.invitation_id)
    teacher = session.scalar(
        select(Teaching.educator_id)
        .join(Enrollment, Enrollment.class_id == Teaching.class_id)
        .join(Student, Student.id == Enrollment.student_id)
        .where(Student.family_id == made.family_id, Student.school_id == made.school_id)
        .order_by(Student.id, Teaching.educator_id)
        .limit(1)
    )
    return _person(session, teacher), session.get_one(School, made.school_id).name, ""


def _person(session: Session, educator_id: int | None) -> str:
    educator = session.get(Educator, educator_id) if educator_id is not None else None
    return f"{educator.given_name} {educator.family_name}" if educator is not None else ""
