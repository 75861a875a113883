"""The family's word on a visit, by text, by phone or in person. Nobody asks it for a reason."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import NotFound, Problem, refuse_if_any
from homevisits.invitations.models import Answer, ConsentEntry, Invitation
from homevisits.invitations.queries import SAID_NO, standing
from homevisits.people.models import Family
from homevisits.policies.rules import Policy
from homevisits.practices.voluntary import is_cancelling_answer
from homevisits.visits import states
from homevisits.visits.actions import effects, team
from homevisits.visits.models import Visit, VisitState
from homevisits.visits.notifications import TELLS_TIME
from homevisits.visits.queries import booking_facts, locks


class Heard(StrEnum):
    """What came of a family's answer."""

    CONFIRMED = "confirmed"
    ENDED = "ended"  # the visit that was planned will not take place
    TOLD = "told"  # it answered an old time, and heard how things stand
    CALL = "call"  # somebody is to call; the visit stands
    NOT_WAITING = "not_waiting"  # an answer to a visit that is over, or a yes to a time not settled yet


ACKNOWLEDGE = {
    Answer.CONFIRMED: "visit_confirmed",
    Answer.OTHER_TIME: "visit_other_time",
    Answer.NOT_NOW: "visit_ended_by_family",
    Answer.WITHDRAWN: "visit_ended_by_family",
    Answer.CALL_ME: "visit_call_me",
}


def family_answers(
    session: Session,
    actor: Actor | None,
    visit_id: int,
    answer: str,
    policy: Policy,
    now: datetime,
    *,
    how: str = "text",
    caregiver_id: int | None = None,
    evidence: str | None = None,
) -> Heard:
    """The family says `answer` (yes or confirmed, other_time, not_now, withdrawn, call_me) to a visit's time.

    `actor` is None for the family's own text; a person who records a call or a talk is one of the pair or coordinates
    the school. The answer is a row of the consent ledger, and what it means for the visit happens at once.
    """
    visit = booking_facts.visit_of(session, actor, visit_id) if actor else session.get(Visit, visit_id)
    if visit is None:
        raise NotFound
    locks.hold(session, visit)
    said = Answer.CONFIRMED if answer == "yes" else Answer(answer)
    if said is Answer.CONFIRMED and states.may("confirm", visit.state):
        if actor is not None:
            refuse_if_any([Problem("visit_moved_on", None, {"state": visit.state})])
        return Heard.NOT_WAITING
    if said is Answer.CONFIRMED and _yes_lapsed(session, visit, now):
        # A time can only be confirmed for a visit that the family agreed to.
        if actor is not None:
            refuse_if_any([Problem("family_yes_lapsed", "answer")])
        return Heard.NOT_WAITING
    with effects.refused_by_the_database(session):
        _write(session, actor, visit, said, now, how=how, caregiver_id=caregiver_id, evidence=evidence)
        about = _meant(session, visit, said)
        effects.note(session, about, f"family_{said}", actor, now)
        heard = _follow(session, about, said, now)
        if heard is not Heard.NOT_WAITING:
            effects.plan_texts(session, about, policy, now, acknowledge=ACKNOWLEDGE[said])
    return heard


def _yes_lapsed(session: Session, visit: Visit, now: datetime) -> bool:
    current = standing(session, [visit.family_id], now.date()).get(visit.family_id)
    return current is not None and current.lapsed


def plan_after_new_yes(session: Session, invitation_id: int, policy: Policy, now: datetime) -> None:
    """Plan the messages of the family's visit again: those held back while the yes did not count may leave now."""
    made = session.get_one(Invitation, invitation_id)
    visit = booking_facts.live_visit(session, made.family_id)
    if visit is None or visit.starts_at <= now:
        return
    locks.hold(session, visit)
    if visit.state in states.LIVE:
        effects.plan_texts(session, visit, policy, now)


def tell_time(session: Session, visit_id: int, policy: Policy, now: datetime) -> Heard:
    """An answer to a time that the visit no longer has: say the one that stands and ask again, or that it is coming.

    Nothing is confirmed, and nothing is written to the ledger: the family did not speak of the new time.
    """
    visit = session.get(Visit, visit_id)
    if visit is None:
        raise NotFound
    locks.hold(session, visit)
    if visit.state not in states.LIVE or visit.starts_at <= now:
        return Heard.NOT_WAITING
    says = {VisitState.SCHEDULED.value: TELLS_TIME, VisitState.CONFIRMED.value: ACKNOWLEDGE[Answer.CONFIRMED]}
    effects.plan_texts(session, visit, policy, now, acknowledge=says.get(visit.state, "visit_new_time_soon"))
    return Heard.TOLD


def _write(
    session: Session,
    actor: Actor | None,
    visit: Visit,
    said: Answer,
    now: datetime,
    *,
    how: str,
    caregiver_id: int | None,
    evidence: str | None,
) -> None:
    """A row of the consent ledger: who, what, when, how, by whom, in which language."""
    entry = ConsentEntry(
        family_id=visit.family_id,
        invitation_id=visit.invitation_id,
        visit_id=visit.id,
        caregiver_id=caregiver_id,
        answer=said,
        how=how,
        language=session.get_one(Family, visit.family_id).language,
        at=now,
        recorded_by=actor.account_id if actor else None,
        evidence=evidence,
    )
    session.add(entry)
    session.flush()


def _meant(session: Session, visit: Visit, said: Answer) -> Visit:
    """A "not now" in answer to an old question is about every visit: it ends the one that is ahead."""
    if visit.state in states.LIVE or said.value not in SAID_NO:
        return visit
    return booking_facts.live_visit(session, visit.family_id) or visit


def _follow(session: Session, visit: Visit, said: Answer, now: datetime) -> Heard:
    """What the answer means for the visit. Once it has started, only the pair can say what became of it."""
    if said is Answer.CONFIRMED:
        visit.state, visit.updated_at = VisitState.CONFIRMED, now
        return Heard.CONFIRMED
    if visit.state not in states.LIVE or visit.starts_at <= now:
        return Heard.NOT_WAITING
    if not is_cancelling_answer(said):
        return Heard.CALL
    end(session, visit, VisitState.CANCELLED_BY_FAMILY, now)
    return Heard.ENDED


def end(session: Session, visit: Visit, state: VisitState, now: datetime) -> None:
    """The visit will not take place: its state, its calendar entry, and everyone's time."""
    visit.state, visit.closed_at = state, now
    effects.changed(visit, now)
    team.release_all(session, visit)
