"""Apply an answer to its invitation or visit; if that is not possible, staff contact the family."""

from homevisits.core.db import savepoint
from homevisits.core.problems import NotFound, RulesBroken
from homevisits.inbox.processing import match_question, queries
from homevisits.inbox.processing.context import IncomingContext
from homevisits.inbox.processing.match_question import Question
from homevisits.invitations import actions as invitations
from homevisits.invitations.models import Answer, Invitation
from homevisits.visits import actions as visits
from homevisits.visits.actions.family_response import ResponseResult
from homevisits.visits.models import Visit


def apply_answer(incoming: IncomingContext, question: Question, answer: Answer) -> bool:
    """Apply a family's answer to a question. Return False if staff must handle the message."""
    incoming.row.answers = question.question
    if _of_another_family(incoming, question):
        return False  # The phone has moved to another family since; staff must find out which family is meant.
    try:
        with savepoint(incoming.session):
            if question.visit_id is not None:
                return _to_visit(incoming, question, question.visit_id, answer)
            return _to_invitation(incoming, question.invitation_id, answer, is_repeated=question.last_answer == answer)
    except (RulesBroken, NotFound):  # The invitation or visit has ended; staff inform the family.
        return False


def _of_another_family(incoming: IncomingContext, question: Question) -> bool:
    """Return whether the phone now belongs only to caregivers of families that were not asked."""
    families = queries.families_of_phone(incoming.session, incoming.row.phone)
    asked = incoming.session.get(Invitation, question.invitation_id)
    return asked is not None and bool(families) and asked.family_id not in families


def _to_invitation(incoming: IncomingContext, number: int, answer: Answer, *, is_repeated: bool) -> bool:
    session, row, now = incoming.session, incoming.row, incoming.now
    if answer is Answer.YES and queries.caregiver_of_invitation(session, row.phone, number) is None:
        return False  # A yes requires a caregiver whom we may contact; a no is accepted from any holder of the phone.
    if is_repeated:
        return True  # Same answer as before with no change in between: it is already recorded and answered.
    invitations.record_text_answer(session, number, answer, now, phone=row.phone, evidence=incoming.evidence)
    if answer is Answer.NOT_NOW:
        visits.apply_withdrawals(
            session, incoming.policy, now
        )  # cancel at once a visit that was booked in the meantime
    return True


def _to_visit(incoming: IncomingContext, question: Question, number: int, answer: Answer) -> bool:
    session, row, now = incoming.session, incoming.row, incoming.now
    visit = session.get(Visit, number)
    if answer is Answer.NOT_NOW and not queries.has_live_visit(session, row.phone):
        # The visit is over and no other is booked, so this answer declines further visits.
        return _to_invitation(incoming, question.invitation_id, answer, is_repeated=False)
    caregiver = queries.caregiver_of_visit(session, row.phone, number)
    if answer is Answer.YES and caregiver is None:
        return False
    if (
        visit is not None
        and answer in (Answer.YES, Answer.OTHER_TIME)
        and match_question.was_moved_since(session, question, visit)
    ):
        # The answer refers to an outdated time: send the current time and ask again.
        return visits.send_current_time(session, number, incoming.policy, now) is not ResponseResult.NOT_EXPECTED
    if question.last_answer == answer and not question.is_over:
        return True
    done = visits.record_family_answer(
        session,
        None,
        number,
        answer,
        policy=incoming.policy,
        now=now,
        caregiver_id=caregiver,
        evidence=incoming.evidence,
    )
    if answer is Answer.NOT_NOW:
        invitations.close_invitation(session, question.invitation_id, now)
    return done is not ResponseResult.NOT_EXPECTED
