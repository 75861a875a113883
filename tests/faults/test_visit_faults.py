"""F16: a visit is moved, held or cancelled while a message about it is waiting, sending or unknown."""

import pytest
from sqlalchemy import select, update

from homevisits.messages.models import OutgoingMessage
from homevisits.visits import actions
from homevisits.visits.send_checks import reason_not_to_send
from tests.factories.school import SchoolFixture
from tests.visits.test_actions import arrange, complete_visit


def set_question_state(school_fixture: SchoolFixture, visit_id: int, state: str) -> None:
    """Set the state of the question about the visit's time."""
    with school_fixture.session() as session:
        conditions = OutgoingMessage.subject == f"visit:{visit_id}", OutgoingMessage.template == "visit_confirm"
        session.execute(update(OutgoingMessage).where(*conditions).values(state=state))


def read_question(school_fixture: SchoolFixture, visit_id: int) -> tuple[str, bool, str | None]:
    """State of the question, whether its cancellation is requested, and the claim's reason not to send it."""
    with school_fixture.database.reading() as session:
        query = select(OutgoingMessage).where(
            OutgoingMessage.subject == f"visit:{visit_id}", OutgoingMessage.template == "visit_confirm"
        )
        row = session.scalars(query).one()
        return row.state, row.cancel_requested, reason_not_to_send(session, row, school_fixture.now)


CHANGES = ("moved", "called_off", "family_said_no", "partner_ill", "held")


def apply_change(school_fixture: SchoolFixture, visit_id: int, change: str) -> None:
    if change == "held":
        complete_visit(school_fixture, visit_id)
        return
    with school_fixture.session() as session:
        grace, policy, now = school_fixture.actors["Grace"], school_fixture.policy, school_fixture.now
        if change == "moved":
            actions.move(session, grace, visit_id, school_fixture.time_at(8, 17), policy=policy, now=now)
        elif change == "called_off":
            actions.cancel(session, grace, visit_id, policy, now)
        elif change == "family_said_no":
            actions.record_family_answer(session, None, visit_id, "not_now", policy=policy, now=now)
        else:
            actions.cannot_come(session, grace, visit_id, school_fixture.educators["Luis"], policy=policy, now=now)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("state", ["queued", "held"])
def test_f16_waiting_message_about_a_changed_visit_is_cancelled(
    school_fixture: SchoolFixture, change: str, state: str
) -> None:
    visit_id = arrange(school_fixture)
    set_question_state(school_fixture, visit_id, state)
    apply_change(school_fixture, visit_id, change)
    assert read_question(school_fixture, visit_id) == ("cancelled", False, "visit_changed")


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("state", ["sending", "unknown"])
def test_f16_sending_or_unknown_message_about_a_changed_visit_is_not_resent(
    school_fixture: SchoolFixture, change: str, state: str
) -> None:
    visit_id = arrange(school_fixture)
    set_question_state(school_fixture, visit_id, state)
    apply_change(school_fixture, visit_id, change)
    assert read_question(school_fixture, visit_id) == (state, True, "visit_changed")
