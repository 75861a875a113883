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
from tests.shell import doors
from tests.visits.test_actions import arrange, book, visit_of
from tests.world import NOW, Town, build

TYPED, KEPT = "(651) 555-0142", "+16515550142"


@pytest.fixture
def town(sqlite_database: Database) -> Town:
    clock.use(lambda: NOW)
    return build(sqlite_database)


def client_of(town: Town, who: str) -> FlaskClient:
    return doors.browser_of(doors.app_of(town.database), town.actors[who])


def phone_of(town: Town, who: str) -> str | None:
    with town.database.reading() as session:
        return session.scalar(select(Educator.phone).where(Educator.id == town.educators[who]))


def to_me(town: Town) -> list[tuple[str, str]]:
    with town.database.reading() as session:
        rows = session.scalars(
            select(OutgoingMessage).where(OutgoingMessage.category == "staff").order_by(OutgoingMessage.id)
        ).all()
        return [(row.template, row.state) for row in rows]


def test_a_number_is_given_shown_to_its_owner_and_taken_back(town: Town) -> None:
    luis = client_of(town, "Luis")
    assert luis.post("/me/phone", data={"phone": TYPED}).status_code == 303
    assert phone_of(town, "Luis") == KEPT
    assert TYPED in luis.get("/me").text
    assert "Remove the number" in luis.get("/me").text
    assert luis.post("/me/phone", data={"phone": ""}).status_code == 303
    assert phone_of(town, "Luis") is None
    assert "Remove the number" not in luis.get("/me").text


@pytest.mark.parametrize("typed", ["call me", "12", "555-0142", "<b>", "9" * 300])
def test_what_is_no_number_is_refused_and_kept_in_its_field(town: Town, typed: str) -> None:
    answer = client_of(town, "Luis").post("/me/phone", data={"phone": typed})
    assert answer.status_code == 422
    assert 'href="#phone"' in answer.text
    assert re.search(r'id="phone-problem"', answer.text)
    assert phone_of(town, "Luis") is None


def test_visits_ahead_follow_the_number_at_once(town: Town) -> None:
    arrange(town)
    luis = client_of(town, "Luis")
    luis.post("/me/phone", data={"phone": TYPED})
    assert to_me(town) == [("staff_reminder", "queued")]
    luis.post("/me/phone", data={"phone": "(651) 555-0143"})
    assert to_me(town) == [("staff_reminder", "cancelled"), ("staff_reminder", "queued")]
    luis.post("/me/phone", data={"phone": ""})
    assert to_me(town) == [("staff_reminder", "cancelled"), ("staff_reminder", "cancelled")]


def test_whoever_is_asked_along_is_texted_once_the_number_is_there(town: Town) -> None:
    book(town)
    client_of(town, "Luis").post("/me/phone", data={"phone": TYPED})
    assert to_me(town) == [("staff_asked", "queued")]


def test_nobody_else_sees_the_number(town: Town) -> None:
    visit_id = arrange(town)
    client_of(town, "Luis").post("/me/phone", data={"phone": TYPED})
    for who, address in [
        ("Grace", f"/visits/{visit_id}"),
        ("Grace", "/me"),
        ("coordinator", f"/visits/{visit_id}"),
        ("coordinator", "/people"),
        ("coordinator", "/visits"),
        ("coordinator", "/today"),
    ]:
        answer = client_of(town, who).get(address, follow_redirects=True)
        assert "555-0142" not in answer.text, (who, address)
        assert KEPT not in answer.text, (who, address)


def test_a_stop_from_that_phone_ends_texts_there_and_me_says_so(town: Town) -> None:
    arrange(town)
    luis = client_of(town, "Luis")
    luis.post("/me/phone", data={"phone": TYPED})
    with town.session() as session:
        opt_outs.stop(session, KEPT, "family", NOW, evidence="inbound:1")
    assert to_me(town) == [("staff_reminder", "suppressed")]
    assert "You asked for no texts at this number" in luis.get("/me").text


def test_whoever_does_not_visit_has_no_number_to_give(town: Town) -> None:
    assert client_of(town, "coordinator").post("/me/phone", data={"phone": TYPED}).status_code == 403
    with town.session() as session, pytest.raises(RulesBroken):
        actions.give_phone(session, town.actors["coordinator"], TYPED, town.policy, NOW)


def test_the_page_tells_in_spanish_what_the_texts_say_in_spanish(town: Town) -> None:
    luis = client_of(town, "Luis")
    luis.post("/language", data={"language": "es"})
    luis.post("/me/phone", data={"phone": TYPED})
    arrange(town)
    with town.database.reading() as session:
        found = select(OutgoingMessage.language, OutgoingMessage.body).where(
            OutgoingMessage.template == "staff_reminder"
        )
        language, body = session.execute(found).one()
    assert language == "es"
    assert body.startswith("Su visita con Grace")


def texts_back(town: Town, body: str, provider_message_id: str = "in-1") -> None:
    with town.session() as session:
        inbox.receive(session, inbox.IncomingMessage(provider_message_id, KEPT, "+15555550100", body), town.policy, NOW)


def said_back(town: Town) -> list[str]:
    with town.database.reading() as session:
        subject = OutgoingMessage.subject.startswith("inbound:")
        return list(session.scalars(select(OutgoingMessage.template).where(subject).order_by(OutgoingMessage.id)))


@pytest.mark.parametrize("body", ["1", "2", "3", "9", "yes", "thank you!", "Can we go earlier?"])
def test_what_a_colleague_texts_back_answers_for_no_family_and_shows_nobody_the_number(town: Town, body: str) -> None:
    visit_id = arrange(town)
    client_of(town, "Luis").post("/me/phone", data={"phone": TYPED})
    with town.session() as session:
        for row in session.scalars(select(OutgoingMessage)).all():
            row.state = "delivered"
    texts_back(town, body)
    assert visit_of(town, visit_id).state == "scheduled"
    assert said_back(town) == ["staff_reply"]
    with town.database.reading() as session:
        assert today.to_read(session, town.actors["coordinator"]) == []
        assert session.scalars(select(IncomingMessage.needs_person)).one() is False
    assert "555-0142" not in client_of(town, "coordinator").get("/today").text
    texts_back(town, "and more", "in-2")
    assert said_back(town) == ["staff_reply"]  # once a day


def test_a_colleague_s_stop_ends_the_reminders_and_a_start_brings_them_back(town: Town) -> None:
    arrange(town)
    client_of(town, "Luis").post("/me/phone", data={"phone": TYPED})
    texts_back(town, "STOP")
    assert to_me(town)[-1] == ("staff_reminder", "suppressed")
    assert said_back(town) == ["stop_confirmed"]
    texts_back(town, "START", "in-2")
    assert said_back(town) == ["stop_confirmed", "start_confirmed"]
    with town.database.reading() as session:
        assert opt_outs.may_text(session, KEPT)


def test_a_colleague_who_is_also_a_parent_answers_as_the_parent(town: Town) -> None:
    visit_id = arrange(town, family="Smith")
    with town.session() as session:
        session.scalars(select(Caregiver).where(Caregiver.source_id == "g-Smith")).one().phone = KEPT
    with town.session() as session:
        actions.tidy(session, town.policy, NOW)
        for row in session.scalars(select(OutgoingMessage).where(OutgoingMessage.phone == KEPT)).all():
            row.state, row.sent_at = "delivered", NOW
    client_of(town, "Luis").post("/me/phone", data={"phone": TYPED})
    texts_back(town, "1")
    assert visit_of(town, visit_id).state == "confirmed"


def test_without_an_approved_word_for_it_a_colleague_gets_none(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    client_of(town, "Luis").post("/me/phone", data={"phone": TYPED})
    monkeypatch.setattr(catalog, "has", lambda _language, _template: False)
    texts_back(town, "hello")
    assert said_back(town) == []
