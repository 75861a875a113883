"""Changes to a visit in a browser: move, cancel, decline, another time, an ill partner."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from homevisits.core.db import Database
from homevisits.visits import actions
from tests.browser.application import RunningApplication, run_application
from tests.browser.browser_user import BrowserUser
from tests.browser.conftest import Opened
from tests.browser.visit_steps import read_visit
from tests.factories import school
from tests.factories.school import SchoolFixture

pytestmark = pytest.mark.browser
FAMILY = "Smith"


class Scene:
    """The running application with the test school and a visit of Grace and Luis."""

    def __init__(self, house: RunningApplication, school_fixture: SchoolFixture, opened: Opened) -> None:
        self.house, self.school_fixture, self.opened = house, school_fixture, opened
        self.phone = school_fixture.phones[FAMILY]

    def window(self, name: str, **how: bool) -> BrowserUser:
        """Open a signed-in browser window."""
        return self.opened(self.house, f"{name.lower()}@example.org", phone=True, signed_in=True, **how)

    def booked(self, *, arranged: bool = True) -> int:
        """Book a visit that Luis is asked to join or, if arranged, the family is asked to confirm."""
        policy, school_fixture = self.house.settings.policy, self.school_fixture
        with school_fixture.session() as session:
            wanted = actions.BookingRequest(
                school_fixture.families[FAMILY], school_fixture.educators["Luis"], school_fixture.time_at(8, 16, 30)
            )
            visit_id = actions.book(session, school_fixture.actors["Grace"], wanted, policy, self.house.now).id
            if arranged:
                actions.accept(session, school_fixture.actors["Luis"], visit_id, policy, self.house.now)
        self.house.work()
        return visit_id

    def state(self, visit_id: int) -> str:
        """Return the state of the visit."""
        return read_visit(self.house, visit_id).state

    def newest_text(self) -> str:
        """Return the newest text sent to the family."""
        return self.house.texts_to(self.phone)[-1]


@pytest.fixture
def scene(sqlite_database: Database, visitor: Opened) -> Iterator[Scene]:
    """The scene on Monday morning."""
    with run_application(sqlite_database, school.NOW) as house:
        yield Scene(house, school.build_school(sqlite_database), visitor)


def test_moved_visit_asks_partner_and_family_again(scene: Scene) -> None:
    visit_id = scene.booked()
    scene.house.text(scene.phone, "1")
    before = read_visit(scene.house, visit_id).starts_at
    grace, luis = scene.window("Grace"), scene.window("Luis")
    grace.go(f"/visits/{visit_id}").press("Move to another time").press("Move to this time")
    grace.reads("We are asking your partner again", "has not answered yet")
    luis.go("/my-day").press("I'll come")
    scene.house.work()
    assert read_visit(scene.house, visit_id).starts_at != before
    assert "new time" in scene.newest_text()
    scene.house.text(scene.phone, "1")
    assert scene.state(visit_id) == "confirmed"


def test_family_cancels_with_one_digit(scene: Scene) -> None:
    visit_id = scene.booked()
    scene.house.text(scene.phone, "3")
    assert scene.state(visit_id) == "cancelled_by_family"
    assert "Thank you for telling us" in scene.newest_text()
    grace = scene.window("Grace")
    grace.go("/my-day")
    assert FAMILY not in grace.text
    grace.go("/families")
    assert FAMILY not in grace.text


def test_family_is_informed_when_an_educator_cancels(scene: Scene) -> None:
    visit_id = scene.booked()
    luis = scene.window("Luis")
    luis.go(f"/visits/{visit_id}").open("Cancel visit").reads("We do not ask for a reason").press("Cancel visit")
    luis.reads("Canceled")
    scene.house.work()
    assert scene.state(visit_id) == "cancelled_by_educator"
    assert "have to cancel the visit" in scene.newest_text()


def test_another_partner_is_asked_after_a_decline(scene: Scene) -> None:
    visit_id = scene.booked(arranged=False)
    luis, grace = scene.window("Luis"), scene.window("Grace")
    luis.go("/my-day").press("Not this time").reads("That time is free again")
    grace.go("/my-day").press(re.compile("^Find a stand-in")).press("Ask Amina").reads("Asked. Once they accept")
    scene.window("Amina").go("/my-day").press("I'll come")
    scene.house.work()
    assert scene.state(visit_id) == "scheduled"
    assert "Amina" in scene.newest_text()


def test_family_gets_another_time_on_request(scene: Scene) -> None:
    visit_id = scene.booked()
    scene.house.text(scene.phone, "2")
    assert scene.state(visit_id) == "cancelled_by_family"
    grace = scene.window("Grace")
    grace.go("/families").reads(re.compile(f"The {FAMILY} family Wants another time"))
    grace.press(re.compile(f"^Find a time.*{FAMILY}")).press(re.compile("^Book this")).press(
        re.compile("^Book, and ask")
    )
    again = int(urlsplit(grace.page.url).path.rsplit("/", 1)[-1])
    assert again != visit_id
    assert scene.state(again) == "proposed"


def test_ill_partner_is_replaced(scene: Scene) -> None:
    visit_id = scene.booked()
    scene.house.text(scene.phone, "1")
    luis, grace, amina = (scene.window(name) for name in ("Luis", "Grace", "Amina"))
    luis.go(f"/visits/{visit_id}").open(re.compile("^I cannot come")).press("I cannot come").reads("nobody goes alone")
    assert scene.state(visit_id) == "proposed"
    grace.go(f"/visits/{visit_id}").press("Find a stand-in").press("Ask Amina")
    amina.go("/my-day").reads("Grace Test invites you to a visit").press("I'll come")
    scene.house.work()
    assert "Amina" in scene.newest_text()
    scene.house.text(scene.phone, "1")
    visit = read_visit(scene.house, visit_id)
    assert visit.state == "confirmed"
    assert {visit.lead_id, visit.partner_id} == {
        scene.school_fixture.educators["Grace"],
        scene.school_fixture.educators["Amina"],
    }


def test_coordinator_changes_a_visit_for_the_pair(scene: Scene) -> None:
    visit_id = scene.booked()
    coordinator = scene.window("coordinator")
    coordinator.go("/visits").press("Thu, Oct 8, 4:30 pm").open("The family told me")
    coordinator.choose("The time works").choose("By phone").press("Save")
    assert scene.state(visit_id) == "confirmed"
    coordinator.open("Cancel visit").press("Cancel visit")
    assert scene.state(visit_id) == "cancelled_by_educator"
