"""Fixtures for browser tests: a running application, and users with phones and desktops."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from homevisits.core import clock
from homevisits.core.db import Database
from tests.browser.application import RunningApplication, run_application
from tests.browser.browser_user import DESKTOP, PHONE, BrowserUser, record_errors
from tests.factories import school

OpenBrowser = Callable[..., BrowserUser]


@pytest.fixture
def application(database: Database) -> Iterator[RunningApplication]:
    """A running, empty application on each engine, on Monday morning, October 5, 2026, in Denver."""
    with run_application(database, school.NOW) as running_application:
        yield running_application


@pytest.fixture
def open_browser(browser: Any) -> Iterator[OpenBrowser]:
    """Open a browser window for a user: `open_browser(application, email, phone=True, javascript=True, …)`.

    The test fails if any window recorded an error of the console, the content policy, a script or the server.
    """
    contexts = []
    problems: list[str] = []

    def open_window(
        application: RunningApplication,
        email: str,
        *,
        phone: bool = False,
        javascript: bool = True,
        signed_in: bool = False,
        **more: Any,
    ) -> BrowserUser:
        context = browser.new_context(
            viewport=PHONE if phone else DESKTOP,
            has_touch=phone,
            java_script_enabled=javascript,
            locale=more.pop("locale", "en-US"),
            reduced_motion="reduce",
            **more,
        )
        context.set_default_timeout(20_000)
        record_errors(context, problems)
        contexts.append(context)
        if signed_in:
            context.add_cookies([application.session_cookie(email)])
        return BrowserUser(context, application, email)

    yield open_window
    for context in contexts:
        context.close()
    assert not problems, "\n".join(problems)


@pytest.fixture(autouse=True)
def _restore_clock() -> Iterator[None]:
    yield
    clock.set_source(None)
