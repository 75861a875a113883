"""Conversation pages in a browser: on a phone, without JavaScript, by keyboard, and with axe."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from homevisits.inbox import processing
from homevisits.inbox.processing import ReceivedMessage
from homevisits.messages.models import OutgoingMessage
from tests.browser.application import OURS, RunningApplication
from tests.browser.conftest import Opened
from tests.browser.page_checks import check_page
from tests.factories import school
from tests.factories.school import NOW, POLICY, SchoolFixture
from tests.visits.test_actions import arrange

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]


@pytest.fixture
def school_fixture(house: RunningApplication) -> SchoolFixture:
    """A visit with texts that reached the families, and replies from four phones."""
    made = school.build_school(house.database)
    arrange(made)
    said = (
        ("Rivera", "¿Puede venir también mi abuela?", 1),
        ("Smith", "Please could you text me less often", 30),
        ("Nguyen", "Wrong number", 31),
        ("Quiet", "STOP", 32),
    )
    with made.session() as session:
        session.execute(update(OutgoingMessage).values(state="delivered", sent_at=NOW))
        for number, (family, body, hours) in enumerate(said):
            text = ReceivedMessage(f"SM{number}", made.phones[family], OURS, body)
            processing.receive_message(session, text, POLICY, NOW + timedelta(hours=hours))
    house.now = NOW + timedelta(hours=36)  # Tuesday, 9 pm in Denver
    return made


def test_conversation_pages_pass_axe(house: RunningApplication, school_fixture: SchoolFixture, visitor: Opened) -> None:
    who = visitor(house, "coordinator@example.org", phone=True, signed_in=True)
    complaints = []
    for path in ("/conversations", *(f"/conversations/{number}" for number in (1, 2, 3, 4)), "/today"):
        who.go(path)
        for each in who.page.locator("main details.more > summary").all():
            each.click()
        complaints += [f"{path}: {each}" for each in check_page(who.page)]
    who.go("/conversations/1").write("Your message", "Of course, we will be glad to meet her.")
    who.press("Preview").open("Urgent: send now")
    complaints += [f"look: {each}" for each in check_page(who.page)]
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("email", ["coordinator@example.org", "grace@example.org"])
def test_reply_is_sent_without_javascript(
    house: RunningApplication, school_fixture: SchoolFixture, visitor: Opened, email: str
) -> None:
    who = visitor(house, email, phone=True, javascript=False, signed_in=True)
    who.go("/conversations").reads("Waiting for more than a day").press("Rivera")
    who.reads("¿Puede venir también mi abuela?").open("Quick replies").press(re.compile("nothing to prepare"))
    who.reads("No hace falta preparar nada", "It goes out on Wed, Oct 7, 9:00 am").press("Send")
    who.reads("Nothing to do", "No hace falta preparar nada")
    house.move_to(school_fixture.time_at(7, 9, 1))
    assert any(
        text.startswith("No hace falta preparar nada") for text in house.texts_to(school_fixture.phones["Rivera"])
    )


def test_reply_is_written_and_sent_by_keyboard(
    house: RunningApplication, school_fixture: SchoolFixture, visitor: Opened
) -> None:
    page = visitor(house, "coordinator@example.org", signed_in=True).go("/conversations/1").page
    page.get_by_label("Your message").focus()
    page.keyboard.type("Con gusto.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/look")
    page.get_by_role("button", name="Send").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/conversations/1*")
    said = page.locator("main").inner_text()
    assert "Con gusto." in said
    assert "On hold until" in said
    house.move_to(school_fixture.time_at(7, 9, 1))
    assert house.texts_to(school_fixture.phones["Rivera"])[-1] == "Con gusto."


def test_arabic_reply_is_right_to_left(
    house: RunningApplication, school_fixture: SchoolFixture, visitor: Opened
) -> None:
    who = visitor(house, "coordinator@example.org", phone=True, signed_in=True).go("/conversations/1")
    who.pick("The language you are writing in", "Arabic").write("Your message", "أهلاً وسهلاً").press("Preview")
    bubble = who.page.locator(".text.in")
    assert bubble.get_attribute("lang") == "ar"
    assert bubble.evaluate("(one) => getComputedStyle(one).direction") == "rtl"
