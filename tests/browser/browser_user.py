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

    def __init__(self, context: BrowserContext, application: RunningApplication, email: str) -> None:
        self.context, self.application, self.email = context, application, email
        self.page: Page = context.new_page()
        self.taps = 0

    def go(self, path: str) -> "BrowserUser":
        """Open a page, and sign in if the sign-in page appears."""
        self.page.goto(self.application.url + path)
        if urlsplit(self.page.url).path == "/sign-in":
            self.page.get_by_label("Work e-mail").fill(self.email)
            self.page.get_by_label("Password").fill(PASSWORD)
            self.press("Sign in")
        assert urlsplit(self.page.url).path == urlsplit(path).path, f"{path} led {self.email} to {self.page.url}"
        return self

    def press(self, name: str | re.Pattern[str], within: Locator | None = None) -> "BrowserUser":
        """Press the button or link with this name and wait for the next page."""
        container = within or self.page.locator("main")
        target = container.get_by_role("button", name=name).or_(container.get_by_role("link", name=name)).first
        assert target.count(), f"{self.page.url} has nothing to press called {name!r}. It says:\n{self.text}"
        target.click()
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
        container = within or self.page.locator("main")
        container.get_by_role("checkbox", name=label).or_(container.get_by_role("radio", name=label)).first.check()
        self.taps += 1
        return self

    def write(self, label: str | re.Pattern[str], text: str) -> "BrowserUser":
        """Type into the field with this label."""
        self.page.locator("main").get_by_label(label).first.fill(text)
        return self

    def select_option(self, label: str | re.Pattern[str], option: str) -> "BrowserUser":
        """Select the first option that contains `option`."""
        field = self.page.locator("main").get_by_label(label).first
        value = field.locator("option", has_text=option).first.get_attribute("value")
        field.select_option(value)
        return self

    def expect_text(self, *texts: str | re.Pattern[str]) -> "BrowserUser":
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


def record_errors(context: BrowserContext, problems: list[str]) -> None:
    """Record errors of the console (including content policy violations), of scripts and of the server."""

    def on_console(message: ConsoleMessage) -> None:
        # Pages may answer 422. Failed requests for images and styles are recorded below.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            problems.append(f"{message.page.url if message.page else ''}: {message.text}")

    def on_response(response: Response) -> None:
        min_status = 500 if response.request.resource_type == "document" else 400
        if response.status >= min_status:
            problems.append(f"{response.url} answered {response.status}")

    def on_web_error(web_error: Any) -> None:
        problems.append(f"a script failed: {web_error.error}")

    context.on("console", on_console)
    context.on("response", on_response)
    context.on("weberror", on_web_error)
