"""What happens when a family texts: kept raw, a stop honoured first, an answer bound to the newest question."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from homevisits.access import Actor
from homevisits.db import savepoint
from homevisits.inbox import queries
from homevisits.inbox.replies import Meaning, meaning
from homevisits.invitations import actions as invitations
from homevisits.invitations.models import Answer
from homevisits.messages import optout, outbox, packs
from homevisits.messages.models import InboundText as Row
from homevisits.messages.models import OutboxText
from homevisits.messages.queries import newest_question
from homevisits.messages.texts import PlannedText
from homevisits.policies.rules import Policy
from homevisits.problems import NotFound, RulesBroken
from homevisits.visits import actions as visits
from homevisits.visits.actions.family import Heard

ANSWERS_FAST = timedelta(hours=12)
"""A reply of ours that could not leave for so long is of no use any more."""
ONCE_IN = timedelta(hours=12)
"""A machine at the other end gets one "a person will read it" in so long, not one for each of its own."""
SAYS = {
    Meaning.YES: Answer.YES,
    Meaning.OTHER_TIME: Answer.OTHER_TIME,
    Meaning.NOT_NOW: Answer.NOT_NOW,
    Meaning.CALL_ME: Answer.CALL_ME,
}


@dataclass(frozen=True)
class InboundText:
    """A text that came in. ``sid`` is the carrier's own id for it: the same text twice is one text."""

    sid: str
    from_: str
    to: str
    body: str
    carrier: str = "console"


def receive(session: Session, text: InboundText, policy: Policy, now: datetime) -> Meaning:
    """Take in a family's text and do what it says. What only a person can understand waits for a person."""
    row = _keep(session, text, now)
    if row is None:
        return meaning(text.body)
    said = meaning(text.body)
    row.intent = said.value
    if said is Meaning.STOP:
        _stop(session, row, now)
    elif said is Meaning.START:
        if optout.start(session, row.phone, now, evidence=f"inbound:{row.id}") is not None:
            _reply(session, row, "start_confirmed", now)
    elif said is Meaning.HELP:
        _reply(session, row, "help", now, once=True)
    elif said is Meaning.UNCLEAR or not _answered(session, row, SAYS[said], policy, now):
        row.needs_person = True
        _reply(session, row, "unclear", now, once=True)
    session.flush()
    return said


def read_by(session: Session, actor: Actor, inbound_id: int, now: datetime) -> None:
    """A person has read a reply and done what it asked for."""
    row = session.get(Row, inbound_id)
    if row is None or row.phone not in queries.phones_seen_by(session, actor, [row.phone]):
        raise NotFound
    # The flag falls, so that what waits is found without reading what was done.
    row.needs_person, row.handled_at, row.handled_by = False, now, actor.account_id


def _keep(session: Session, text: InboundText, now: datetime) -> Row | None:
    if session.scalar(select(Row.id).where(Row.sid == text.sid)) is not None:
        return None
    row = Row(sid=text.sid, phone=text.from_, to=text.to, body=text.body, received_at=now, needs_person=False)
    try:
        with savepoint(session):
            session.add(row)
    except IntegrityError:  # the carrier sent it twice at the same moment; the other one is at work on it
        return None
    return row


def _stop(session: Session, row: Row, now: datetime) -> None:
    """Nothing leaves for this number from here on but one confirmation. A visit that is arranged becomes a call."""
    if optout.stop(session, row.phone, "family", now, evidence=f"inbound:{row.id}") is not None:
        _reply(session, row, "stop_confirmed", now)
    row.needs_person = queries.has_live_visit(session, row.phone)


def _answered(session: Session, row: Row, said: Answer, policy: Policy, now: datetime) -> bool:
    question = newest_question(session, row.phone)
    if question is None or question.asks is None:
        return False
    kind, _, number = question.asks.partition(":")
    row.answers = question.asks
    answer = _ANSWERERS[kind]
    try:
        with savepoint(session):
            return answer(session, row, int(number), said, policy, now)
    except (RulesBroken, NotFound):  # what was asked is over: a person tells the family how things stand
        return False


def _to_invitation(session: Session, row: Row, number: int, said: Answer, policy: Policy, now: datetime) -> bool:
    if said is Answer.YES and queries.caregiver_asked(session, row.phone, number) is None:
        return False  # only a caregiver we may speak to says yes; a no is heard from whoever holds the phone
    invitations.answer(session, number, said, now, phone=row.phone, evidence=f"inbound:{row.id}")
    if said is Answer.NOT_NOW:
        visits.tidy(session, policy, now)  # a visit that was arranged meanwhile ends here and now
    return True


def _to_visit(session: Session, row: Row, number: int, said: Answer, policy: Policy, now: datetime) -> bool:
    if said is Answer.NOT_NOW and not queries.has_live_visit(session, row.phone):
        # The visit is over, and no other is ahead: this is a no to being visited, heard and thanked for as such.
        return _to_invitation(session, row, queries.invitation_of(session, number), said, policy, now)
    caregiver = queries.caregiver_at(session, row.phone, number)
    if said is Answer.YES and caregiver is None:
        return False
    heard = visits.family_answers(
        session, None, number, said, policy, now, caregiver_id=caregiver, evidence=f"inbound:{row.id}"
    )
    if said is Answer.NOT_NOW:
        invitations.close(session, queries.invitation_of(session, number), now)
    return heard is not Heard.NOT_WAITING


_ANSWERERS: dict[str, Callable[[Session, Row, int, Answer, Policy, datetime], bool]] = {
    "invitation": _to_invitation,
    "visit": _to_visit,
}


def _reply(session: Session, row: Row, template: str, now: datetime, *, once: bool = False) -> None:
    language = _language(session, row)
    if not packs.has(language, template):
        return
    if once:
        recently = select(OutboxText.id).where(
            OutboxText.phone == row.phone, OutboxText.template == template, OutboxText.created_at > now - ONCE_IN
        )
        if session.scalar(recently.limit(1)) is not None:
            return
    text = PlannedText(
        key=template,
        to=row.phone,
        language=language,
        template=template,
        params={},
        not_before=now,
        expires_at=now + ANSWERS_FAST,
    )
    outbox.put(session, f"inbound:{row.id}", text, now)


def _language(session: Session, row: Row) -> str:
    """The language this phone was last texted in, else its family's."""
    last = select(OutboxText.language).where(OutboxText.phone == row.phone).order_by(OutboxText.id.desc()).limit(1)
    return session.scalar(last) or queries.language_of(session, row.phone) or "en"
