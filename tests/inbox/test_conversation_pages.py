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
from tests.inbox.test_conversations import receive_message
from tests.inbox.test_pages import post, read_page, visible_text
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


def preview_reply(client: FlaskClient, conversation_id: int, **form: str) -> tuple[str, str]:
    """Preview a reply; return the page and the key of its form."""
    response = client.post(f"/conversations/{conversation_id}/look", data=form)
    assert response.status_code == 200, visible_text(response.get_data(as_text=True))
    html = response.get_data(as_text=True)
    match = re.search(r'name="key" value="([0-9a-f]{32})"', html)
    assert match
    return visible_text(html), match[1]


def list_written_bodies(school_fixture: SchoolFixture) -> list[str]:
    with school_fixture.session() as session:
        query = select(OutgoingMessage.body).where(OutgoingMessage.written_by.is_not(None)).order_by(OutgoingMessage.id)
        return list(session.scalars(query))


def test_reply_is_previewed_edited_and_sent_once(coordinator: FlaskClient, school_fixture: SchoolFixture) -> None:
    conversation_id = receive_message(school_fixture, "¿Puede venir mi abuela?", at=AT - timedelta(hours=30))
    listed = read_page(coordinator, "/conversations")
    assert "Waiting for more than a day" in listed
    assert "¿Puede venir mi abuela?" in listed
    page = read_page(coordinator, f"/conversations/{conversation_id}")
    assert "(555) 555-0101" in page
    assert "reads Spanish" in page
    assert "Needs a person to read it" in page
    preview, key = preview_reply(coordinator, conversation_id, body="Claro que sí.\r\n¡Con gusto!", language="es")
    assert "Claro que si. ¡Con gusto!" in preview
    assert "1 part" in preview
    assert "It goes out right away." in preview
    form = {"body": "Claro que sí. ¡Con gusto!", "language": "es", "key": key}
    changed = coordinator.post(f"/conversations/{conversation_id}/write", data=form).get_data(as_text=True)
    assert "Claro que sí. ¡Con gusto!</textarea>" in changed
    assert list_written_bodies(school_fixture) == []
    for _twice in range(2):
        assert post(coordinator, f"/conversations/{conversation_id}/send", **form).endswith(
            f"/conversations/{conversation_id}#newest"
        )
    assert list_written_bodies(school_fixture) == ["Claro que si. ¡Con gusto!"]
    assert "Nothing to do" in read_page(coordinator, f"/conversations/{conversation_id}")
    assert "No families are waiting for a reply" in read_page(coordinator, "/conversations")


def test_errors_are_shown_at_the_field_and_input_is_kept(
    coordinator: FlaskClient, school_fixture: SchoolFixture
) -> None:
    conversation_id = receive_message(school_fixture, "Hola", at=AT)
    form = {"body": "Kid Rivera, 1 Main Street", "language": "es"}
    response = coordinator.post(f"/conversations/{conversation_id}/look", data=form)
    assert response.status_code == 422
    page = response.get_data(as_text=True)
    assert "Please fix 2 items" in visible_text(page)
    assert "a child’s full name" in visible_text(page)
    assert "Kid Rivera, 1 Main Street</textarea>" in page
    second_response = coordinator.post(f"/conversations/{conversation_id}/send", data={**form, "key": "0" * 32})
    assert second_response.status_code == 422
    assert post(coordinator, f"/conversations/{conversation_id}/send", 422, body="Hola", language="es", key="no key")
    assert list_written_bodies(school_fixture) == []


def test_reply_in_another_language_shows_a_warning(coordinator: FlaskClient, school_fixture: SchoolFixture) -> None:
    conversation_id = receive_message(school_fixture, "Hola", at=AT)
    preview, _key = preview_reply(coordinator, conversation_id, body="We will be there.", language="es")
    assert "This looks like English. This family reads Spanish." in preview
    preview, _key = preview_reply(coordinator, conversation_id, body="See you.", language="en")
    assert "You are writing in English. This family reads Spanish." in preview
    page = read_page(coordinator, f"/conversations/{conversation_id}")
    assert "Gracias por avisarnos. Nos alegra saber de usted. Lincoln Elementary" in page
    preview, key = preview_reply(coordinator, conversation_id, canned="canned_thanks", language="es")
    assert "Gracias por avisarnos" in preview
    post(coordinator, f"/conversations/{conversation_id}/send", canned="canned_thanks", language="es", key=key, body="")
    assert list_written_bodies(school_fixture) == [
        "Gracias por avisarnos. Nos alegra saber de usted. Lincoln Elementary"
    ]


def test_reply_outside_the_hours_waits_or_is_sent_with_a_recorded_reason(school_fixture: SchoolFixture) -> None:
    conversation_id = receive_message(school_fixture, "Hola", at=AT)
    app = create_test_app(school_fixture.database)
    clock.set_source(lambda: school_fixture.time_at(7, 21, 30))
    coordinator, grace = (create_client(app, school_fixture.actors[name]) for name in ("coordinator", "Grace"))
    preview, key = preview_reply(coordinator, conversation_id, body="Nos vemos.", language="es")
    assert "It goes out on Thu, Oct 8, 9:00 am" in preview
    assert "Urgent: send now" in preview
    form = {"body": "Nos vemos.", "language": "es", "key": key, "urgent": "1"}
    assert "Enter in a few words why" in post(
        coordinator, f"/conversations/{conversation_id}/send", 422, **form, urgent_reason=""
    )
    post(coordinator, f"/conversations/{conversation_id}/send", **form, urgent_reason="Snow: the school is closed.")
    page = read_page(coordinator, f"/conversations/{conversation_id}")
    assert "Sent outside texting hours by coordinator: Snow: the school is closed." in page
    preview, key = preview_reply(grace, conversation_id, body="Hasta luego.", language="es")
    assert "Urgent: send now" not in preview
    form = {"body": "Hasta luego.", "language": "es", "key": key, "urgent": "1", "urgent_reason": "I want to"}
    post(grace, f"/conversations/{conversation_id}/send", **form)
    with school_fixture.session() as session:
        categories = session.execute(
            select(OutgoingMessage.category, OutgoingMessage.urgent_by)
            .where(OutgoingMessage.written_by.is_not(None))
            .order_by(OutgoingMessage.id)
        ).all()
    assert [tuple(row) for row in categories] == [
        ("urgent", school_fixture.actors["coordinator"].account_id),
        ("written", None),
    ]


def test_no_educator_page_shows_a_phone_number(grace: FlaskClient, school_fixture: SchoolFixture) -> None:
    conversation_id = receive_message(school_fixture, "¿Puede venir mi abuela?", at=AT)
    assert "1 family you visit has written" in read_page(grace, "/my-day")
    for path in ("/conversations", f"/conversations/{conversation_id}", f"/conversations/{conversation_id}?all=1"):
        page = grace.get(path).get_data(as_text=True)
        assert "Rivera" in page
        assert "5550101" not in page
        assert "555-0101" not in page
    post(grace, f"/conversations/{conversation_id}/texting", how="in_person", do="stop")
    page = read_page(grace, f"/conversations/{conversation_id}")
    assert "Ask your site coordinator to call" in page
    assert "555-0101" not in page
    assert (
        grace.post(f"/conversations/{conversation_id}/texting", data={"how": "phone", "do": "lift"}).status_code == 404
    )


def test_family_is_found_by_name_and_no_url_contains_the_name(
    coordinator: FlaskClient, school_fixture: SchoolFixture
) -> None:
    for family in ("Rivera", "Smith"):
        receive_message(school_fixture, f"Hello from {family}", family, AT)
    response = coordinator.post("/conversations", data={"q": "smi"})
    assert "Hello from Smith" in response.get_data(as_text=True)
    assert "Hello from Rivera" not in response.get_data(as_text=True)
    assert "No conversation with a family by that name" in visible_text(
        coordinator.post("/conversations", data={"q": "Nobody"}).get_data(as_text=True)
    )
    assert "Hello from Rivera" in read_page(coordinator, "/conversations?q=smi")
    assert "No family has texted" not in read_page(coordinator, "/conversations?page=7&whose=everything")


def test_long_list_and_long_conversation_are_paged(coordinator: FlaskClient, school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        session.add_all(
            [Conversation(phone=f"+1555555{number:04}", last_at=AT - timedelta(hours=number)) for number in range(50)]
        )
    first = read_page(coordinator, "/conversations")
    assert "Next" in first
    assert "(555) 555-0000" in first
    third = read_page(coordinator, "/conversations?page=3")
    assert "(555) 555-0049" in third
    assert "(555) 555-0000" not in third


def test_conversation_is_assigned_taken_and_marked_as_answered(
    coordinator: FlaskClient, school_fixture: SchoolFixture
) -> None:
    conversation_id = receive_message(school_fixture, "¿Puede venir mi abuela?", at=AT)
    grace = school_fixture.actors["Grace"]
    post(coordinator, f"/conversations/{conversation_id}/assign", account=grace.account_id)
    assert "Assigned to Grace" in read_page(coordinator, "/conversations")
    assert "No conversations" in read_page(coordinator, "/conversations?whose=nobody")
    assert "Choose someone from the list" in post(
        coordinator, f"/conversations/{conversation_id}/assign", 422, account="999"
    )
    assert post(coordinator, f"/conversations/{conversation_id}/assign", 422, account="x")
    post(coordinator, f"/conversations/{conversation_id}/called")
    assert "No families are waiting" in read_page(coordinator, "/conversations")


def test_opt_out_by_phone_is_recorded_in_the_conversation(
    coordinator: FlaskClient, school_fixture: SchoolFixture
) -> None:
    phone, url = school_fixture.phones["Smith"], f"/asking/{school_fixture.invitations['Smith']}"
    assert "They don’t want any more texts" in read_page(coordinator, f"{url}/answer")
    assert "Choose how they told you" in post(coordinator, f"{url}/texting", 422, do="stop")
    post(coordinator, f"{url}/texting", do="stop", how="letter")
    assert "The family told the school (By letter)." in read_page(coordinator, f"{url}/answer")
    with school_fixture.session() as session:
        assert not opt_outs.may_receive(session, phone)
        row = session.scalars(select(OptOutEntry)).one()
        assert (row.how, row.by_account) == ("letter", school_fixture.actors["coordinator"].account_id)
    post(coordinator, f"{url}/texting", do="lift", how="web")
    with school_fixture.session() as session:
        assert opt_outs.may_receive(session, phone)


def test_possible_meaning_is_decided_with_a_single_button(
    coordinator: FlaskClient, school_fixture: SchoolFixture
) -> None:
    conversation_id = receive_message(school_fixture, "Please could you text me less often", "Smith", AT)
    assert "You decide" in read_page(coordinator, "/today")
    page = coordinator.get(f"/conversations/{conversation_id}").get_data(as_text=True)
    assert "Keep sending texts" in page
    match = re.search(rf"/conversations/{conversation_id}/decide/(\d+)", page)
    assert match
    post(coordinator, match[0], 422, decision="perhaps")
    post(coordinator, match[0], decision="keep")
    assert coordinator.post(match[0], data={"decision": "stop"}).status_code == 404
    assert "Keep sending texts" not in read_page(coordinator, f"/conversations/{conversation_id}")


def test_unreachable_families_are_listed_on_today_with_the_reason(
    coordinator: FlaskClient, school_fixture: SchoolFixture
) -> None:
    with school_fixture.session() as session:
        known = session.get(Phone, school_fixture.phones["Rivera"])
        if known is None:
            session.add(Phone(e164=school_fixture.phones["Rivera"], state="landline"))
        session.execute(update(Phone).where(Phone.e164 == school_fixture.phones["Rivera"]).values(state="landline"))
    page = read_page(coordinator, "/today")
    assert "Families we can’t reach by text" in page
    assert "The number is a landline" in page
    receive_message(school_fixture, "Hola", at=AT)
    conversation_id = read_page(coordinator, "/conversations/1")
    assert "Texts do not reach this number" in conversation_id
    assert "Your message" not in conversation_id
    post(coordinator, "/conversations/1/reachable")
    assert "Your message" in read_page(coordinator, "/conversations/1")
