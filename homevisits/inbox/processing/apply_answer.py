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


def apply_answer(heard: IncomingContext, question: Question, said: Answer) -> bool:
    """Apply a family's answer to a question. Return False if staff must handle the message."""
    heard.row.answers = question.question
    if _of_another_family(heard, question):
        return False  # The phone has moved to another family since; staff must find out which family is meant.
    try:
        with savepoint(heard.session):
            if question.visit_id is not None:
                return _to_visit(heard, question, question.visit_id, said)
            return _to_invitation(heard, question.invitation_id, said, again=question.said == said)
    except (RulesBroken, NotFound):  # The invitation or visit has ended; staff inform the family.
        return False


def _of_another_family(heard: IncomingContext, question: Question) -> bool:
    """Return whether the phone now belongs only to caregivers of families that were not asked."""
    families = queries.families_of_phone(heard.session, heard.row.phone)
    asked = heard.session.get(Invitation, question.invitation_id)
    return asked is not None and bool(families) and asked.family_id not in families


def _to_invitation(heard: IncomingContext, number: int, said: Answer, *, again: bool) -> bool:
    session, row, now = heard.session, heard.row, heard.now
    if said is Answer.YES and queries.caregiver_of_invitation(session, row.phone, number) is None:
        return False  # A yes requires a caregiver whom we may contact; a no is accepted from any holder of the phone.
    if again:
        return True  # Same answer as before with no change in between: it is already recorded and answered.
    invitations.record_text_answer(session, number, said, now, phone=row.phone, evidence=heard.evidence)
    if said is Answer.NOT_NOW:
        visits.apply_withdrawals(session, heard.policy, now)  # cancel at once a visit that was booked in the meantime
    return True


def _to_visit(heard: IncomingContext, question: Question, number: int, said: Answer) -> bool:
    session, row, now = heard.session, heard.row, heard.now
    visit = session.get(Visit, number)
    if said is Answer.NOT_NOW and not queries.has_live_visit(session, row.phone):
        # The visit is over and no other is booked, so this answer declines further visits.
        return _to_invitation(heard, question.invitation_id, said, again=False)
    caregiver = queries.caregiver_of_visit(session, row.phone, number)
    if said is Answer.YES and caregiver is None:
        return False
    if (
        visit is not None
        and said in (Answer.YES, Answer.OTHER_TIME)
        and match_question.was_moved_since(session, question, visit)
    ):
        # The answer refers to an outdated time: send the current time and ask again.
        return visits.send_current_time(session, number, heard.policy, now) is not ResponseResult.NOT_EXPECTED
    if question.said == said and not question.over:
        return True
    done = visits.record_family_answer(
        session, None, number, said, policy=heard.policy, now=now, caregiver_id=caregiver, evidence=heard.evidence
    )
    if said is Answer.NOT_NOW:
        invitations.close_invitation(session, question.invitation_id, now)
    return done is not ResponseResult.NOT_EXPECTED
