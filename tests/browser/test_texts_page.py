"""Page of message templates in a browser: text direction and axe."""

import pytest

from homevisits.core.access import Grant, Role
from homevisits.messages.templates import catalog
from tests.browser.application import RunningApplication
from tests.browser.conftest import OpenBrowser
from tests.browser.page_checks import check_page
from tests.shell.clients import create_account

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_arabic_draft_is_right_to_left(application: RunningApplication, open_browser: OpenBrowser) -> None:
    create_account(application.database, "lead", Grant(Role.DISTRICT_LEAD, None))
    page = open_browser(application, "lead@example.org", phone=True, signed_in=True).page
    page.goto(f"{application.url}/overview")
    page.get_by_role("link", name="What families read").click()
    page.get_by_role("link", name="Arabic: not in use").click()
    first = page.locator("article p.text").first
    assert first.evaluate("(one) => getComputedStyle(one).direction") == "rtl"
    assert page.get_by_text("Waiting for approval").count() == 1 + len(
        catalog.list_templates("ar")
    )  # the pack, and each
    problems = list(check_page(page))
    assert not problems, "\n".join(problems)
