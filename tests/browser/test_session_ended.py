"""Forms that are sent after the session ended are shown again after sign-in. In a browser."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from homevisits.people.models import Account
from homevisits.people.sign_in import attempts
from homevisits.visits import actions
from homevisits.visits.models import Reflection
from tests.browser.application import RunningApplication
from tests.browser.browser_user import PASSWORD
from tests.browser.conftest import OpenBrowser
from tests.browser.page_checks import check_page, check_page_quickly
from tests.factories import school
from tests.factories.school import SchoolFixture

pytestmark = pytest.mark.browser
LEARNED = ("They read every night, in two languages: “cuentos” & stories. " * 7)[:400]
WILL_DO = "Books in both languages <every> Friday."


def create_completed_visit(application: RunningApplication, school_fixture: SchoolFixture) -> int:
    """A visit of Grace and Luis that took place and has no reflection yet."""
    visit_id = book_visit(application, school_fixture)
    grace, luis = school_fixture.actors["Grace"], school_fixture.actors["Luis"]
    with school_fixture.session() as session:
        actions.accept(session, luis, visit_id, application.settings.policy, application.now)
    application.advance_to(school_fixture.time_at(8, 18))
    with school_fixture.session() as session:
        report = actions.Report(
            "met",
            True,
            school_fixture.time_at(8, 16, 30),
            school_fixture.time_at(8, 17, 15),
            "home",
            ("caregiver", "child"),
        )
        for actor in (grace, luis):
            actions.attest(session, actor, visit_id, report, policy=application.settings.policy, now=application.now)
    return visit_id


def book_visit(application: RunningApplication, school_fixture: SchoolFixture) -> int:
    """A visit that Luis was asked to join."""
    with school_fixture.session() as session:
        request = actions.BookingRequest(
            school_fixture.families["Smith"], school_fixture.educators["Luis"], school_fixture.time_at(8, 16, 30)
        )
        return actions.book(
            session, school_fixture.actors["Grace"], request, application.settings.policy, application.now
        ).id


@pytest.mark.parametrize("language", ["en", "es"])
def test_reflection_is_kept_when_the_session_ends(
    application: RunningApplication, open_browser: OpenBrowser, language: str
) -> None:
    school_fixture = school.build_school(application.database)
    visit_id = create_completed_visit(application, school_fixture)
    with application.database.transaction() as session:
        attempts.set_password(session, "grace@example.org", PASSWORD, application.now)
        session.get_one(Account, school_fixture.actors["Grace"].account_id).language = language
    grace = open_browser(application, "grace@example.org", phone=True, signed_in=True, javascript=True, locale=language)
    page = grace.page
    page.goto(f"{application.url}/visits/{visit_id}/reflect")
    page.locator("#learned").fill(LEARNED)
    page.locator("#will_do").fill(WILL_DO)
    grace.context.clear_cookies()
    page.locator("main form button.btn-primary").click()
    page.wait_for_url(re.compile("/sign-in"))
    page.locator("#email").fill("grace@example.org")
    page.locator("#password").fill(PASSWORD)
    page.locator("main form button.btn-primary").click()
    page.wait_for_url(re.compile("/kept-form/"))
    assert page.evaluate("document.activeElement.id") == "kept-form"
    assert page.locator("html").get_attribute("lang") == language
    assert page.locator("#learned").input_value() == LEARNED
    assert page.locator("#will_do").input_value() == WILL_DO
    with application.database.reading() as session:
        assert session.scalars(select(Reflection)).all() == []
    problems = list(check_page(page) if language == "en" else check_page_quickly(page))
    assert not problems, "\n".join(problems)
    page.locator(f'form[action="/visits/{visit_id}/reflect"] button').click()
    page.wait_for_url("**/my-day")
    with application.database.reading() as session:
        (row,) = session.scalars(select(Reflection))
        assert (row.learned, row.will_do) == (LEARNED.strip(), WILL_DO)


@pytest.mark.parametrize("language", ["en", "es"])
def test_one_tap_action_is_named_on_its_own_page(
    application: RunningApplication, open_browser: OpenBrowser, language: str
) -> None:
    school_fixture = school.build_school(application.database)
    visit_id = book_visit(application, school_fixture)
    with application.database.transaction() as session:
        session.get_one(Account, school_fixture.actors["Luis"].account_id).language = language
    luis = open_browser(application, "luis@example.org", phone=True, signed_in=True, locale=language)
    page = luis.page
    page.goto(f"{application.url}/my-day")
    button = page.locator(f'form[action="/visits/{visit_id}/accept"] button').first
    name = button.inner_text().strip()
    application.now += timedelta(minutes=61)
    button.click()
    page.wait_for_url(re.compile("/sign-in"))
    problems = list(check_page(page))
    luis.context.add_cookies([application.session_cookie("luis@example.org")])
    page.goto(page.url)
    page.wait_for_url(re.compile("/kept-form/"))
    assert name in luis.text
    problems += check_page(page) if language == "en" else check_page_quickly(page)
    assert not problems, "\n".join(problems)
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_load_state()
    page.goto(f"{application.url}/my-day")
    assert page.locator(f'form[action="/visits/{visit_id}/accept"]').count() == 0
