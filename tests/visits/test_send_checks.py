"""Planned messages are checked again before sending and re-planned when the recipient changes."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from homevisits.inbox.today import queries as inbox
from homevisits.invitations import actions as invitations
from homevisits.invitations import send_checks as invitation_checks
from homevisits.invitations.models import Answer
from homevisits.messages import outbox
from homevisits.messages.models import OutgoingMessage
from homevisits.messages.templates.rendering import PlannedMessage
from homevisits.people.models import Caregiver, Educator, Family, School, Student
from homevisits.visits import actions, send_checks
from tests.factories.school import SchoolFixture
from tests.visits.test_actions import arrange, book, complete_visit, list_messages, load_visit

STAFF = {"Grace": "+15555550201", "Luis": "+15555550202", "Amina": "+15555550203"}


def update_rows(school_fixture: SchoolFixture, model: type[Any], *condition: Any, **values: object) -> None:
    """Update rows directly, like an import does."""
    with school_fixture.session() as session:
        for row in session.scalars(select(model).where(*condition)).all():
            for name, value in values.items():
                setattr(row, name, value)


def give_phones(school_fixture: SchoolFixture, *names: str) -> None:
    for name in names:
        update_rows(school_fixture, Educator, Educator.id == school_fixture.educators[name], phone=STAFF[name])


def check_messages(school_fixture: SchoolFixture, subject: str, at: datetime | None = None) -> dict[str, str | None]:
    """Return the refusal code (or None) of the newest message per template."""
    with school_fixture.database.reading() as session:
        rows = session.scalars(
            select(OutgoingMessage).where(OutgoingMessage.subject == subject).order_by(OutgoingMessage.id)
        ).all()
        check = send_checks.reason_not_to_send if subject.startswith("visit") else invitation_checks.reason_not_to_send
        return {row.template: check(session, row, at or school_fixture.now) for row in rows}


def list_queued_messages(school_fixture: SchoolFixture, visit_id: int) -> list[tuple[str, str]]:
    """Return (last digits of the phone, template) of the queued messages of a visit."""
    with school_fixture.database.reading() as session:
        statement = select(OutgoingMessage).where(
            OutgoingMessage.subject == f"visit:{visit_id}", OutgoingMessage.state == "queued"
        )
        return [(row.phone[-3:], row.template) for row in session.scalars(statement.order_by(OutgoingMessage.id))]


def apply_withdrawals(school_fixture: SchoolFixture, now: datetime | None = None) -> int:
    with school_fixture.session() as session:
        return actions.apply_withdrawals(session, school_fixture.policy, now or school_fixture.now)


def add_second_caregiver(school_fixture: SchoolFixture, family: str) -> None:
    with school_fixture.session() as session:
        session.add(
            Caregiver(
                source_id=f"g2-{family}",
                family_id=school_fixture.families[family],
                given_name="Bo",
                family_name=family,
                relation="father",
                phone="+15555550191",
                contact_order=2,
            )
        )


def test_current_messages_may_be_sent(school_fixture: SchoolFixture) -> None:
    give_phones(school_fixture, "Grace", "Luis")
    visit_id = arrange(school_fixture)
    assert check_messages(school_fixture, f"visit:{visit_id}") == {
        "staff_asked": "visit_changed",  # Luis has already answered.
        "visit_confirm": None,
        "visit_reminder": None,
        "staff_reminder": None,
    }


def test_answered_question_is_not_sent_again(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.record_family_answer(
            session, None, visit_id, "yes", policy=school_fixture.policy, now=school_fixture.now
        )
    results = check_messages(school_fixture, f"visit:{visit_id}")
    assert (results["visit_confirm"], results["visit_see_you"], results["visit_confirmed"]) == (
        "visit_changed",
        None,
        None,
    )


def test_message_of_an_older_visit_version_is_refused(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(8, 17),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    results = check_messages(school_fixture, f"visit:{visit_id}")
    assert (results["visit_confirm"], results["visit_moved"]) == ("visit_changed", None)


def test_no_message_is_sent_after_the_start(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    start = load_visit(school_fixture, visit_id).starts_at
    assert set(check_messages(school_fixture, f"visit:{visit_id}", start).values()) == {"visit_started"}


def test_family_without_consent_gets_only_the_cancellation(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        school_fixture.record_consent(session, "Rivera", "withdrawn", how="phone")
    assert set(check_messages(school_fixture, f"visit:{visit_id}").values()) == {"consent_withdrawn"}
    with school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors["Grace"], visit_id, school_fixture.policy, school_fixture.now)
    assert check_messages(school_fixture, f"visit:{visit_id}")["visit_cancelled"] is None


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"restricted": True}, "restricted"),
        ({"left_on": date(2026, 10, 5)}, "left"),
        ({"phone": "+15555550177"}, "phone_changed"),
        ({"phone": None}, "phone_changed"),
    ],
)
def test_message_to_an_ineligible_recipient_is_refused(
    school_fixture: SchoolFixture, values: dict[str, object], code: str
) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors["Grace"], visit_id, school_fixture.policy, school_fixture.now)
    assert check_messages(school_fixture, f"visit:{visit_id}")["visit_cancelled"] is None
    update_rows(school_fixture, Caregiver, Caregiver.family_id == school_fixture.families["Rivera"], **values)
    assert check_messages(school_fixture, f"visit:{visit_id}")["visit_cancelled"] == code


def test_phone_shared_with_a_restricted_caregiver_is_accepted(school_fixture: SchoolFixture) -> None:
    add_second_caregiver(school_fixture, "Rivera")
    phone = school_fixture.phones["Rivera"]
    update_rows(school_fixture, Caregiver, Caregiver.source_id == "g2-Rivera", phone=phone, restricted=True)
    visit_id = arrange(school_fixture)
    assert set(check_messages(school_fixture, f"visit:{visit_id}").values()) == {None}


def test_answered_or_closed_invitation_is_not_sent(school_fixture: SchoolFixture) -> None:
    invitation_id = school_fixture.invitations["Quiet"]
    subject = f"invitation:{invitation_id}"
    message = PlannedMessage(
        key="ask",
        to=school_fixture.phones["Quiet"],
        language="en",
        template="invitation",
        params={"school": "Lincoln"},
        not_before=school_fixture.now,
        expires_at=school_fixture.now + timedelta(days=1),
        question=subject,
    )
    with school_fixture.session() as session:
        outbox.put(session, subject, message, school_fixture.now)
    assert check_messages(school_fixture, subject) == {"invitation": None}
    with school_fixture.session() as session:
        invitations.record_answer(
            session, school_fixture.actors["coordinator"], invitation_id, "yes", how="phone", now=school_fixture.now
        )
    assert check_messages(school_fixture, subject) == {"invitation": "answered"}
    with school_fixture.session() as session:
        invitations.append_answer(session, invitation_id, Answer.NOT_NOW, "text", school_fixture.now)
    assert check_messages(school_fixture, subject) == {"invitation": "closed"}


def test_reply_to_a_family_answer_is_always_sent(school_fixture: SchoolFixture) -> None:
    invitation_id = school_fixture.invitations["Quiet"]
    with school_fixture.session() as session:
        invitations.record_text_answer(
            session,
            invitation_id,
            Answer.NOT_NOW,
            school_fixture.now,
            phone=school_fixture.phones["Quiet"],
            evidence="inbound:1",
        )
    assert check_messages(school_fixture, f"invitation:{invitation_id}") == {"invitation_not_now": None}


def test_invitation_message_has_the_time_zone_of_its_school(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        invitations.record_text_answer(
            session,
            school_fixture.invitations["Quiet"],
            Answer.YES,
            school_fixture.now,
            phone="+15555550104",
            evidence="i",
        )
    with school_fixture.database.reading() as session:
        row = session.scalars(select(OutgoingMessage)).one()
        assert (row.zone, row.school_id) == ("America/Denver", school_fixture.school_id)


def test_staff_messages_follow_the_visit(school_fixture: SchoolFixture) -> None:
    give_phones(school_fixture, *STAFF)
    visit_id = book(school_fixture)
    assert list_queued_messages(school_fixture, visit_id) == [("202", "staff_asked")]
    with school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    assert [message for message in list_queued_messages(school_fixture, visit_id) if "staff" in message[1]] == [
        ("201", "staff_reminder"),
        ("202", "staff_reminder"),
    ]
    with school_fixture.session() as session:
        actions.cannot_come(
            session,
            school_fixture.actors["Luis"],
            visit_id,
            school_fixture.educators["Luis"],
            policy=school_fixture.policy,
            now=school_fixture.now + timedelta(minutes=1),
        )
    assert list_queued_messages(school_fixture, visit_id) == [("201", "staff_stand_in")]
    with school_fixture.session() as session:
        actions.replace_partner(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.educators["Amina"],
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    assert list_queued_messages(school_fixture, visit_id) == [("203", "staff_asked")]
    with school_fixture.session() as session:
        actions.decline(session, school_fixture.actors["Amina"], visit_id, school_fixture.policy, school_fixture.now)
    assert list_queued_messages(school_fixture, visit_id) == [("201", "staff_stand_in")]
    with school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors["Grace"], visit_id, school_fixture.policy, school_fixture.now)
    assert [message for message in list_queued_messages(school_fixture, visit_id) if "staff" in message[1]] == []


def test_both_educators_are_notified_when_a_coordinator_moves_or_cancels(school_fixture: SchoolFixture) -> None:
    give_phones(school_fixture, "Grace", "Luis")
    visit_id = arrange(school_fixture)
    actor = school_fixture.actors["coordinator"]
    with school_fixture.session() as session:
        actions.move(
            session,
            actor,
            visit_id,
            school_fixture.time_at(8, 17),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    assert list_queued_messages(school_fixture, visit_id) == [("201", "staff_moved"), ("202", "staff_moved")]
    with school_fixture.session() as session:
        actions.cancel(session, actor, visit_id, school_fixture.policy, school_fixture.now)
    assert [message for message in list_queued_messages(school_fixture, visit_id) if "staff" in message[1]] == [
        ("201", "staff_cancelled"),
        ("202", "staff_cancelled"),
    ]


def test_staff_message_names_no_family_child_or_address(school_fixture: SchoolFixture) -> None:
    give_phones(school_fixture, "Grace", "Luis")
    visit_id = arrange(school_fixture)
    with school_fixture.database.reading() as session:
        bodies = session.scalars(select(OutgoingMessage.body).where(OutgoingMessage.category == "staff")).all()
    assert bodies
    for body in bodies:
        assert f"/visits/{visit_id}" in body
        assert not any(name in body for name in ("Rivera", "Ana", "Kid", "Main Street"))


@pytest.mark.parametrize(
    ("values", "code"), [({"phone": "+15555550299"}, "phone_changed"), ({"left_on": date(2026, 10, 6)}, "left")]
)
def test_staff_message_to_an_old_number_is_refused(
    school_fixture: SchoolFixture, values: dict[str, object], code: str
) -> None:
    give_phones(school_fixture, "Grace")
    visit_id = arrange(school_fixture)
    assert check_messages(school_fixture, f"visit:{visit_id}")["staff_reminder"] is None
    update_rows(school_fixture, Educator, Educator.id == school_fixture.educators["Grace"], **values)
    assert check_messages(school_fixture, f"visit:{visit_id}")["staff_reminder"] == code


def test_thank_you_is_refused_after_consent_is_withdrawn(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    complete_visit(school_fixture, visit_id)
    assert list_queued_messages(school_fixture, visit_id)[-1] == ("101", "visit_thanks")
    assert check_messages(school_fixture, f"visit:{visit_id}")["visit_thanks"] is None
    with school_fixture.session() as session:
        school_fixture.record_consent(session, "Rivera", "withdrawn", how="phone")
    assert check_messages(school_fixture, f"visit:{visit_id}")["visit_thanks"] == "consent_withdrawn"


def test_templates_disabled_by_the_policy_are_not_planned(school_fixture: SchoolFixture) -> None:
    give_phones(school_fixture, "Luis")
    school_fixture.policy = replace(
        school_fixture.policy, texts_off=("visit_reminder", "visit_thanks", "staff_asked", "staff_reminder")
    )
    visit_id = arrange(school_fixture)
    assert list_messages(school_fixture, visit_id) == [("visit_confirm", "queued")]
    complete_visit(school_fixture, visit_id)
    assert list_queued_messages(school_fixture, visit_id) == []


def test_visit_of_a_family_that_left_is_cancelled_with_visit_off(
    school_fixture: SchoolFixture,
) -> None:
    give_phones(school_fixture, "Grace")
    visit_id = arrange(school_fixture)
    update_rows(
        school_fixture, Student, Student.family_id == school_fixture.families["Rivera"], enrolled_to=date(2026, 10, 4)
    )
    assert check_messages(school_fixture, f"visit:{visit_id}")["visit_confirm"] == "family_left"
    assert apply_withdrawals(school_fixture) == 1
    visit = load_visit(school_fixture, visit_id)
    assert visit.state == "cancelled_by_educator"
    assert list_queued_messages(school_fixture, visit_id) == [("101", "visit_off"), ("201", "staff_cancelled")]
    assert check_messages(school_fixture, f"visit:{visit_id}")["visit_off"] is None
    assert apply_withdrawals(school_fixture) == 0


def test_visit_is_kept_while_a_sibling_is_enrolled(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        session.add(
            Student(
                source_id="sib",
                family_id=school_fixture.families["Rivera"],
                school_id=school_fixture.school_id,
                given_name="Sib",
                family_name="R",
                grade="1",
            )
        )
    update_rows(school_fixture, Student, Student.source_id == "st-Rivera", enrolled_to=date(2026, 10, 4))
    assert apply_withdrawals(school_fixture) == 0
    assert load_visit(school_fixture, visit_id).state == "scheduled"


def test_end_of_the_school_year_does_not_cancel_visits(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    update_rows(school_fixture, Student, Student.school_id == school_fixture.school_id, enrolled_to=date(2026, 10, 4))
    assert apply_withdrawals(school_fixture) == 0
    assert check_messages(school_fixture, f"visit:{visit_id}")["visit_confirm"] is None


@pytest.mark.parametrize("values", [{"restricted": True}, {"left_on": date(2026, 10, 5)}])
def test_messages_of_an_ineligible_caregiver_go_to_another_caregiver(
    school_fixture: SchoolFixture, values: dict[str, object]
) -> None:
    add_second_caregiver(school_fixture, "Rivera")
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:  # The question has been sent; the reminders are queued.
        mark_delivered(session, visit_id, "visit_confirm")
    update_rows(school_fixture, Caregiver, Caregiver.source_id == "g-Rivera", **values)
    assert apply_withdrawals(school_fixture) == 1
    assert list_queued_messages(school_fixture, visit_id) == [
        ("191", "visit_confirm"),
        ("191", "visit_reminder"),
        ("191", "visit_reminder"),
    ]
    assert apply_withdrawals(school_fixture) == 0


def mark_delivered(session: Session, visit_id: int, template: str) -> None:
    subject = f"visit:{visit_id}"
    session.execute(
        update(OutgoingMessage)
        .where(OutgoingMessage.subject == subject, OutgoingMessage.template == template)
        .values(state="delivered")
    )


def test_messages_are_cancelled_without_an_eligible_caregiver(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    update_rows(school_fixture, Caregiver, Caregiver.source_id == "g-Rivera", restricted=True)
    assert apply_withdrawals(school_fixture) == 1
    assert list_queued_messages(school_fixture, visit_id) == []
    assert {state for _template, state in list_messages(school_fixture, visit_id)} == {"cancelled"}
    assert apply_withdrawals(school_fixture) == 0


def test_corrected_number_gets_the_pending_messages(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    update_rows(school_fixture, Caregiver, Caregiver.source_id == "g-Rivera", phone="+15555550177")
    assert apply_withdrawals(school_fixture) == 1
    assert {phone for phone, _template in list_queued_messages(school_fixture, visit_id)} == {"177"}


def test_messages_use_the_time_zone_of_the_school(school_fixture: SchoolFixture) -> None:
    update_rows(school_fixture, School, School.id == school_fixture.school_id, timezone="America/Chicago")
    visit_id = arrange(school_fixture, at=school_fixture.time_at(7, 16))
    with school_fixture.database.reading() as session:
        messages = session.scalars(select(OutgoingMessage).where(OutgoingMessage.subject == f"visit:{visit_id}")).all()
        assert {(row.zone, row.school_id) for row in messages} == {("America/Chicago", school_fixture.school_id)}
        assert {row.params.count("5:00 pm") for row in messages} == {1}


def list_visits_not_communicated(school_fixture: SchoolFixture) -> list[int]:
    with school_fixture.database.reading() as session:
        return [
            row.visit_id
            for row in inbox.visits_not_communicated(session, school_fixture.actors["coordinator"], school_fixture.now)
        ]


def test_visit_without_an_approved_template_is_listed_for_a_call(school_fixture: SchoolFixture) -> None:
    update_rows(school_fixture, Family, Family.id == school_fixture.families["Smith"], language="so")
    visit_id = arrange(school_fixture, family="Smith")
    assert list_messages(school_fixture, visit_id) == []
    assert list_visits_not_communicated(school_fixture) == [visit_id]


def test_staff_messages_do_not_count_as_informing_the_family(school_fixture: SchoolFixture) -> None:
    give_phones(school_fixture, "Grace", "Luis")
    update_rows(school_fixture, Caregiver, Caregiver.source_id == "g-Smith", phone=None)
    visit_id = arrange(school_fixture, family="Smith")
    assert {phone for phone, _template in list_queued_messages(school_fixture, visit_id)} == {"201", "202"}
    assert list_visits_not_communicated(school_fixture) == [visit_id]


def test_message_about_the_old_time_does_not_count_for_the_new_time(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        mark_delivered(session, visit_id, "visit_confirm")
        actions.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(8, 17),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    assert list_visits_not_communicated(school_fixture) == []
    update_rows(school_fixture, OutgoingMessage, OutgoingMessage.template == "visit_moved", state="dead")
    assert list_visits_not_communicated(school_fixture) == [visit_id]


@pytest.mark.parametrize(("reason", "calls"), [("language", True), ("template", True), ("quiet", False)])
def test_visit_is_listed_for_a_call_while_its_template_is_not_approved(
    school_fixture: SchoolFixture, reason: str, calls: bool
) -> None:
    visit_id = arrange(school_fixture)
    update_rows(
        school_fixture, OutgoingMessage, OutgoingMessage.template == "visit_confirm", state="held", hold_reason=reason
    )
    assert (list_visits_not_communicated(school_fixture) == [visit_id]) is calls


def test_reminder_right_after_a_delayed_question_is_refused(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    subject, later = f"visit:{visit_id}", school_fixture.now + timedelta(hours=20)
    update_rows(
        school_fixture, OutgoingMessage, OutgoingMessage.template == "visit_confirm", state="accepted", sent_at=later
    )
    assert (
        check_messages(school_fixture, subject, later + timedelta(minutes=2))["visit_reminder"] == "recently_announced"
    )
    assert check_messages(school_fixture, subject, later + timedelta(minutes=61))["visit_reminder"] is None
