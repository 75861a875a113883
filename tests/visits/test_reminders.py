"""Reminder phone number of an educator: entry on the page Me, privacy and opt-out."""

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from homevisits.core import clock
from homevisits.core.db import Database
from homevisits.core.problems import RulesBroken
from homevisits.inbox import processing as inbox
from homevisits.inbox.today import queries as today
from homevisits.messages.models import IncomingMessage, OutgoingMessage
from homevisits.messages.recipients import opt_outs
from homevisits.messages.templates import catalog
from homevisits.people.models import Caregiver, Educator
from homevisits.visits import actions
from tests.factories.school import NOW, SchoolFixture, build_school
from tests.shell import clients
from tests.visits.test_actions import arrange, book, load_visit

INPUT, STORED = "(651) 555-0142", "+16515550142"


@pytest.fixture
def school_fixture(sqlite_database: Database) -> SchoolFixture:
    clock.set_source(lambda: NOW)
    return build_school(sqlite_database)


def create_client(school_fixture: SchoolFixture, name: str) -> FlaskClient:
    return clients.create_client(clients.create_test_app(school_fixture.database), school_fixture.actors[name])


def load_phone(school_fixture: SchoolFixture, name: str) -> str | None:
    with school_fixture.database.reading() as session:
        return session.scalar(select(Educator.phone).where(Educator.id == school_fixture.educators[name]))


def list_staff_messages(school_fixture: SchoolFixture) -> list[tuple[str, str]]:
    with school_fixture.database.reading() as session:
        rows = session.scalars(
            select(OutgoingMessage).where(OutgoingMessage.category == "staff").order_by(OutgoingMessage.id)
        ).all()
        return [(row.template, row.state) for row in rows]


def test_number_is_saved_shown_to_its_owner_and_removed(school_fixture: SchoolFixture) -> None:
    luis = create_client(school_fixture, "Luis")
    assert luis.post("/me/phone", data={"phone": INPUT}).status_code == 303
    assert load_phone(school_fixture, "Luis") == STORED
    assert INPUT in luis.get("/me").text
    assert "Remove the number" in luis.get("/me").text
    assert luis.post("/me/phone", data={"phone": ""}).status_code == 303
    assert load_phone(school_fixture, "Luis") is None
    assert "Remove the number" not in luis.get("/me").text


@pytest.mark.parametrize("typed", ["call me", "12", "555-0142", "<b>", "9" * 300])
def test_invalid_number_is_refused(school_fixture: SchoolFixture, typed: str) -> None:
    response = create_client(school_fixture, "Luis").post("/me/phone", data={"phone": typed})
    assert response.status_code == 422
    assert 'href="#phone"' in response.text
    assert re.search(r'id="phone-problem"', response.text)
    assert load_phone(school_fixture, "Luis") is None


def test_upcoming_visits_use_a_changed_number_immediately(school_fixture: SchoolFixture) -> None:
    arrange(school_fixture)
    luis = create_client(school_fixture, "Luis")
    luis.post("/me/phone", data={"phone": INPUT})
    assert list_staff_messages(school_fixture) == [("staff_reminder", "queued")]
    luis.post("/me/phone", data={"phone": "(651) 555-0143"})
    assert list_staff_messages(school_fixture) == [("staff_reminder", "cancelled"), ("staff_reminder", "queued")]
    luis.post("/me/phone", data={"phone": ""})
    assert list_staff_messages(school_fixture) == [("staff_reminder", "cancelled"), ("staff_reminder", "cancelled")]


def test_invited_partner_gets_the_invitation_after_saving_a_number(school_fixture: SchoolFixture) -> None:
    book(school_fixture)
    create_client(school_fixture, "Luis").post("/me/phone", data={"phone": INPUT})
    assert list_staff_messages(school_fixture) == [("staff_asked", "queued")]


def test_number_is_not_shown_to_anyone_else(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    create_client(school_fixture, "Luis").post("/me/phone", data={"phone": INPUT})
    for name, address in [
        ("Grace", f"/visits/{visit_id}"),
        ("Grace", "/me"),
        ("coordinator", f"/visits/{visit_id}"),
        ("coordinator", "/people"),
        ("coordinator", "/visits"),
        ("coordinator", "/today"),
    ]:
        response = create_client(school_fixture, name).get(address, follow_redirects=True)
        assert "555-0142" not in response.text, (name, address)
        assert STORED not in response.text, (name, address)


def test_opt_out_suppresses_reminders_and_is_shown_on_me(school_fixture: SchoolFixture) -> None:
    arrange(school_fixture)
    luis = create_client(school_fixture, "Luis")
    luis.post("/me/phone", data={"phone": INPUT})
    with school_fixture.session() as session:
        opt_outs.opt_out(session, STORED, "family", NOW, evidence="inbound:1")
    assert list_staff_messages(school_fixture) == [("staff_reminder", "suppressed")]
    assert "You asked us not to text this number" in luis.get("/me").text


def test_staff_without_visits_cannot_save_a_number(school_fixture: SchoolFixture) -> None:
    assert create_client(school_fixture, "coordinator").post("/me/phone", data={"phone": INPUT}).status_code == 403
    with school_fixture.session() as session, pytest.raises(RulesBroken):
        actions.save_reminder_phone(session, school_fixture.actors["coordinator"], INPUT, school_fixture.policy, NOW)


def test_reminder_uses_the_language_of_the_account(school_fixture: SchoolFixture) -> None:
    luis = create_client(school_fixture, "Luis")
    luis.post("/language", data={"language": "es"})
    luis.post("/me/phone", data={"phone": INPUT})
    arrange(school_fixture)
    with school_fixture.database.reading() as session:
        statement = select(OutgoingMessage.language, OutgoingMessage.body).where(
            OutgoingMessage.template == "staff_reminder"
        )
        language, body = session.execute(statement).one()
    assert language == "es"
    assert body.startswith("Su visita con Grace")


def receive_message(school_fixture: SchoolFixture, body: str, provider_message_id: str = "in-1") -> None:
    with school_fixture.session() as session:
        inbox.receive_message(
            session,
            inbox.ReceivedMessage(provider_message_id, STORED, "+15555550100", body),
            school_fixture.policy,
            NOW,
        )


def list_replies(school_fixture: SchoolFixture) -> list[str]:
    with school_fixture.database.reading() as session:
        subject = OutgoingMessage.subject.startswith("inbound:")
        return list(session.scalars(select(OutgoingMessage.template).where(subject).order_by(OutgoingMessage.id)))


@pytest.mark.parametrize("body", ["1", "2", "3", "9", "yes", "thank you!", "Can we go earlier?"])
def test_staff_reply_is_no_family_answer_and_its_number_stays_hidden(school_fixture: SchoolFixture, body: str) -> None:
    visit_id = arrange(school_fixture)
    create_client(school_fixture, "Luis").post("/me/phone", data={"phone": INPUT})
    with school_fixture.session() as session:
        for row in session.scalars(select(OutgoingMessage)).all():
            row.state = "delivered"
    receive_message(school_fixture, body)
    assert load_visit(school_fixture, visit_id).state == "scheduled"
    assert list_replies(school_fixture) == ["staff_reply"]
    with school_fixture.database.reading() as session:
        assert today.messages_to_read(session, school_fixture.actors["coordinator"]) == []
        assert session.scalars(select(IncomingMessage.needs_staff)).one() is False
    assert "555-0142" not in create_client(school_fixture, "coordinator").get("/today").text
    receive_message(school_fixture, "and more", "in-2")
    assert list_replies(school_fixture) == ["staff_reply"]  # At most once a day.


def test_staff_stop_ends_reminders_and_start_resumes_them(school_fixture: SchoolFixture) -> None:
    arrange(school_fixture)
    create_client(school_fixture, "Luis").post("/me/phone", data={"phone": INPUT})
    receive_message(school_fixture, "STOP")
    assert list_staff_messages(school_fixture)[-1] == ("staff_reminder", "suppressed")
    assert list_replies(school_fixture) == ["stop_confirmed"]
    receive_message(school_fixture, "START", "in-2")
    assert list_replies(school_fixture) == ["stop_confirmed", "start_confirmed"]
    with school_fixture.database.reading() as session:
        assert opt_outs.may_receive(session, STORED)


def test_reply_of_an_educator_who_is_a_parent_answers_as_the_parent(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture, family="Smith")
    with school_fixture.session() as session:
        session.scalars(select(Caregiver).where(Caregiver.source_id == "g-Smith")).one().phone = STORED
    with school_fixture.session() as session:
        actions.apply_withdrawals(session, school_fixture.policy, NOW)
        for row in session.scalars(select(OutgoingMessage).where(OutgoingMessage.phone == STORED)).all():
            row.state, row.sent_at = "delivered", NOW
    create_client(school_fixture, "Luis").post("/me/phone", data={"phone": INPUT})
    receive_message(school_fixture, "1")
    assert load_visit(school_fixture, visit_id).state == "confirmed"


def test_staff_reply_without_an_approved_template_is_not_answered(
    school_fixture: SchoolFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_client(school_fixture, "Luis").post("/me/phone", data={"phone": INPUT})
    monkeypatch.setattr(catalog, "is_approved", lambda _language, _template: False)
    receive_message(school_fixture, "hello")
    assert list_replies(school_fixture) == []
