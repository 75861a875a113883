"""A family's answer to a visit, by message, phone or in person. No reason is asked."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import NotFound, Problem, refuse_if_any
from homevisits.invitations.models import Answer, ConsentEntry, Invitation
from homevisits.invitations.queries import REFUSALS, load_current_answers
from homevisits.people.models import Family
from homevisits.policies.rules import Policy
from homevisits.practices.voluntary import is_cancelling_answer
from homevisits.visits import states
from homevisits.visits.actions import effects, team
from homevisits.visits.models import Visit, VisitState
from homevisits.visits.notifications import CURRENT_TIME
from homevisits.visits.queries import booking_facts, locks


class ResponseResult(StrEnum):
    """The effect of a family's answer."""

    CONFIRMED = "confirmed"
    ENDED = "ended"  # the visit is cancelled
    TIME_SENT = "time_sent"  # the answer was to an old time; the current time was sent
    CALL_REQUESTED = "call"  # a person has to call; the visit is unchanged
    NOT_EXPECTED = "not_waiting"  # the visit has ended, or its time is not arranged yet


# Template of the reply to each answer.
ACKNOWLEDGE = {
    Answer.CONFIRMED: "visit_confirmed",
    Answer.OTHER_TIME: "visit_other_time",
    Answer.NOT_NOW: "visit_ended_by_family",
    Answer.WITHDRAWN: "visit_ended_by_family",
    Answer.CALL_ME: "visit_call_me",
}


def record_family_answer(
    session: Session,
    actor: Actor | None,
    visit_id: int,
    answer: str,
    *,
    policy: Policy,
    now: datetime,
    how: str = "text",
    caregiver_id: int | None = None,
    evidence: str | None = None,
) -> ResponseResult:
    """Append the family's answer to the consent ledger and apply it to the visit.

    actor: None for the family's own message, otherwise a member of the pair or a coordinator who records the answer.
    answer: yes or confirmed | other_time | not_now | withdrawn | call_me.
    """
    visit = booking_facts.get_visit(session, actor, visit_id) if actor else session.get(Visit, visit_id)
    if visit is None:
        raise NotFound
    locks.lock_visit(session, visit)
    reply = Answer.CONFIRMED if answer == "yes" else Answer(answer)
    if reply is Answer.CONFIRMED and states.check_transition("confirm", visit.state):
        if actor is not None:
            refuse_if_any([Problem("visit_moved_on", None, {"state": visit.state})])
        return ResponseResult.NOT_EXPECTED
    if reply is Answer.CONFIRMED and _has_yes_lapsed(session, visit, now):
        # A time can only be confirmed for a visit that the family agreed to.
        if actor is not None:
            refuse_if_any([Problem("family_yes_lapsed", "answer")])
        return ResponseResult.NOT_EXPECTED
    with effects.translate_database_refusals(session):
        _append_consent_entry(session, actor, visit, reply, now, how=how, caregiver_id=caregiver_id, evidence=evidence)
        answered = _find_answered_visit(session, visit, reply)
        effects.record_event(session, answered, f"family_{reply}", actor, now)
        result = _apply_answer(session, answered, reply, now)
        if result is not ResponseResult.NOT_EXPECTED:
            effects.plan_messages(session, answered, policy, now, acknowledge=ACKNOWLEDGE[reply])
    return result


def _has_yes_lapsed(session: Session, visit: Visit, now: datetime) -> bool:
    current = load_current_answers(session, [visit.family_id], now.date()).get(visit.family_id)
    return current is not None and current.has_lapsed


def plan_messages_after_new_yes(session: Session, invitation_id: int, policy: Policy, now: datetime) -> None:
    """Plan the messages of the family's visit again after a valid yes; some were held while it was invalid."""
    invitation = session.get_one(Invitation, invitation_id)
    visit = booking_facts.find_live_visit(session, invitation.family_id)
    if visit is None or visit.starts_at <= now:
        return
    locks.lock_visit(session, visit)
    if visit.state in states.LIVE:
        effects.plan_messages(session, visit, policy, now)


def send_current_time(session: Session, visit_id: int, policy: Policy, now: datetime) -> ResponseResult:
    """Answer a reply to an outdated time: send the current time and ask again, or announce a new time.

    Nothing is confirmed and the ledger is unchanged, because the family did not answer the current time.
    """
    visit = session.get(Visit, visit_id)
    if visit is None:
        raise NotFound
    locks.lock_visit(session, visit)
    if visit.state not in states.LIVE or visit.starts_at <= now:
        return ResponseResult.NOT_EXPECTED
    templates = {VisitState.SCHEDULED.value: CURRENT_TIME, VisitState.CONFIRMED.value: ACKNOWLEDGE[Answer.CONFIRMED]}
    effects.plan_messages(session, visit, policy, now, acknowledge=templates.get(visit.state, "visit_new_time_soon"))
    return ResponseResult.TIME_SENT


def _append_consent_entry(
    session: Session,
    actor: Actor | None,
    visit: Visit,
    answer: Answer,
    now: datetime,
    *,
    how: str,
    caregiver_id: int | None,
    evidence: str | None,
) -> None:
    """Append the answer to the consent ledger."""
    entry = ConsentEntry(
        family_id=visit.family_id,
        invitation_id=visit.invitation_id,
        visit_id=visit.id,
        caregiver_id=caregiver_id,
        answer=answer,
        how=how,
        language=session.get_one(Family, visit.family_id).language,
        at=now,
        recorded_by=actor.account_id if actor else None,
        evidence=evidence,
    )
    session.add(entry)
    session.flush()


def _find_answered_visit(session: Session, visit: Visit, answer: Answer) -> Visit:
    """Return the visit the answer applies to: a refusal of an ended visit applies to the family's live visit."""
    if visit.state in states.LIVE or answer.value not in REFUSALS:
        return visit
    return booking_facts.find_live_visit(session, visit.family_id) or visit


def _apply_answer(session: Session, visit: Visit, answer: Answer, now: datetime) -> ResponseResult:
    """Apply the answer to the visit. After its start only the pair's reports change a visit."""
    if answer is Answer.CONFIRMED:
        visit.state, visit.updated_at = VisitState.CONFIRMED, now
        return ResponseResult.CONFIRMED
    if visit.state not in states.LIVE or visit.starts_at <= now:
        return ResponseResult.NOT_EXPECTED
    if not is_cancelling_answer(answer):
        return ResponseResult.CALL_REQUESTED
    end_visit(session, visit, VisitState.CANCELLED_BY_FAMILY, now)
    return ResponseResult.ENDED


def end_visit(session: Session, visit: Visit, state: VisitState, now: datetime) -> None:
    """End a visit that will not take place: set its state, update calendars, release the commitments."""
    visit.state, visit.closed_at = state, now
    effects.mark_changed(visit, now)
    team.release_commitments(session, visit)
