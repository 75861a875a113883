"""Text delivery pages in a browser: resolving failed texts, filters without JavaScript, axe."""

from datetime import date, timedelta
from itertools import count

import pytest

from homevisits.core.access import Grant, Role
from homevisits.core.db import Database
from homevisits.messages.models import OutgoingMessage, Phone, QuietDay, Sender
from homevisits.messages.monitoring import alerts
from tests.browser.application import RunningApplication
from tests.browser.conftest import Opened
from tests.browser.page_checks import check_page
from tests.factories.school import NOW, SchoolFixture, build_school
from tests.shell.clients import create_account

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]


@pytest.fixture
def school_fixture(house: RunningApplication) -> SchoolFixture:
    """The test school with a month of texts, some failed, some waiting."""
    made = build_school(house.database)
    create_account(house.database, "lead", Grant(Role.DISTRICT_LEAD, None))
    fill(house.database, made)
    return made


def fill(database: Database, school_fixture: SchoolFixture) -> None:
    """Insert a month of texts: mostly delivered, three failed, two unknown, some held."""
    numbers = count(1)
    with database.transaction() as session:
        for phone in school_fixture.phones.values():
            session.add(Phone(e164=phone, state="ok"))
        session.flush()

        def text(state: str, ago: timedelta, **more: object) -> OutgoingMessage:
            n, at = next(numbers), NOW - ago
            sent = at if state not in ("held", "queued", "dead") else None
            values = {
                "dedupe_key": f"k{n}", "subject": f"visit:{n}", "phone": school_fixture.phones["Rivera"],
                "school_id": school_fixture.school_id,
                "language": ("en", "es", "es")[n % 3], "template": "visit_reminder",
                "body": "Hello", "segments": 1 + n % 2, "not_before": at, "next_at": at, "created_at": at,
                "expires_at": at + timedelta(hours=30), "sent_at": sent,
                "final_at": at + timedelta(seconds=n % 17) if sent and state != "accepted" else None, **more,
            }  # fmt: skip
            return OutgoingMessage(state=state, **values)

        for day in range(30):
            session.add_all(text("delivered", timedelta(days=day, hours=1)) for _ in range(4 + (day * 7) % 9))
            if day % 5 == 2:
                session.add(text("undelivered", timedelta(days=day), error="30005", resolved_at=NOW))
        session.add_all(text("accepted", timedelta(minutes=each)) for each in (5, 9, 12))
        session.add(text("undelivered", timedelta(hours=2), error="30003"))
        session.add(text("rejected", timedelta(hours=5), error="21211", phone=school_fixture.phones["Smith"]))
        session.add(text("dead", timedelta(days=3), error="repeated"))
        session.add_all(text("unknown", timedelta(minutes=each), error="no_answer") for each in (3, 4))
        later = {"next_at": NOW + timedelta(hours=3)}
        session.add_all(text("held", timedelta(hours=1), hold_reason="quiet", **later) for _ in range(3))
        session.add(text("suppressed", timedelta(hours=7), error="stopped"))
        session.add(text("cancelled", timedelta(hours=7), error="visit_changed"))
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
    house: RunningApplication, school_fixture: SchoolFixture, visitor: Opened
) -> None:
    window = visitor(house, "coordinator@example.org", phone=True, signed_in=True)
    window.go("/asking").press("Text delivery").reads("Lost texts to follow up on 3", "Rivera")
    window.press("Send again").reads("Sending it again.", "Lost texts to follow up on 2")
    window.open("Dismiss").write("Reason (optional)", "wrote to them").press("Dismiss")
    window.reads("Dismissed.", "Lost texts to follow up on 1")


def test_delivery_page_is_filtered_without_javascript(
    house: RunningApplication, school_fixture: SchoolFixture, visitor: Opened
) -> None:
    window = visitor(house, "lead@example.org", javascript=False, signed_in=True)
    window.go("/overview").press("Text delivery")
    window.pick("Language", "Spanish").pick("Days", "30").press("Show").reads("the last 30 days · Spanish")
    window.open("The numbers").reads("All days")


@pytest.mark.parametrize("who", ["lead", "coordinator"])
def test_delivery_pages_pass_axe(
    house: RunningApplication, school_fixture: SchoolFixture, visitor: Opened, who: str
) -> None:
    page = visitor(house, f"{who}@example.org", signed_in=True).page
    complaints = []
    addresses = ["/delivery", "/delivery?days=30", "/quiet-days"]
    if who == "lead":
        addresses += ["/senders", "/senders/1", "/senders/guests"]
    for address in addresses:
        page.goto(house.url + address)
        for summary in page.locator("main summary").all():
            summary.click()
        complaints += [f"{address} {complaint}" for complaint in check_page(page)]
    assert not complaints, "\n".join(complaints)


def test_sender_form_shows_errors_at_their_fields(
    house: RunningApplication, school_fixture: SchoolFixture, visitor: Opened
) -> None:
    window = visitor(house, "lead@example.org", phone=True, signed_in=True)
    window.go("/senders").press("Change").choose("No registration needed").press("Save")
    window.reads("Please fix 1 item", "Enter why it is not needed.")
    window.write("Note", "A number abroad").press("Save").reads("Saved.")
    complaints = list(check_page(window.page))
    assert not complaints, "\n".join(complaints)
