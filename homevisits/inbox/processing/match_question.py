"""Match an answer to the newest question per family that was sent to the phone."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from homevisits.inbox.parsing.keywords import Intent
from homevisits.invitations.models import ConsentEntry, Invitation
from homevisits.invitations.queue import LIST_PERIOD
from homevisits.messages.models import IncomingMessage, OutgoingMessage
from homevisits.visits.models import LIVE, Visit, VisitEvent

QUESTION_OPEN_FOR = timedelta(hours=72)
"""After this time, or once answered, a question only matches if no other question is open."""
ANSWERS = (Intent.YES.value, Intent.OTHER_TIME.value, Intent.NOT_NOW.value, Intent.CALL_ME.value)
SENT_STATES = ("sending", "accepted", "delivered", "unknown")
MATCH_WITHIN = 30
_VERSION = re.compile(r"visit:\d+:v(\d+):")


@dataclass(frozen=True)
class Question:
    """A question sent to a phone. ``question``: "visit:17"; ``invitation_id``: the original invitation.

    ``is_over``: the visit took place or was canceled, or the invitation is from another year. ``last_answer``: the
    answer last sent by this phone, if no change was recorded since. ``version``: the visit's version when it was asked.
    """

    question: str
    invitation_id: int
    asked_at: datetime
    sent_at: datetime
    version: int
    is_over: bool
    answered: bool
    last_answer: str | None

    @property
    def visit_id(self) -> int | None:
        """Return the id of the visit, or None if the question is about an invitation."""
        kind, _, number = self.question.partition(":")
        return int(number) if kind == "visit" else None


def matching_questions(session: Session, phone: str, at: datetime) -> list[Question]:
    """Return the questions that an answer received at `at` may belong to, newest first.

    Open questions were sent within 72 hours, are not over and have no answer. If there is no open question, a late or
    changed answer belongs to the newest question.
    """
    questions = asked_invitations(session, phone, at)
    waiting = [
        one for one in questions if not one.is_over and not one.answered and at - one.sent_at <= QUESTION_OPEN_FOR
    ]
    return waiting or [one for one in questions if not one.is_over] or questions[:1]


def asked_invitations(session: Session, phone: str, at: datetime) -> list[Question]:
    """Return the newest question per invitation sent to `phone` by `at`, newest first."""
    left = func.coalesce(OutgoingMessage.sent_at, OutgoingMessage.created_at)
    rows = session.scalars(
        select(OutgoingMessage)
        .where(
            OutgoingMessage.phone == phone,
            or_(OutgoingMessage.question.like("visit:%"), OutgoingMessage.question.like("invitation:%")),
            OutgoingMessage.state.in_(SENT_STATES),
            # An answer cannot refer to a question sent after it.
            left <= at,
        )
        .order_by(OutgoingMessage.id.desc())
        .limit(MATCH_WITHIN)
    ).all()
    visits, invitations = _subjects(session, rows)
    newest: dict[int, OutgoingMessage] = {}
    for row in rows:
        kind, number = _parts(row)
        subject = visits[number].invitation_id if kind == "visit" and number in visits else number
        if kind == "invitation" or number in visits:
            newest.setdefault(subject, row)
    recorded = _last_recorded(session, newest)
    last_answers = _last_answers(session, phone, newest.values())
    return [
        _question(
            row,
            subject,
            visits,
            invitations,
            recorded=recorded.get(subject),
            last_answer=last_answers.get(str(row.question)),
            at=at,
        )
        for subject, row in newest.items()
    ]


def was_moved_since(session: Session, question: Question, visit: Visit) -> bool:
    """Return whether the visit was rescheduled after the question; a "1" then accepts the old time.

    Requires both a newer visit version and a reschedule in its history since the question. A stand-in raises the
    version without rescheduling.
    """
    if visit.version <= question.version:
        return False
    moved = select(VisitEvent.id).where(
        VisitEvent.visit_id == visit.id, VisitEvent.what == "moved", VisitEvent.at >= question.asked_at
    )
    return session.scalar(moved.limit(1)) is not None


def _question(
    row: OutgoingMessage,
    subject: int,
    visits: dict[int, Visit],
    invitations: dict[int, Invitation],
    *,
    recorded: datetime | None,
    last_answer: IncomingMessage | None,
    at: datetime,
) -> Question:
    kind, number = _parts(row)
    sent = row.sent_at or row.created_at
    version = _VERSION.match(row.dedupe_key)
    if kind == "visit":
        is_over = visits[number].state not in LIVE or visits[number].starts_at <= at
        closed = False
    else:
        made = invitations.get(number)
        is_over = made is None or made.asked_at < at - LIST_PERIOD
        closed = made is not None and made.closed_at is not None
    since = last_answer is not None and last_answer.received_at > sent
    fresh = (
        since
        and last_answer is not None
        and (recorded is None or last_answer.processed_at is None or recorded <= last_answer.processed_at)
    )
    return Question(
        question=str(row.question),
        invitation_id=subject,
        asked_at=row.created_at,
        sent_at=sent,
        version=int(version[1]) if version else 0,
        is_over=is_over,
        answered=closed or since or (recorded is not None and recorded > sent),
        last_answer=last_answer.intent if fresh and last_answer is not None else None,
    )


def _parts(row: OutgoingMessage) -> tuple[str, int]:
    kind, _, number = str(row.question).partition(":")
    return kind, int(number)


def _subjects(session: Session, rows: Sequence[OutgoingMessage]) -> tuple[dict[int, Visit], dict[int, Invitation]]:
    ids: dict[str, set[int]] = {"visit": set(), "invitation": set()}
    for row in rows:
        kind, number = _parts(row)
        ids[kind].add(number)
    fresh = {"populate_existing": True}
    visits = session.scalars(select(Visit).where(Visit.id.in_(ids["visit"])), execution_options=fresh)
    invitations = session.scalars(
        select(Invitation).where(Invitation.id.in_(ids["invitation"])), execution_options=fresh
    )
    return {one.id: one for one in visits}, {one.id: one for one in invitations}


def _last_recorded(session: Session, invitations: Iterable[int]) -> dict[int, datetime]:
    """Return the time of the last record of each invitation, from any channel."""
    query = (
        select(ConsentEntry.invitation_id, func.max(ConsentEntry.at))
        .where(ConsentEntry.invitation_id.in_(list(invitations)))
        .group_by(ConsentEntry.invitation_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _last_answers(session: Session, phone: str, rows: Iterable[OutgoingMessage]) -> dict[str, IncomingMessage]:
    """Return the newest answer of this phone to each question."""
    query = select(IncomingMessage).where(
        IncomingMessage.phone == phone,
        IncomingMessage.answers.in_([row.question for row in rows]),
        IncomingMessage.intent.in_(ANSWERS),
        IncomingMessage.processed_at.is_not(None),
    )
    return {str(row.answers): row for row in session.scalars(query.order_by(IncomingMessage.id))}
