"""Text delivery pages in a browser: resolving failed texts, filters without JavaScript, axe."""

from datetime import date, timedelta
from itertools import count

import pytest

from homevisits.core.access import Grant, Role
from homevisits.core.db import Database
from homevisits.messages.models import OutgoingMessage, Phone, QuietDay, Sender
from homevisits.messages.monitoring import alerts
from tests.browser.application import RunningApplication
from tests.browser.conftest import OpenBrowser
from tests.browser.page_checks import check_page
from tests.factories.school import NOW, SchoolFixture, build_school
from tests.shell.clients import create_account

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]


@pytest.fixture
def school_fixture(application: RunningApplication) -> SchoolFixture:
    """The test school with a month of texts, some failed, some waiting."""
    fixture = build_school(application.database)
    create_account(application.database, "lead", Grant(Role.DISTRICT_LEAD, None))
    insert_messages(application.database, fixture)
    return fixture


def insert_messages(database: Database, school_fixture: SchoolFixture) -> None:
    """Insert a month of texts: mostly delivered, three failed, two unknown, some held."""
    numbers = count(1)
    with database.transaction() as session:
        for phone in school_fixture.phones.values():
            session.add(Phone(e164=phone, state="ok"))
        session.flush()

        def make_message(state: str, ago: timedelta, **columns: object) -> OutgoingMessage:
            n, at = next(numbers), NOW - ago
            sent = at if state not in ("held", "queued", "dead") else None
            values = {
                "dedupe_key": f"k{n}", "subject": f"visit:{n}", "phone": school_fixture.phones["Rivera"],
                "school_id": school_fixture.school_id,
                "language": ("en", "es", "es")[n % 3], "template": "visit_reminder",
                "body": "Hello", "segments": 1 + n % 2, "not_before": at, "next_at": at, "created_at": at,
                "expires_at": at + timedelta(hours=30), "sent_at": sent,
                "final_at": at + timedelta(seconds=n % 17) if sent and state != "accepted" else None, **columns,
            }  # fmt: skip
            return OutgoingMessage(state=state, **values)

        for day in range(30):
            session.add_all(make_message("delivered", timedelta(days=day, hours=1)) for _ in range(4 + (day * 7) % 9))
            if day % 5 == 2:
                session.add(make_message("undelivered", timedelta(days=day), error="30005", resolved_at=NOW))
        session.add_all(make_message("accepted", timedelta(minutes=minutes)) for minutes in (5, 9, 12))
        session.add(make_message("undelivered", timedelta(hours=2), error="30003"))
        session.add(make_message("rejected", timedelta(hours=5), error="21211", phone=school_fixture.phones["Smith"]))
        session.add(make_message("dead", timedelta(days=3), error="repeated"))
        session.add_all(make_message("unknown", timedelta(minutes=minutes), error="no_answer") for minutes in (3, 4))
        later = {"next_at": NOW + timedelta(hours=3)}
        session.add_all(make_message("held", timedelta(hours=1), hold_reason="quiet", **later) for _ in range(3))
        session.add(make_message("suppressed", timedelta(hours=7), error="stopped"))
        session.add(make_message("cancelled", timedelta(hours=7), error="visit_changed"))
        session.add(Sender(provider="twilio", address="+13035550100"))
        session.add(
            Sender(
                provider="twilio", address="MG" + "0" * 32, kind="service", registration="registered",
                brand_id="BN12", campaign_id="QE12", registered_at=NOW, segments_per_day=2000,
            )
        )  # fmt: skip
        session.add(QuietDay(school_id=None, day=date(2026, 10, 12), name="Indigenous Peoples’ Day", at=NOW))
        session.add(QuietDay(school_id=school_fixture.school_id, day=date(2026, 10, 2), name="Exams", at=NOW))
        alerts.raise_alert(session, "code", "39999", NOW, "visit_reminder")


def test_failed_text_is_resolved_in_a_few_taps(
    application: RunningApplication, school_fixture: SchoolFixture, open_browser: OpenBrowser
) -> None:
    window = open_browser(application, "coordinator@example.org", phone=True, signed_in=True)
    window.go("/asking").press("Text delivery").expect_text("Lost texts to follow up on 3", "Rivera")
    window.press("Send again").expect_text("Sending it again.", "Lost texts to follow up on 2")
    window.open("Dismiss").write("Reason (optional)", "wrote to them").press("Dismiss")
    window.expect_text("Dismissed.", "Lost texts to follow up on 1")


def test_delivery_page_is_filtered_without_javascript(
    application: RunningApplication, school_fixture: SchoolFixture, open_browser: OpenBrowser
) -> None:
    window = open_browser(application, "lead@example.org", javascript=False, signed_in=True)
    window.go("/overview").press("Text delivery")
    window.select_option("Language", "Spanish").select_option("Days", "30").press("Show").expect_text(
        "the last 30 days · Spanish"
    )
    window.open("The numbers").expect_text("All days")


@pytest.mark.parametrize("account_name", ["lead", "coordinator"])
def test_delivery_pages_pass_axe(
    application: RunningApplication, school_fixture: SchoolFixture, open_browser: OpenBrowser, account_name: str
) -> None:
    page = open_browser(application, f"{account_name}@example.org", signed_in=True).page
    problems = []
    addresses = ["/delivery", "/delivery?days=30", "/quiet-days"]
    if account_name == "lead":
        addresses += ["/senders", "/senders/1", "/senders/guests"]
    for address in addresses:
        page.goto(application.url + address)
        for summary in page.locator("main summary").all():
            summary.click()
        problems += [f"{address} {problem}" for problem in check_page(page)]
    assert not problems, "\n".join(problems)


def test_sender_form_shows_errors_at_their_fields(
    application: RunningApplication, school_fixture: SchoolFixture, open_browser: OpenBrowser
) -> None:
    window = open_browser(application, "lead@example.org", phone=True, signed_in=True)
    window.go("/senders").press("Change").choose("No registration needed").press("Save")
    window.expect_text("Please fix 1 item", "Enter why it is not needed.")
    window.write("Note", "A number abroad").press("Save").expect_text("Saved.")
    problems = list(check_page(window.page))
    assert not problems, "\n".join(problems)
