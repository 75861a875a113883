"""Conversation pages: reading, previewing and sending a reply, and who may see a phone number."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from homevisits.core import clock
from homevisits.inbox.models import Conversation
from homevisits.messages.models import OptOutEntry, OutgoingMessage, Phone
from homevisits.messages.recipients import opt_outs
from tests.factories.school import NOW, SchoolFixture
from tests.inbox.test_conversations import writes
from tests.inbox.test_pages import post, read, words
from tests.shell.clients import create_client, create_test_app
from tests.visits.test_actions import arrange

AT = NOW + timedelta(days=2)
"""The time in these tests: Wednesday, 9 am in Denver."""


@pytest.fixture
def school_fixture(school_fixture: SchoolFixture) -> SchoolFixture:
    """The test school with a visit of Grace and Luis to the Riveras."""
    arrange(school_fixture)
    return school_fixture


@pytest.fixture
def coordinator(school_fixture: SchoolFixture) -> FlaskClient:
    return create_client(create_test_app(school_fixture.database), school_fixture.actors["coordinator"])


@pytest.fixture
def grace(school_fixture: SchoolFixture) -> FlaskClient:
    return create_client(create_test_app(school_fixture.database), school_fixture.actors["Grace"])


def looked_at(client: FlaskClient, thread: int, **form: str) -> tuple[str, str]:
    """Preview a reply; return the page and the key of its form."""
    page = client.post(f"/conversations/{thread}/look", data=form)
    assert page.status_code == 200, words(page.get_data(as_text=True))
    html = page.get_data(as_text=True)
    found = re.search(r'name="key" value="([0-9a-f]{32})"', html)
    assert found
    return words(html), found[1]


def written(school_fixture: SchoolFixture) -> list[str]:
    with school_fixture.session() as session:
        found = select(OutgoingMessage.body).where(OutgoingMessage.written_by.is_not(None)).order_by(OutgoingMessage.id)
        return list(session.scalars(found))


def test_reply_is_previewed_edited_and_sent_once(coordinator: FlaskClient, school_fixture: SchoolFixture) -> None:
    thread = writes(school_fixture, "¿Puede venir mi abuela?", at=AT - timedelta(hours=30))
    listed = read(coordinator, "/conversations")
    assert "Waiting for more than a day" in listed
    assert "¿Puede venir mi abuela?" in listed
    page = read(coordinator, f"/conversations/{thread}")
    assert "(555) 555-0101" in page
    assert "reads Spanish" in page
    assert "Needs a person to read it" in page
    said, key = looked_at(coordinator, thread, body="Claro que sí.\r\n¡Con gusto!", language="es")
    assert "Claro que si. ¡Con gusto!" in said
    assert "1 part" in said
    assert "It goes out right away." in said
    form = {"body": "Claro que sí. ¡Con gusto!", "language": "es", "key": key}
    changed = coordinator.post(f"/conversations/{thread}/write", data=form).get_data(as_text=True)
    assert "Claro que sí. ¡Con gusto!</textarea>" in changed
    assert written(school_fixture) == []
    for _twice in range(2):
        assert post(coordinator, f"/conversations/{thread}/send", **form).endswith(f"/conversations/{thread}#newest")
    assert written(school_fixture) == ["Claro que si. ¡Con gusto!"]
    assert "Nothing to do" in read(coordinator, f"/conversations/{thread}")
    assert "No families are waiting for a reply" in read(coordinator, "/conversations")


def test_errors_are_shown_at_the_field_and_input_is_kept(
    coordinator: FlaskClient, school_fixture: SchoolFixture
) -> None:
    thread = writes(school_fixture, "Hola", at=AT)
    form = {"body": "Kid Rivera, 1 Main Street", "language": "es"}
    answer = coordinator.post(f"/conversations/{thread}/look", data=form)
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert "Please fix 2 items" in words(page)
    assert "a child’s full name" in words(page)
    assert "Kid Rivera, 1 Main Street</textarea>" in page
    again = coordinator.post(f"/conversations/{thread}/send", data={**form, "key": "0" * 32})
    assert again.status_code == 422
    assert post(coordinator, f"/conversations/{thread}/send", 422, body="Hola", language="es", key="no key")
    assert written(school_fixture) == []


def test_reply_in_another_language_shows_a_warning(coordinator: FlaskClient, school_fixture: SchoolFixture) -> None:
    thread = writes(school_fixture, "Hola", at=AT)
    said, _key = looked_at(coordinator, thread, body="We will be there.", language="es")
    assert "This looks like English. This family reads Spanish." in said
    said, _key = looked_at(coordinator, thread, body="See you.", language="en")
    assert "You are writing in English. This family reads Spanish." in said
    page = read(coordinator, f"/conversations/{thread}")
    assert "Gracias por avisarnos. Nos alegra saber de usted. Lincoln Elementary" in page
    said, key = looked_at(coordinator, thread, canned="canned_thanks", language="es")
    assert "Gracias por avisarnos" in said
    post(coordinator, f"/conversations/{thread}/send", canned="canned_thanks", language="es", key=key, body="")
    assert written(school_fixture) == ["Gracias por avisarnos. Nos alegra saber de usted. Lincoln Elementary"]


def test_reply_outside_the_hours_waits_or_is_sent_with_a_recorded_reason(school_fixture: SchoolFixture) -> None:
    thread = writes(school_fixture, "Hola", at=AT)
    app = create_test_app(school_fixture.database)
    clock.set_source(lambda: school_fixture.time_at(7, 21, 30))
    coordinator, grace = (create_client(app, school_fixture.actors[name]) for name in ("coordinator", "Grace"))
    said, key = looked_at(coordinator, thread, body="Nos vemos.", language="es")
    assert "It goes out on Thu, Oct 8, 9:00 am" in said
    assert "Urgent: send now" in said
    form = {"body": "Nos vemos.", "language": "es", "key": key, "urgent": "1"}
    assert "Enter in a few words why" in post(
        coordinator, f"/conversations/{thread}/send", 422, **form, urgent_reason=""
    )
    post(coordinator, f"/conversations/{thread}/send", **form, urgent_reason="Snow: the school is closed.")
    page = read(coordinator, f"/conversations/{thread}")
    assert "Sent outside texting hours by coordinator: Snow: the school is closed." in page
    said, key = looked_at(grace, thread, body="Hasta luego.", language="es")
    assert "Urgent: send now" not in said
    form = {"body": "Hasta luego.", "language": "es", "key": key, "urgent": "1", "urgent_reason": "I want to"}
    post(grace, f"/conversations/{thread}/send", **form)
    with school_fixture.session() as session:
        paces = session.execute(
            select(OutgoingMessage.category, OutgoingMessage.urgent_by)
            .where(OutgoingMessage.written_by.is_not(None))
            .order_by(OutgoingMessage.id)
        ).all()
    assert [tuple(row) for row in paces] == [
        ("urgent", school_fixture.actors["coordinator"].account_id),
        ("written", None),
    ]


def test_no_educator_page_shows_a_phone_number(grace: FlaskClient, school_fixture: SchoolFixture) -> None:
    thread = writes(school_fixture, "¿Puede venir mi abuela?", at=AT)
    assert "1 family you visit has written" in read(grace, "/my-day")
    for path in ("/conversations", f"/conversations/{thread}", f"/conversations/{thread}?all=1"):
        page = grace.get(path).get_data(as_text=True)
        assert "Rivera" in page
        assert "5550101" not in page
        assert "555-0101" not in page
    post(grace, f"/conversations/{thread}/texting", how="in_person", do="stop")
    page = read(grace, f"/conversations/{thread}")
    assert "Ask your site coordinator to call" in page
    assert "555-0101" not in page
    assert grace.post(f"/conversations/{thread}/texting", data={"how": "phone", "do": "lift"}).status_code == 404


def test_family_is_found_by_name_and_no_url_contains_the_name(
    coordinator: FlaskClient, school_fixture: SchoolFixture
) -> None:
    for family in ("Rivera", "Smith"):
        writes(school_fixture, f"Hello from {family}", family, AT)
    found = coordinator.post("/conversations", data={"q": "smi"})
    assert "Hello from Smith" in found.get_data(as_text=True)
    assert "Hello from Rivera" not in found.get_data(as_text=True)
    assert "No conversation with a family by that name" in words(
        coordinator.post("/conversations", data={"q": "Nobody"}).get_data(as_text=True)
    )
    assert "Hello from Rivera" in read(coordinator, "/conversations?q=smi")
    assert "No family has texted" not in read(coordinator, "/conversations?page=7&whose=everything")


def test_long_list_and_long_conversation_are_paged(coordinator: FlaskClient, school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        session.add_all(
            [Conversation(phone=f"+1555555{number:04}", last_at=AT - timedelta(hours=number)) for number in range(50)]
        )
    first = read(coordinator, "/conversations")
    assert "Next" in first
    assert "(555) 555-0000" in first
    third = read(coordinator, "/conversations?page=3")
    assert "(555) 555-0049" in third
    assert "(555) 555-0000" not in third


def test_conversation_is_assigned_taken_and_marked_as_answered(
    coordinator: FlaskClient, school_fixture: SchoolFixture
) -> None:
    thread = writes(school_fixture, "¿Puede venir mi abuela?", at=AT)
    grace = school_fixture.actors["Grace"]
    post(coordinator, f"/conversations/{thread}/assign", account=grace.account_id)
    assert "Assigned to Grace" in read(coordinator, "/conversations")
    assert "No conversations" in read(coordinator, "/conversations?whose=nobody")
    assert "Choose someone from the list" in post(coordinator, f"/conversations/{thread}/assign", 422, account="999")
    assert post(coordinator, f"/conversations/{thread}/assign", 422, account="x")
    post(coordinator, f"/conversations/{thread}/called")
    assert "No families are waiting" in read(coordinator, "/conversations")


def test_opt_out_by_phone_is_recorded_in_the_conversation(
    coordinator: FlaskClient, school_fixture: SchoolFixture
) -> None:
    phone, where = school_fixture.phones["Smith"], f"/asking/{school_fixture.invitations['Smith']}"
    assert "They don’t want any more texts" in read(coordinator, f"{where}/answer")
    assert "Choose how they told you" in post(coordinator, f"{where}/texting", 422, do="stop")
    post(coordinator, f"{where}/texting", do="stop", how="letter")
    assert "The family told the school (By letter)." in read(coordinator, f"{where}/answer")
    with school_fixture.session() as session:
        assert not opt_outs.may_receive(session, phone)
        row = session.scalars(select(OptOutEntry)).one()
        assert (row.how, row.by_account) == ("letter", school_fixture.actors["coordinator"].account_id)
    post(coordinator, f"{where}/texting", do="lift", how="web")
    with school_fixture.session() as session:
        assert opt_outs.may_receive(session, phone)


def test_possible_meaning_is_decided_with_a_single_button(
    coordinator: FlaskClient, school_fixture: SchoolFixture
) -> None:
    thread = writes(school_fixture, "Please could you text me less often", "Smith", AT)
    assert "You decide" in read(coordinator, "/today")
    page = coordinator.get(f"/conversations/{thread}").get_data(as_text=True)
    assert "Keep sending texts" in page
    found = re.search(rf"/conversations/{thread}/decide/(\d+)", page)
    assert found
    post(coordinator, found[0], 422, decision="perhaps")
    post(coordinator, found[0], decision="keep")
    assert coordinator.post(found[0], data={"decision": "stop"}).status_code == 404
    assert "Keep sending texts" not in read(coordinator, f"/conversations/{thread}")


def test_unreachable_families_are_listed_on_today_with_the_reason(
    coordinator: FlaskClient, school_fixture: SchoolFixture
) -> None:
    with school_fixture.session() as session:
        known = session.get(Phone, school_fixture.phones["Rivera"])
        if known is None:
            session.add(Phone(e164=school_fixture.phones["Rivera"], state="landline"))
        session.execute(update(Phone).where(Phone.e164 == school_fixture.phones["Rivera"]).values(state="landline"))
    page = read(coordinator, "/today")
    assert "Families we can’t reach by text" in page
    assert "The number is a landline" in page
    writes(school_fixture, "Hola", at=AT)
    thread = read(coordinator, "/conversations/1")
    assert "Texts do not reach this number" in thread
    assert "Your message" not in thread
    post(coordinator, "/conversations/1/reachable")
    assert "Your message" in read(coordinator, "/conversations/1")
