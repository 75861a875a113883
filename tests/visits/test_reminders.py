"""The number on Me: one's own choice, checked, removable, seen by nobody else; a stop there stops texts there."""

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
from tests.visits.test_actions import arrange, book, visit_of

TYPED, KEPT = "(651) 555-0142", "+16515550142"


@pytest.fixture
def school_fixture(sqlite_database: Database) -> SchoolFixture:
    clock.set_source(lambda: NOW)
    return build_school(sqlite_database)


def client_of(school_fixture: SchoolFixture, who: str) -> FlaskClient:
    return clients.create_client(clients.create_test_app(school_fixture.database), school_fixture.actors[who])


def phone_of(school_fixture: SchoolFixture, who: str) -> str | None:
    with school_fixture.database.reading() as session:
        return session.scalar(select(Educator.phone).where(Educator.id == school_fixture.educators[who]))


def to_me(school_fixture: SchoolFixture) -> list[tuple[str, str]]:
    with school_fixture.database.reading() as session:
        rows = session.scalars(
            select(OutgoingMessage).where(OutgoingMessage.category == "staff").order_by(OutgoingMessage.id)
        ).all()
        return [(row.template, row.state) for row in rows]


def test_a_number_is_given_shown_to_its_owner_and_taken_back(school_fixture: SchoolFixture) -> None:
    luis = client_of(school_fixture, "Luis")
    assert luis.post("/me/phone", data={"phone": TYPED}).status_code == 303
    assert phone_of(school_fixture, "Luis") == KEPT
    assert TYPED in luis.get("/me").text
    assert "Remove the number" in luis.get("/me").text
    assert luis.post("/me/phone", data={"phone": ""}).status_code == 303
    assert phone_of(school_fixture, "Luis") is None
    assert "Remove the number" not in luis.get("/me").text


@pytest.mark.parametrize("typed", ["call me", "12", "555-0142", "<b>", "9" * 300])
def test_what_is_no_number_is_refused_and_kept_in_its_field(school_fixture: SchoolFixture, typed: str) -> None:
    answer = client_of(school_fixture, "Luis").post("/me/phone", data={"phone": typed})
    assert answer.status_code == 422
    assert 'href="#phone"' in answer.text
    assert re.search(r'id="phone-problem"', answer.text)
    assert phone_of(school_fixture, "Luis") is None


def test_visits_ahead_follow_the_number_at_once(school_fixture: SchoolFixture) -> None:
    arrange(school_fixture)
    luis = client_of(school_fixture, "Luis")
    luis.post("/me/phone", data={"phone": TYPED})
    assert to_me(school_fixture) == [("staff_reminder", "queued")]
    luis.post("/me/phone", data={"phone": "(651) 555-0143"})
    assert to_me(school_fixture) == [("staff_reminder", "cancelled"), ("staff_reminder", "queued")]
    luis.post("/me/phone", data={"phone": ""})
    assert to_me(school_fixture) == [("staff_reminder", "cancelled"), ("staff_reminder", "cancelled")]


def test_whoever_is_asked_along_is_texted_once_the_number_is_there(school_fixture: SchoolFixture) -> None:
    book(school_fixture)
    client_of(school_fixture, "Luis").post("/me/phone", data={"phone": TYPED})
    assert to_me(school_fixture) == [("staff_asked", "queued")]


def test_nobody_else_sees_the_number(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    client_of(school_fixture, "Luis").post("/me/phone", data={"phone": TYPED})
    for who, address in [
        ("Grace", f"/visits/{visit_id}"),
        ("Grace", "/me"),
        ("coordinator", f"/visits/{visit_id}"),
        ("coordinator", "/people"),
        ("coordinator", "/visits"),
        ("coordinator", "/today"),
    ]:
        answer = client_of(school_fixture, who).get(address, follow_redirects=True)
        assert "555-0142" not in answer.text, (who, address)
        assert KEPT not in answer.text, (who, address)


def test_a_stop_from_that_phone_ends_texts_there_and_me_says_so(school_fixture: SchoolFixture) -> None:
    arrange(school_fixture)
    luis = client_of(school_fixture, "Luis")
    luis.post("/me/phone", data={"phone": TYPED})
    with school_fixture.session() as session:
        opt_outs.opt_out(session, KEPT, "family", NOW, evidence="inbound:1")
    assert to_me(school_fixture) == [("staff_reminder", "suppressed")]
    assert "You asked us not to text this number" in luis.get("/me").text


def test_whoever_does_not_visit_has_no_number_to_give(school_fixture: SchoolFixture) -> None:
    assert client_of(school_fixture, "coordinator").post("/me/phone", data={"phone": TYPED}).status_code == 403
    with school_fixture.session() as session, pytest.raises(RulesBroken):
        actions.save_reminder_phone(session, school_fixture.actors["coordinator"], TYPED, school_fixture.policy, NOW)


def test_the_page_tells_in_spanish_what_the_texts_say_in_spanish(school_fixture: SchoolFixture) -> None:
    luis = client_of(school_fixture, "Luis")
    luis.post("/language", data={"language": "es"})
    luis.post("/me/phone", data={"phone": TYPED})
    arrange(school_fixture)
    with school_fixture.database.reading() as session:
        found = select(OutgoingMessage.language, OutgoingMessage.body).where(
            OutgoingMessage.template == "staff_reminder"
        )
        language, body = session.execute(found).one()
    assert language == "es"
    assert body.startswith("Su visita con Grace")


def texts_back(school_fixture: SchoolFixture, body: str, provider_message_id: str = "in-1") -> None:
    with school_fixture.session() as session:
        inbox.receive_message(
            session, inbox.ReceivedMessage(provider_message_id, KEPT, "+15555550100", body), school_fixture.policy, NOW
        )


def said_back(school_fixture: SchoolFixture) -> list[str]:
    with school_fixture.database.reading() as session:
        subject = OutgoingMessage.subject.startswith("inbound:")
        return list(session.scalars(select(OutgoingMessage.template).where(subject).order_by(OutgoingMessage.id)))


@pytest.mark.parametrize("body", ["1", "2", "3", "9", "yes", "thank you!", "Can we go earlier?"])
def test_what_a_colleague_texts_back_answers_for_no_family_and_shows_nobody_the_number(
    school_fixture: SchoolFixture, body: str
) -> None:
    visit_id = arrange(school_fixture)
    client_of(school_fixture, "Luis").post("/me/phone", data={"phone": TYPED})
    with school_fixture.session() as session:
        for row in session.scalars(select(OutgoingMessage)).all():
            row.state = "delivered"
    texts_back(school_fixture, body)
    assert visit_of(school_fixture, visit_id).state == "scheduled"
    assert said_back(school_fixture) == ["staff_reply"]
    with school_fixture.database.reading() as session:
        assert today.messages_to_read(session, school_fixture.actors["coordinator"]) == []
        assert session.scalars(select(IncomingMessage.needs_person)).one() is False
    assert "555-0142" not in client_of(school_fixture, "coordinator").get("/today").text
    texts_back(school_fixture, "and more", "in-2")
    assert said_back(school_fixture) == ["staff_reply"]  # once a day


def test_a_colleague_s_stop_ends_the_reminders_and_a_start_brings_them_back(school_fixture: SchoolFixture) -> None:
    arrange(school_fixture)
    client_of(school_fixture, "Luis").post("/me/phone", data={"phone": TYPED})
    texts_back(school_fixture, "STOP")
    assert to_me(school_fixture)[-1] == ("staff_reminder", "suppressed")
    assert said_back(school_fixture) == ["stop_confirmed"]
    texts_back(school_fixture, "START", "in-2")
    assert said_back(school_fixture) == ["stop_confirmed", "start_confirmed"]
    with school_fixture.database.reading() as session:
        assert opt_outs.may_receive(session, KEPT)


def test_a_colleague_who_is_also_a_parent_answers_as_the_parent(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture, family="Smith")
    with school_fixture.session() as session:
        session.scalars(select(Caregiver).where(Caregiver.source_id == "g-Smith")).one().phone = KEPT
    with school_fixture.session() as session:
        actions.apply_withdrawals(session, school_fixture.policy, NOW)
        for row in session.scalars(select(OutgoingMessage).where(OutgoingMessage.phone == KEPT)).all():
            row.state, row.sent_at = "delivered", NOW
    client_of(school_fixture, "Luis").post("/me/phone", data={"phone": TYPED})
    texts_back(school_fixture, "1")
    assert visit_of(school_fixture, visit_id).state == "confirmed"


def test_without_an_approved_word_for_it_a_colleague_gets_none(
    school_fixture: SchoolFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client_of(school_fixture, "Luis").post("/me/phone", data={"phone": TYPED})
    monkeypatch.setattr(catalog, "is_approved", lambda _language, _template: False)
    texts_back(school_fixture, "hello")
    assert said_back(school_fixture) == []
