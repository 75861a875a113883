"""Conversation pages in a browser: on a phone, without JavaScript, by keyboard, and with axe."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from homevisits.inbox import processing
from homevisits.inbox.processing import ReceivedMessage
from homevisits.messages.models import OutgoingMessage
from tests.browser.application import OUR_NUMBER, RunningApplication
from tests.browser.conftest import OpenBrowser
from tests.browser.page_checks import check_page
from tests.factories import school
from tests.factories.school import NOW, POLICY, SchoolFixture
from tests.visits.test_actions import arrange

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]


@pytest.fixture
def school_fixture(application: RunningApplication) -> SchoolFixture:
    """A visit with texts that reached the families, and replies from four phones."""
    fixture = school.build_school(application.database)
    arrange(fixture)
    replies = (
        ("Rivera", "¿Puede venir también mi abuela?", 1),
        ("Smith", "Please could you text me less often", 30),
        ("Nguyen", "Wrong number", 31),
        ("Quiet", "STOP", 32),
    )
    with fixture.session() as session:
        session.execute(update(OutgoingMessage).values(state="delivered", sent_at=NOW))
        for index, (family, body, hours) in enumerate(replies):
            text = ReceivedMessage(f"SM{index}", fixture.phones[family], OUR_NUMBER, body)
            processing.receive_message(session, text, POLICY, NOW + timedelta(hours=hours))
    application.now = NOW + timedelta(hours=36)  # Tuesday, 9 pm in Denver
    return fixture


def test_conversation_pages_pass_axe(
    application: RunningApplication, school_fixture: SchoolFixture, open_browser: OpenBrowser
) -> None:
    coordinator = open_browser(application, "coordinator@example.org", phone=True, signed_in=True)
    problems = []
    for path in ("/conversations", *(f"/conversations/{number}" for number in (1, 2, 3, 4)), "/today"):
        coordinator.go(path)
        for summary in coordinator.page.locator("main details.more > summary").all():
            summary.click()
        problems += [f"{path}: {problem}" for problem in check_page(coordinator.page)]
    coordinator.go("/conversations/1").write("Your message", "Of course, we will be glad to meet her.")
    coordinator.press("Preview").open("Urgent: send now")
    problems += [f"look: {problem}" for problem in check_page(coordinator.page)]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("email", ["coordinator@example.org", "grace@example.org"])
def test_reply_is_sent_without_javascript(
    application: RunningApplication, school_fixture: SchoolFixture, open_browser: OpenBrowser, email: str
) -> None:
    user = open_browser(application, email, phone=True, javascript=False, signed_in=True)
    user.go("/conversations").expect_text("Waiting for more than a day").press("Rivera")
    user.expect_text("¿Puede venir también mi abuela?").open("Quick replies").press(re.compile("nothing to prepare"))
    user.expect_text("No hace falta preparar nada", "It goes out on Wed, Oct 7, 9:00 am").press("Send")
    user.expect_text("Nothing to do", "No hace falta preparar nada")
    application.advance_to(school_fixture.time_at(7, 9, 1))
    assert any(
        text.startswith("No hace falta preparar nada") for text in application.texts_to(school_fixture.phones["Rivera"])
    )


def test_reply_is_written_and_sent_by_keyboard(
    application: RunningApplication, school_fixture: SchoolFixture, open_browser: OpenBrowser
) -> None:
    page = open_browser(application, "coordinator@example.org", signed_in=True).go("/conversations/1").page
    page.get_by_label("Your message").focus()
    page.keyboard.type("Con gusto.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/look")
    page.get_by_role("button", name="Send").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/conversations/1*")
    page_text = page.locator("main").inner_text()
    assert "Con gusto." in page_text
    assert "On hold until" in page_text
    application.advance_to(school_fixture.time_at(7, 9, 1))
    assert application.texts_to(school_fixture.phones["Rivera"])[-1] == "Con gusto."


def test_arabic_reply_is_right_to_left(
    application: RunningApplication, school_fixture: SchoolFixture, open_browser: OpenBrowser
) -> None:
    user = open_browser(application, "coordinator@example.org", phone=True, signed_in=True).go("/conversations/1")
    user.select_option("The language you are writing in", "Arabic").write("Your message", "أهلاً وسهلاً").press("Preview")
    bubble = user.page.locator(".text.in")
    assert bubble.get_attribute("lang") == "ar"
    assert bubble.evaluate("(one) => getComputedStyle(one).direction") == "rtl"
