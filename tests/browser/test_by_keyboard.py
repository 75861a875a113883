"""Book and report a visit with the keyboard only: Tab, Enter, Space and arrow keys."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page

from homevisits.core.db import Database
from homevisits.visits import actions
from tests.browser.application import RunningApplication, run_application
from tests.browser.conftest import OpenBrowser
from tests.browser.visit_steps import read_visit
from tests.factories import school
from tests.factories.school import SchoolFixture

pytestmark = pytest.mark.browser
FOCUSED = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect(), drawn = getComputedStyle(one);
  const words = one.getAttribute('aria-label') || one.labels?.[0]?.textContent || one.textContent || '';
  const ring = parseFloat(drawn.outlineWidth) >= 2 && drawn.outlineStyle !== 'none';
  return {words: words.replace(/\\s+/g, ' ').trim(), seen: ring && box.bottom > 0 && box.top < innerHeight};
}"""
MAX_TAB_STOPS = 120
"""Maximum number of tab stops; more than any of these pages has."""


@pytest.fixture
def application_and_school(sqlite_database: Database) -> Iterator[tuple[RunningApplication, SchoolFixture]]:
    """The running application with the test school."""
    with run_application(sqlite_database, school.NOW) as application:
        yield application, school.build_school(sqlite_database)


def _tab_to(page: Page, words: str) -> None:
    """Press Tab until the element with this name has the focus; the focus is visible at each step."""
    for _step in range(MAX_TAB_STOPS):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused["seen"], f"on {page.url} the focus on {focused['words']!r} is not seen"
        if focused["words"].startswith(words):
            return
    raise AssertionError(f"{page.url}: no way to {words!r} by Tab")


def _enter(page: Page, words: str) -> None:
    _tab_to(page, words)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_first_tab_stop_skips_the_navigation(
    application_and_school: tuple[RunningApplication, SchoolFixture], open_browser: OpenBrowser
) -> None:
    application, _school_fixture = application_and_school
    grace = open_browser(application, "grace@example.org", signed_in=True).go("/my-day")
    _tab_to(grace.page, "Skip to content")
    grace.page.keyboard.press("Enter")
    assert grace.page.evaluate("document.activeElement.id") == "main"


def test_visit_is_booked_by_keyboard(
    application_and_school: tuple[RunningApplication, SchoolFixture], open_browser: OpenBrowser
) -> None:
    application, _school_fixture = application_and_school
    grace = open_browser(application, "grace@example.org", signed_in=True).go("/families")
    page = grace.page
    _enter(page, "Find a time: Smith")
    _enter(page, "Book this and ask ")
    _tab_to(page, "At their home")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.value") == "neutral"
    _enter(page, "Book, and ask ")
    grace.expect_text("Booked. We are asking your partner now", "Somewhere they choose")


def test_visit_is_reported_by_keyboard(
    application_and_school: tuple[RunningApplication, SchoolFixture], open_browser: OpenBrowser
) -> None:
    application, school_fixture = application_and_school
    policy = application.settings.policy
    with school_fixture.session() as session:
        request = actions.BookingRequest(
            school_fixture.families["Smith"], school_fixture.educators["Luis"], school_fixture.time_at(8, 16, 30)
        )
        visit_id = actions.book(session, school_fixture.actors["Grace"], request, policy, application.now).id
        actions.accept(session, school_fixture.actors["Luis"], visit_id, policy, application.now)
    application.advance_to(read_visit(application, visit_id).ends_at + timedelta(minutes=5))
    grace, luis = (open_browser(application, f"{name}@example.org", signed_in=True) for name in ("grace", "luis"))
    _enter(grace.go("/my-day").page, "We met")
    _tab_to(grace.page, "Sister or brother")
    grace.page.keyboard.press("Space")
    _enter(grace.page, "Save")
    _enter(luis.go("/my-day").page, "Confirm")
    luis.expect_text("Sister or brother")
    _enter(luis.page, "Yes, confirm this")
    for field, words in (("What I learned", "They sing together."), ("What I will do", "Begin with a song.")):
        _tab_to(luis.page, field)
        luis.page.keyboard.type(words)
    _enter(luis.page, "Save reflection")
    luis.expect_text("Thank you. Your reflection is saved")


def test_error_summary_gets_the_focus_and_links_to_the_field(
    application_and_school: tuple[RunningApplication, SchoolFixture], open_browser: OpenBrowser
) -> None:
    application, _school_fixture = application_and_school
    coordinator = open_browser(application, "coordinator@example.org", signed_in=True).go("/people/training")
    coordinator.press("Save and certify").expect_text("Please fix")
    page = coordinator.page
    assert page.evaluate("document.activeElement.id") == "problems"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#title"
