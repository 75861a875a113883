"""Ask families in the drawn order, record requests of families, and append answers to the consent ledger."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound, Problem, refuse_if_any
from homevisits.draws.models import Draw
from homevisits.invitations import queries, queue
from homevisits.invitations.models import Answer, ConsentEntry, FamilyRequest, Invitation
from homevisits.invitations.queries import Contact
from homevisits.invitations.queue import NextFamily
from homevisits.messages import outbox
from homevisits.messages.recipients import opt_outs
from homevisits.messages.templates import catalog
from homevisits.messages.templates.rendering import PlannedMessage
from homevisits.people.models import Family, School, Student
from homevisits.practices import no_targeting

MAX_FAMILIES_AT_ONCE = 50
INVITATION_EXPIRES_AFTER = timedelta(days=3)  # a message still unsent by then is shown to a person instead
CHANNELS = frozenset({"text", "phone", "in_person", "paper"})
STAFF_CHANNELS = CHANNELS - {"text"}
# Answers a person can record for a family. CALL_ME is missing: the person has already talked to the family.
RECORDABLE_ANSWERS = (Answer.YES, Answer.OTHER_TIME, Answer.NOT_NOW, Answer.WITHDRAWN)


@dataclass(frozen=True)
class AskedFamily:
    """A family that was just asked. ``call_reason``: why a person has to call, or None if a message was planned."""

    invitation_id: int
    family_id: int
    family: str
    call_reason: str | None  # no_phone | no_text | stopped


def ask_next(session: Session, actor: Actor | None, draw_id: int, count: int, now: datetime) -> list[AskedFamily]:
    """Ask the next `count` families of a draw, in order. `actor` is None in the demo's history."""
    draw = _lock_draw(session, actor, draw_id)
    chosen = _lock_next_families(session, draw_id, max(0, min(count, MAX_FAMILIES_AT_ONCE)), now)
    problems = [] if chosen else [Problem("nobody_left_to_ask")]
    if _is_replaced(session, draw_id):
        problems.append(Problem("draw_was_replaced"))
    refuse_if_any(problems)
    return [_ask_family(session, actor, draw, family, now) for family in chosen]


def ask_one(session: Session, actor: Actor | None, draw_id: int, family_id: int, now: datetime) -> AskedFamily:
    """Ask this family if it is still the next of the draw; it may have been asked since the page was shown."""
    _lock_draw(session, actor, draw_id)
    waiting = queue.list_next_families(session, draw_id, 1, now)
    if [family.family_id for family in waiting] != [family_id]:
        position = queue.find_unasked_position(session, draw_id, family_id)
        earlier = [family.position for family in waiting if family.position is not None]
        out_of_order = no_targeting.check_draw_order(position, earlier) if position is not None else []
        refuse_if_any(out_of_order or [Problem("not_the_next_family")])
    return ask_next(session, actor, draw_id, 1, now)[0]


def record_request(
    session: Session, actor: Actor, family_id: int, school_id: int, *, how: str, now: datetime
) -> Invitation:
    """Record that a family asked for a visit: an invitation without a draw, and its yes."""
    if not actor.may_at(Permission.ASK, school_id):
        raise NotFound
    family = session.scalar(select(Family).where(Family.id == family_id).with_for_update())
    child = select(Student.id).where(Student.family_id == family_id, Student.school_id == school_id).limit(1)
    if family is None or session.scalar(child) is None:
        raise NotFound
    caregiver = queries.load_contacts(session, [family_id])[family_id].caregiver_id
    problems = [] if how in CHANNELS else [Problem("not_a_choice", "how")]
    refuse_if_any(problems + _check_can_consent(session, family_id, caregiver, "family", now))
    request = FamilyRequest(family_id=family_id, school_id=school_id, how=how, at=now, recorded_by=actor.account_id)
    session.add(request)
    session.flush()
    invitation = Invitation(
        family_id=family_id,
        school_id=school_id,
        family_request_id=request.id,
        asked_at=now,
        asked_by=actor.account_id,
        how=how,
        language=family.language,
    )
    session.add(invitation)
    session.flush()
    append_answer(session, invitation.id, Answer.YES, how, now, caregiver_id=caregiver, recorded_by=actor.account_id)
    return invitation


def _check_can_consent(
    session: Session, family_id: int, caregiver_id: int | None, field: str, now: datetime
) -> list[Problem]:
    """Check that a yes would be valid, so that it is refused now and not at booking."""
    allowed = queries.may_give_consent(session, family_id, caregiver_id, now.date())
    return [] if allowed else [Problem("no_caregiver_may_consent", field)]


def record_answer(
    session: Session, actor: Actor, invitation_id: int, answer: str, *, how: str, now: datetime
) -> ConsentEntry:
    """Record an answer a family gave to a person, by phone, in person or on paper."""
    invitation = session.get(Invitation, invitation_id)
    if invitation is None or not actor.may_at(Permission.ASK, invitation.school_id):
        raise NotFound
    problems = [] if answer in RECORDABLE_ANSWERS else [Problem("not_a_choice", "answer")]
    if how not in STAFF_CHANNELS:
        problems.append(Problem("how_missing", "how"))
    caregiver = queries.load_contacts(session, [invitation.family_id])[invitation.family_id].caregiver_id
    if answer == Answer.YES:
        problems += _check_can_consent(session, invitation.family_id, caregiver, "answer", now)
    refuse_if_any(problems)
    return append_answer(
        session, invitation_id, Answer(answer), how, now, caregiver_id=caregiver, recorded_by=actor.account_id
    )


def record_text_answer(
    session: Session, invitation_id: int, answer: Answer, now: datetime, *, phone: str, evidence: str
) -> ConsentEntry:
    """Record a family's answer by message, and plan the reply that explains what happens next."""
    invitation = session.get(Invitation, invitation_id)
    if invitation is None:
        raise NotFound
    caregiver = queries.find_caregiver_by_phone(session, phone, invitation.family_id)
    entry = append_answer(session, invitation_id, answer, "text", now, caregiver_id=caregiver, evidence=evidence)
    school = session.get_one(School, invitation.school_id)
    template = f"invitation_{answer.value}"
    if catalog.is_approved(invitation.language, template):
        subject = f"invitation:{invitation_id}"
        reply = PlannedMessage(
            key=f"answer-{entry.id}",
            to=phone,
            language=invitation.language,
            template=template,
            params={"school": school.name},
            not_before=now,
            expires_at=now + timedelta(hours=12),
            zone=school.timezone,
            school_id=school.id,
        )
        outbox.put(session, subject, reply, now)
    return entry


def append_answer(
    session: Session,
    invitation_id: int,
    answer: Answer,
    how: str,
    now: datetime,
    *,
    visit_id: int | None = None,
    caregiver_id: int | None = None,
    recorded_by: int | None = None,
    evidence: str | None = None,
) -> ConsentEntry:
    """Append an answer to the consent ledger. A refusal closes the invitation, a later yes reopens it."""
    invitation = session.get_one(Invitation, invitation_id)
    # Lock the family, so that its answers are appended in sequence.
    session.execute(select(Family.id).where(Family.id == invitation.family_id).with_for_update())
    entry = ConsentEntry(
        family_id=invitation.family_id,
        invitation_id=invitation_id,
        visit_id=visit_id,
        caregiver_id=caregiver_id,
        answer=answer.value,
        how=how,
        language=invitation.language,
        at=now,
        recorded_by=recorded_by,
        evidence=evidence,
    )
    session.add(entry)
    if answer.value in queries.REFUSALS:
        close_invitation(session, invitation_id, now)
    elif answer is Answer.YES:
        invitation.closed_at = None
    session.flush()
    return entry


def close_invitation(session: Session, invitation_id: int, now: datetime) -> None:
    """Close a refused invitation and withdraw its messages; another family may replace this family."""
    session.get_one(Invitation, invitation_id).closed_at = now
    outbox.withdraw(session, f"invitation:{invitation_id}", now)


def preview_invitation(session: Session, school_id: int, family_id: int) -> tuple[Contact, str | None, str | None]:
    """Return the family's contact, the message text or None, and the reason for a call or None."""
    contact = queries.load_contacts(session, [family_id])[family_id]
    call_reason = _find_call_reason(session, contact)
    if call_reason is not None:
        return contact, None, call_reason
    school = session.get_one(School, school_id)
    return contact, catalog.render(contact.language, "invitation", {"school": school.name}), None


def _lock_draw(session: Session, actor: Actor | None, draw_id: int) -> Draw:
    draw = session.scalar(select(Draw).where(Draw.id == draw_id).with_for_update())
    if draw is None or (actor is not None and not actor.may_at(Permission.ASK, draw.school_id)):
        raise NotFound
    return draw


def _lock_next_families(session: Session, draw_id: int, count: int, now: datetime) -> list[NextFamily]:
    """Lock and return the next families; another school's draw may be asking the same family (siblings)."""
    locked: set[int] = set()
    chosen = queue.list_next_families(session, draw_id, count, now)
    while not locked.issuperset(ids := [family.family_id for family in chosen]):
        session.execute(select(Family.id).where(Family.id.in_(ids)).order_by(Family.id).with_for_update())
        locked.update(ids)
        chosen = queue.list_next_families(session, draw_id, count, now)
    return chosen


def _is_replaced(session: Session, draw_id: int) -> bool:
    return session.scalar(select(Draw.id).where(Draw.replaces_id == draw_id)) is not None


def _find_call_reason(session: Session, contact: Contact) -> str | None:
    if contact.phone is None:
        return "no_phone"
    if not catalog.is_approved(contact.language, "invitation"):
        return "no_text"
    return None if opt_outs.may_receive(session, contact.phone) else "stopped"


def _ask_family(session: Session, actor: Actor | None, draw: Draw, chosen: NextFamily, now: datetime) -> AskedFamily:
    contact, body, call_reason = preview_invitation(session, draw.school_id, chosen.family_id)
    invitation = Invitation(
        family_id=chosen.family_id,
        school_id=draw.school_id,
        draw_id=draw.id,
        replaces_id=chosen.replaces_id,
        asked_at=now,
        asked_by=actor.account_id if actor else None,
        how="text" if body else "phone",
        language=contact.language,
    )
    session.add(invitation)
    session.flush()
    if body is not None and contact.phone is not None:
        subject = f"invitation:{invitation.id}"
        school = session.get_one(School, draw.school_id)
        message = PlannedMessage(
            key="ask",
            to=contact.phone,
            language=contact.language,
            template="invitation",
            params={"school": school.name},
            not_before=now,
            expires_at=now + INVITATION_EXPIRES_AFTER,
            question=subject,
            zone=school.timezone,
            school_id=school.id,
        )
        outbox.put(session, subject, message, now)
    return AskedFamily(invitation.id, contact.family_id, contact.name, call_reason)
