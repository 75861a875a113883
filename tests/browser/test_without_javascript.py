"""The main pages work without JavaScript."""

import re
from datetime import date, timedelta

import pytest

from homevisits.core import local_time
from homevisits.core.db import Database
from homevisits.pay.models import PayRule
from tests.browser.application import run_application
from tests.browser.browser_user import BrowserUser
from tests.browser.conftest import OpenBrowser
from tests.browser.visit_steps import read_visit
from tests.factories import school

pytestmark = pytest.mark.browser
FAMILY = "Smith"


def test_visit_from_invitation_to_approval(sqlite_database: Database, open_browser: OpenBrowser) -> None:
    with run_application(sqlite_database, school.NOW) as application:
        school_fixture = school.build_school(sqlite_database)

        def open_window(name: str) -> BrowserUser:
            return open_browser(application, f"{name}@example.org", phone=True, javascript=False, signed_in=True)

        with school_fixture.session() as session:
            rule = {"pay_type": "visit", "unit": "flat_visit", "rate_cents": 6000, "pay_code": "HV", "clause": "12.4"}
            session.add(PayRule(**rule, effective_from=date(2026, 8, 1), entered_at=school_fixture.now))
        coordinator, grace, luis = (open_window(name) for name in ("coordinator", "grace", "luis"))
        coordinator.go("/draws/new").choose(re.compile("^At random")).write("How many families", "2")
        coordinator.press(re.compile("^Draw$")).expect_text("Why draw again?")
        coordinator.write("Why draw again?", "A new quarter.").press(re.compile("^Draw$")).expect_text(
            "Families drawn 2"
        )
        coordinator.press("Ask these families").press(re.compile("^Record an answer.*Quiet"))
        coordinator.choose("Yes, come and visit").press("Record the answer").expect_text("Please fix 1 item")
        coordinator.choose("In person").press("Record the answer").expect_text("4 families said yes")

        grace.go("/hours").write("Monday, from", "15:30").press("Save my week").expect_text("Your week is saved")
        grace.go("/families").press(re.compile(f"^Find a time.*{FAMILY}")).press("Luis Test")
        grace.press(re.compile("^Book this and ask Luis")).press("Book, and ask Luis").expect_text("Booked")
        visit_id = int(grace.page.url.rsplit("/", 1)[-1])
        luis.go("/my-day").press("I'll come")
        application.run_jobs()
        application.receive_text(school_fixture.phones[FAMILY], "1")

        visit = read_visit(application, visit_id)
        application.advance_to(visit.ends_at + timedelta(minutes=5))
        grace, luis, coordinator = (open_window(name) for name in ("grace", "luis", "coordinator"))
        grace.go("/my-day").press("We met").choose("At other times:").press("Save").expect_text("Please fix 2 items")
        left_at = local_time.to_local(visit.ends_at - timedelta(minutes=5), visit.timezone)
        grace.write("We arrived at", visit.local_start).write("We left at", "23:59").press("Save")
        grace.expect_text("Please fix 2 items").write("We left at", f"{left_at:%H:%M}").press("Save")
        grace.expect_text("Your partner can confirm it")
        luis.go("/my-day").press(re.compile("^Confirm")).press("Yes, confirm this")
        luis.write("What I learned", "They garden.").write("What I will do", "Plant beans.").press("Save reflection")
        luis.expect_text("Thank you")
        application.run_jobs()
        coordinator.go("/approvals").expect_text("2 claims, $120.00").press("Approve checked claims").expect_text(
            "2 claims approved"
        )
