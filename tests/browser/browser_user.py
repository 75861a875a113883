"""A user with a browser: signs in, opens pages, presses buttons. Errors of the browser are recorded."""

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Response

from tests.browser.application import RunningApplication

PASSWORD = "a quiet sentence that is hard to guess"
PHONE = {"width": 360, "height": 800}
DESKTOP = {"width": 1280, "height": 900}


class BrowserUser:
    """A user's browser window."""

    def __init__(self, context: BrowserContext, house: RunningApplication, email: str) -> None:
        self.context, self.house, self.email = context, house, email
        self.page: Page = context.new_page()
        self.taps = 0

    def go(self, path: str) -> "BrowserUser":
        """Open a page, and sign in if the sign-in page appears."""
        self.page.goto(self.house.url + path)
        if urlsplit(self.page.url).path == "/sign-in":
            self.page.get_by_label("Work e-mail").fill(self.email)
            self.page.get_by_label("Password").fill(PASSWORD)
            self.press("Sign in")
        assert urlsplit(self.page.url).path == urlsplit(path).path, f"{path} led {self.email} to {self.page.url}"
        return self

    def press(self, name: str | re.Pattern[str], within: Locator | None = None) -> "BrowserUser":
        """Press the button or link with this name and wait for the next page."""
        place = within or self.page.locator("main")
        found = place.get_by_role("button", name=name).or_(place.get_by_role("link", name=name)).first
        assert found.count(), f"{self.page.url} has nothing to press called {name!r}. It says:\n{self.text}"
        found.click()
        self.taps += 1
        self.page.wait_for_load_state()
        return self

    def open(self, words: str | re.Pattern[str], within: Locator | None = None) -> "BrowserUser":
        """Open the disclosure with this name."""
        (within or self.page.locator("main")).locator("summary", has_text=words).first.click()
        self.taps += 1
        return self

    def choose(self, label: str | re.Pattern[str], within: Locator | None = None) -> "BrowserUser":
        """Select the checkbox or radio button with this label."""
        place = within or self.page.locator("main")
        place.get_by_role("checkbox", name=label).or_(place.get_by_role("radio", name=label)).first.check()
        self.taps += 1
        return self

    def write(self, label: str | re.Pattern[str], text: str) -> "BrowserUser":
        """Type into the field with this label."""
        self.page.locator("main").get_by_label(label).first.fill(text)
        return self

    def pick(self, label: str | re.Pattern[str], option: str) -> "BrowserUser":
        """Select the first option that contains `option`."""
        found = self.page.locator("main").get_by_label(label).first
        value = found.locator("option", has_text=option).first.get_attribute("value")
        found.select_option(value)
        return self

    def reads(self, *texts: str | re.Pattern[str]) -> "BrowserUser":
        """Assert that the page shows each of `texts`."""
        shown = self.text
        for text in texts:
            is_shown = text.search(shown) if isinstance(text, re.Pattern) else text in shown
            assert is_shown, f"{self.page.url} does not show {text!r}, but:\n{shown}"
        return self

    @property
    def text(self) -> str:
        """The visible text of the page, with each run of white space as a single space."""
        return re.sub(r"[\s\u00a0\u202f]+", " ", self.page.locator("main").inner_text())


def record_errors(context: BrowserContext, complaints: list[str]) -> None:
    """Record errors of the console (including content policy violations), of scripts and of the server."""

    def console(message: ConsoleMessage) -> None:
        # Pages may answer 422. Failed requests for images and styles are recorded below.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(f"{message.page.url if message.page else ''}: {message.text}")

    def response(answer: Response) -> None:
        least = 500 if answer.request.resource_type == "document" else 400
        if answer.status >= least:
            complaints.append(f"{answer.url} answered {answer.status}")

    def error(found: Any) -> None:
        complaints.append(f"a script failed: {found.error}")

    context.on("console", console)
    context.on("response", response)
    context.on("weberror", error)
