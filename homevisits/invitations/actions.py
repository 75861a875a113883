"""Asking families, and keeping their word: in the order drawn, or because a family asked itself. Every word is kept."""

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
from homevisits.invitations.queue import Next
from homevisits.messages import outbox
from homevisits.messages.recipients import opt_outs
from homevisits.messages.templates import catalog
from homevisits.messages.templates.rendering import PlannedText
from homevisits.people.models import Family, School, Student
from homevisits.practices import no_targeting

AT_ONCE = 50
OF_USE = timedelta(days=3)
"""An invitation that could not leave for so long is not sent any more: a person looks at it."""
HOW = frozenset({"text", "phone", "in_person", "paper"})
BY_A_PERSON = HOW - {"text"}
TOLD = (Answer.YES, Answer.OTHER_TIME, Answer.NOT_NOW, Answer.WITHDRAWN)
"""What a person can write down for a family. Whoever is called has been called: CALL_ME is not among them."""


@dataclass(frozen=True)
class Invited:
    """A family that has just been asked. ``call`` says why a person must call instead of a text: None for a text."""

    invitation_id: int
    family_id: int
    family: str
    call: str | None  # no_phone | no_text | stopped


def ask_next(session: Session, actor: Actor | None, draw_id: int, count: int, now: datetime) -> list[Invited]:
    """Ask the next `count` families of a draw, in its order. `actor` None: the demo's past."""
    draw = _locked_draw(session, actor, draw_id)
    chosen = _locked_families(session, draw_id, max(0, min(count, AT_ONCE)), now)
    problems = [] if chosen else [Problem("nobody_left_to_ask")]
    if _replaced(session, draw_id):
        problems.append(Problem("draw_was_replaced"))
    refuse_if_any(problems)
    return [_ask(session, actor, draw, family, now) for family in chosen]


def ask_one(session: Session, actor: Actor | None, draw_id: int, family_id: int, now: datetime) -> Invited:
    """Ask this family, which must be the next: the page showed it a moment ago, and someone else may have asked it."""
    _locked_draw(session, actor, draw_id)
    waiting = queue.next_families(session, draw_id, 1, now)
    if [family.family_id for family in waiting] != [family_id]:
        # Whoever was asked already is no longer next; whoever has a place further behind must wait for it.
        behind = queue.place_not_asked(session, draw_id, family_id)
        ahead = [family.position for family in waiting if family.position is not None]
        out_of_order = no_targeting.check_draw_order(behind, ahead) if behind is not None else []
        refuse_if_any(out_of_order or [Problem("not_the_next_family")])
    return ask_next(session, actor, draw_id, 1, now)[0]


def request(session: Session, actor: Actor, family_id: int, school_id: int, how: str, now: datetime) -> Invitation:
    """A family asked for a visit itself: that is an invitation without a draw, and its yes."""
    if not actor.may_at(Permission.ASK, school_id):
        raise NotFound
    family = session.scalar(select(Family).where(Family.id == family_id).with_for_update())
    child = select(Student.id).where(Student.family_id == family_id, Student.school_id == school_id).limit(1)
    if family is None or session.scalar(child) is None:
        raise NotFound
    caregiver = queries.contacts(session, [family_id])[family_id].caregiver_id
    problems = [] if how in HOW else [Problem("not_a_choice", "how")]
    refuse_if_any(problems + _may_consent(session, family_id, caregiver, "family", now))
    asked_itself = FamilyRequest(
        family_id=family_id, school_id=school_id, how=how, at=now, recorded_by=actor.account_id
    )
    session.add(asked_itself)
    session.flush()
    made = Invitation(
        family_id=family_id,
        school_id=school_id,
        family_request_id=asked_itself.id,
        asked_at=now,
        asked_by=actor.account_id,
        how=how,
        language=family.language,
    )
    session.add(made)
    session.flush()
    note(session, made.id, Answer.YES, how, now, caregiver_id=caregiver, recorded_by=actor.account_id)
    return made


def _may_consent(
    session: Session, family_id: int, caregiver_id: int | None, field: str, now: datetime
) -> list[Problem]:
    """A yes that would not count is refused when it is recorded, not when a visit is booked."""
    allowed = queries.may_give_consent(session, family_id, caregiver_id, now.date())
    return [] if allowed else [Problem("no_caregiver_may_consent", field)]


def record(session: Session, actor: Actor, invitation_id: int, said: str, how: str, now: datetime) -> ConsentEntry:
    """Write down what a family told a person, by phone, in person or on paper: how, and to whom."""
    made = session.get(Invitation, invitation_id)
    if made is None or not actor.may_at(Permission.ASK, made.school_id):
        raise NotFound
    problems = [] if said in TOLD else [Problem("not_a_choice", "answer")]
    if how not in BY_A_PERSON:
        problems.append(Problem("say_how", "how"))
    caregiver = queries.contacts(session, [made.family_id])[made.family_id].caregiver_id
    if said == Answer.YES:
        problems += _may_consent(session, made.family_id, caregiver, "answer", now)
    refuse_if_any(problems)
    return note(session, invitation_id, Answer(said), how, now, caregiver_id=caregiver, recorded_by=actor.account_id)


def answer(
    session: Session, invitation_id: int, said: Answer, now: datetime, *, phone: str, evidence: str
) -> ConsentEntry:
    """A family's own text in answer to an invitation. It gets a text back that says what happens next."""
    made = session.get(Invitation, invitation_id)
    if made is None:
        raise NotFound
    caregiver = queries.caregiver_at(session, phone, made.family_id)
    entry = note(session, invitation_id, said, "text", now, caregiver_id=caregiver, evidence=evidence)
    school = session.get_one(School, made.school_id)
    template = f"invitation_{said.value}"
    if catalog.has(made.language, template):
        subject = f"invitation:{invitation_id}"
        reply = PlannedText(
            key=f"answer-{entry.id}",
            to=phone,
            language=made.language,
            template=template,
            params={"school": school.name},
            not_before=now,
            expires_at=now + timedelta(hours=12),
            zone=school.timezone,
            school_id=school.id,
        )
        outbox.put(session, subject, reply, now)
    return entry


def note(
    session: Session,
    invitation_id: int,
    said: Answer,
    how: str,
    now: datetime,
    *,
    visit_id: int | None = None,
    caregiver_id: int | None = None,
    recorded_by: int | None = None,
    evidence: str | None = None,
) -> ConsentEntry:
    """Append one row to the consent ledger. A no closes the invitation, a later yes reopens it; no reason is kept."""
    made = session.get_one(Invitation, invitation_id)
    # The family's row is the lock: two answers of one family follow one another.
    session.execute(select(Family.id).where(Family.id == made.family_id).with_for_update())
    entry = ConsentEntry(
        family_id=made.family_id,
        invitation_id=invitation_id,
        visit_id=visit_id,
        caregiver_id=caregiver_id,
        answer=said.value,
        how=how,
        language=made.language,
        at=now,
        recorded_by=recorded_by,
        evidence=evidence,
    )
    session.add(entry)
    if said.value in queries.SAID_NO:
        close(session, invitation_id, now)
    elif said is Answer.YES:
        made.closed_at = None
    session.flush()
    return entry


def close(session: Session, invitation_id: int, now: datetime) -> None:
    """The family said no, here or to a visit's time: it is asked nothing more, and another takes its place."""
    session.get_one(Invitation, invitation_id).closed_at = now
    outbox.withdraw(session, f"invitation:{invitation_id}", now)


def preview(session: Session, school_id: int, family_id: int) -> tuple[Contact, str | None, str | None]:
    """The family, the text as it will read (None: a person calls), and why a person calls."""
    contact = queries.contacts(session, [family_id])[family_id]
    call = _why_call(session, contact)
    if call is not None:
        return contact, None, call
    school = session.get_one(School, school_id)
    return contact, catalog.render(contact.language, "invitation", {"school": school.name}), None


def _locked_draw(session: Session, actor: Actor | None, draw_id: int) -> Draw:
    draw = session.scalar(select(Draw).where(Draw.id == draw_id).with_for_update())
    if draw is None or (actor is not None and not actor.may_at(Permission.ASK, draw.school_id)):
        raise NotFound
    return draw


def _locked_families(session: Session, draw_id: int, count: int, now: datetime) -> list[Next]:
    """The next families, held: another school's draw may hold a sibling's family and ask it at this moment."""
    held: set[int] = set()
    chosen = queue.next_families(session, draw_id, count, now)
    while not held.issuperset(wanted := [family.family_id for family in chosen]):
        session.execute(select(Family.id).where(Family.id.in_(wanted)).order_by(Family.id).with_for_update())
        held.update(wanted)
        chosen = queue.next_families(session, draw_id, count, now)
    return chosen


def _replaced(session: Session, draw_id: int) -> bool:
    return session.scalar(select(Draw.id).where(Draw.replaces_id == draw_id)) is not None


def _why_call(session: Session, contact: Contact) -> str | None:
    if contact.phone is None:
        return "no_phone"
    if not catalog.has(contact.language, "invitation"):
        return "no_text"
    return None if opt_outs.may_text(session, contact.phone) else "stopped"


def _ask(session: Session, actor: Actor | None, draw: Draw, chosen: Next, now: datetime) -> Invited:
    contact, body, call = preview(session, draw.school_id, chosen.family_id)
    made = Invitation(
        family_id=chosen.family_id,
        school_id=draw.school_id,
        draw_id=draw.id,
        replaces_id=chosen.replaces_id,
        asked_at=now,
        asked_by=actor.account_id if actor else None,
        how="text" if body else "phone",
        language=contact.language,
    )
    session.add(made)
    session.flush()
    if body is not None and contact.phone is not None:
        subject = f"invitation:{made.id}"
        school = session.get_one(School, draw.school_id)
        text = PlannedText(
            key="ask",
            to=contact.phone,
            language=contact.language,
            template="invitation",
            params={"school": school.name},
            not_before=now,
            expires_at=now + OF_USE,
            question=subject,
            zone=school.timezone,
            school_id=school.id,
        )
        outbox.put(session, subject, text, now)
    return Invited(made.id, contact.family_id, contact.name, call)
