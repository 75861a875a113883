"""Changes to a visit in a browser: move, cancel, decline, another time, an ill partner."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from homevisits.core.db import Database
from homevisits.visits import actions
from tests.browser.application import RunningApplication, run_application
from tests.browser.browser_user import BrowserUser
from tests.browser.conftest import OpenBrowser
from tests.browser.visit_steps import read_visit
from tests.factories import school
from tests.factories.school import SchoolFixture

pytestmark = pytest.mark.browser
FAMILY = "Smith"


class VisitScenario:
    """The running application with the test school and a visit of Grace and Luis."""

    def __init__(
        self, application: RunningApplication, school_fixture: SchoolFixture, open_browser: OpenBrowser
    ) -> None:
        self.application, self.school_fixture, self.open_browser = application, school_fixture, open_browser
        self.phone = school_fixture.phones[FAMILY]

    def open_window(self, name: str, **options: bool) -> BrowserUser:
        """Open a signed-in browser window."""
        return self.open_browser(self.application, f"{name.lower()}@example.org", phone=True, signed_in=True, **options)

    def book_visit(self, *, accepted: bool = True) -> int:
        """Book a visit that Luis is asked to join or, if accepted, the family is asked to confirm."""
        policy, school_fixture = self.application.settings.policy, self.school_fixture
        with school_fixture.session() as session:
            request = actions.BookingRequest(
                school_fixture.families[FAMILY], school_fixture.educators["Luis"], school_fixture.time_at(8, 16, 30)
            )
            visit_id = actions.book(session, school_fixture.actors["Grace"], request, policy, self.application.now).id
            if accepted:
                actions.accept(session, school_fixture.actors["Luis"], visit_id, policy, self.application.now)
        self.application.run_jobs()
        return visit_id

    def state(self, visit_id: int) -> str:
        """Return the state of the visit."""
        return read_visit(self.application, visit_id).state

    def newest_text(self) -> str:
        """Return the newest text sent to the family."""
        return self.application.texts_to(self.phone)[-1]


@pytest.fixture
def scenario(sqlite_database: Database, open_browser: OpenBrowser) -> Iterator[VisitScenario]:
    """The scenario on Monday morning."""
    with run_application(sqlite_database, school.NOW) as application:
        yield VisitScenario(application, school.build_school(sqlite_database), open_browser)


def test_moved_visit_asks_partner_and_family_again(scenario: VisitScenario) -> None:
    visit_id = scenario.book_visit()
    scenario.application.receive_text(scenario.phone, "1")
    before = read_visit(scenario.application, visit_id).starts_at
    grace, luis = scenario.open_window("Grace"), scenario.open_window("Luis")
    grace.go(f"/visits/{visit_id}").press("Move to another time").press("Move to this time")
    grace.expect_text("We are asking your partner again", "has not answered yet")
    luis.go("/my-day").press("I'll come")
    scenario.application.run_jobs()
    assert read_visit(scenario.application, visit_id).starts_at != before
    assert "new time" in scenario.newest_text()
    scenario.application.receive_text(scenario.phone, "1")
    assert scenario.state(visit_id) == "confirmed"


def test_family_cancels_with_one_digit(scenario: VisitScenario) -> None:
    visit_id = scenario.book_visit()
    scenario.application.receive_text(scenario.phone, "3")
    assert scenario.state(visit_id) == "cancelled_by_family"
    assert "Thank you for telling us" in scenario.newest_text()
    grace = scenario.open_window("Grace")
    grace.go("/my-day")
    assert FAMILY not in grace.text
    grace.go("/families")
    assert FAMILY not in grace.text


def test_family_is_informed_when_an_educator_cancels(scenario: VisitScenario) -> None:
    visit_id = scenario.book_visit()
    luis = scenario.open_window("Luis")
    luis.go(f"/visits/{visit_id}").open("Cancel visit").expect_text("We do not ask for a reason").press("Cancel visit")
    luis.expect_text("Canceled")
    scenario.application.run_jobs()
    assert scenario.state(visit_id) == "cancelled_by_educator"
    assert "have to cancel the visit" in scenario.newest_text()


def test_another_partner_is_asked_after_a_decline(scenario: VisitScenario) -> None:
    visit_id = scenario.book_visit(accepted=False)
    luis, grace = scenario.open_window("Luis"), scenario.open_window("Grace")
    luis.go("/my-day").press("Not this time").expect_text("That time is free again")
    grace.go("/my-day").press(re.compile("^Find a stand-in")).press("Ask Amina").expect_text("Asked. Once they accept")
    scenario.open_window("Amina").go("/my-day").press("I'll come")
    scenario.application.run_jobs()
    assert scenario.state(visit_id) == "scheduled"
    assert "Amina" in scenario.newest_text()


def test_family_gets_another_time_on_request(scenario: VisitScenario) -> None:
    visit_id = scenario.book_visit()
    scenario.application.receive_text(scenario.phone, "2")
    assert scenario.state(visit_id) == "cancelled_by_family"
    grace = scenario.open_window("Grace")
    grace.go("/families").expect_text(re.compile(f"The {FAMILY} family Wants another time"))
    grace.press(re.compile(f"^Find a time.*{FAMILY}")).press(re.compile("^Book this")).press(
        re.compile("^Book, and ask")
    )
    new_visit_id = int(urlsplit(grace.page.url).path.rsplit("/", 1)[-1])
    assert new_visit_id != visit_id
    assert scenario.state(new_visit_id) == "proposed"


def test_ill_partner_is_replaced(scenario: VisitScenario) -> None:
    visit_id = scenario.book_visit()
    scenario.application.receive_text(scenario.phone, "1")
    luis, grace, amina = (scenario.open_window(name) for name in ("Luis", "Grace", "Amina"))
    luis.go(f"/visits/{visit_id}").open(re.compile("^I cannot come")).press("I cannot come").expect_text(
        "nobody goes alone"
    )
    assert scenario.state(visit_id) == "proposed"
    grace.go(f"/visits/{visit_id}").press("Find a stand-in").press("Ask Amina")
    amina.go("/my-day").expect_text("Grace Test invites you to a visit").press("I'll come")
    scenario.application.run_jobs()
    assert "Amina" in scenario.newest_text()
    scenario.application.receive_text(scenario.phone, "1")
    visit = read_visit(scenario.application, visit_id)
    assert visit.state == "confirmed"
    assert {visit.lead_id, visit.partner_id} == {
        scenario.school_fixture.educators["Grace"],
        scenario.school_fixture.educators["Amina"],
    }


def test_coordinator_changes_a_visit_for_the_pair(scenario: VisitScenario) -> None:
    visit_id = scenario.book_visit()
    coordinator = scenario.open_window("coordinator")
    coordinator.go("/visits").press("Thu, Oct 8, 4:30 pm").open("The family told me")
    coordinator.choose("The time works").choose("By phone").press("Save")
    assert scenario.state(visit_id) == "confirmed"
    coordinator.open("Cancel visit").press("Cancel visit")
    assert scenario.state(visit_id) == "cancelled_by_educator"
