"""Fixtures for browser tests: a running application, and users with phones and desktops."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from homevisits.core import clock
from homevisits.core.db import Database
from tests.browser.application import RunningApplication, run_application
from tests.browser.browser_user import DESKTOP, PHONE, BrowserUser, record_errors
from tests.factories import school

Opened = Callable[..., BrowserUser]


@pytest.fixture
def house(database: Database) -> Iterator[RunningApplication]:
    """A running, empty application on each engine, on Monday morning, October 5, 2026, in Denver."""
    with run_application(database, school.NOW) as made:
        yield made


@pytest.fixture
def visitor(browser: Any) -> Iterator[Opened]:
    """Open a browser window for a user: `visitor(house, email, phone=True, javascript=True, …)`.

    The test fails if any window recorded an error of the console, the content policy, a script or the server.
    """
    contexts = []
    complaints: list[str] = []

    def opened(
        house: RunningApplication,
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
        record_errors(context, complaints)
        contexts.append(context)
        if signed_in:
            context.add_cookies([house.session_cookie(email)])
        return BrowserUser(context, house, email)

    yield opened
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture(autouse=True)
def _the_clock_is_put_back() -> Iterator[None]:
    yield
    clock.set_source(None)
