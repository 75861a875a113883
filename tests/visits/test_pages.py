import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient

from homevisits.core import clock
from tests.factories.school import SchoolFixture
from tests.shell.clients import create_client, create_test_app
from tests.visits.test_actions import arrange, book, complete_visit, load_visit

FORBIDDEN_ON_A_FIRST_VISIT = ("grade", "attendance:", "absen", "discipline", "suspension", "behavio", "score")


class PageBrowser:
    """Browse the pages as the people of the test school, at a time set by the test."""

    def __init__(self, school_fixture: SchoolFixture) -> None:
        self.school_fixture = school_fixture
        self.app = create_test_app(school_fixture.database)
        self.at(school_fixture.now)

    def at(self, moment: datetime) -> None:
        clock.set_source(lambda: moment)

    def browser(self, name: str) -> FlaskClient:
        return create_client(self.app, self.school_fixture.actors[name])

    def get(self, name: str, path: str, status: int = 200) -> str:
        response = self.browser(name).get(path)
        assert response.status_code == status, (path, response.status_code)
        return unescape(response.text)

    def post(self, name: str, path: str, status: int = 303, **form: str) -> str:
        response = self.browser(name).post(path, data=form)
        assert response.status_code == status, (path, response.status_code, response.text[:3000])
        return response.location if status == 303 else unescape(response.text)


@pytest.fixture
def page_browser(school_fixture: SchoolFixture) -> PageBrowser:
    return PageBrowser(school_fixture)


def find_links(page: str, part: str) -> list[str]:
    """Return the link addresses on a page that contain `part`."""
    return [address for address in re.findall(r'href="([^"]+)"', page) if part in address]


def test_visit_goes_from_booking_to_reflection_on_the_pages(page_browser: PageBrowser) -> None:
    rivera = page_browser.school_fixture.families["Rivera"]
    assert "Rivera" in page_browser.get("Grace", "/my-day")
    families = page_browser.get("Grace", "/families")
    assert "Rivera" in families
    assert "Quiet" not in families  # A family without consent is not listed.
    (find,) = find_links(families, f"/families/{rivera}/time")  # tap 1
    times = page_browser.get("Grace", find)
    assert "Speaks Spanish" in times
    check = find_links(times, "/book?")[0]  # tap 2
    page = page_browser.get("Grace", check)
    fields = dict(re.findall(r'<input type="hidden" name="(partner|start|key)" value="([^"]*)"', page))
    visit = page_browser.post("Grace", f"/families/{rivera}/book", place_type="home", **fields)  # tap 3
    assert page_browser.post("Grace", f"/families/{rivera}/book", place_type="home", **fields) == visit
    assert "invites you to a visit" in page_browser.get("Luis", "/my-day")
    assert "Rivera" not in page_browser.get("Luis", "/my-day")
    assert "Rivera" not in page_browser.get("Luis", visit)
    page_browser.post("Luis", f"{visit}/accept")
    assert "Waiting for the family" in page_browser.get("Grace", visit)
    page_browser.post("coordinator", f"{visit}/office/family", answer="confirmed", how="phone")
    assert "Family confirmed" in page_browser.get("Luis", visit)
    stored = load_visit(page_browser.school_fixture, int(visit.rsplit("/", 1)[1]))
    page_browser.at(stored.starts_at)
    page_browser.post("Grace", f"{visit}/reflect", 422, learned="a", strengths="", will_do="b")
    page_browser.at(stored.ends_at)
    assert "We met" in page_browser.get("Grace", "/my-day")
    page_browser.post(
        "Grace", f"{visit}/met", outcome="met", both_went="yes", times="planned", place_type="home", who="child"
    )
    met = page_browser.get("Luis", f"{visit}/met")
    account = re.search(r'name="account" value="(\d+)"', met)
    assert account is not None
    assert page_browser.post("Luis", f"{visit}/agree", account=account[1]) == f"{visit}/reflect"
    assert "what did you learn?" in page_browser.get("Grace", "/my-day")
    for name in ("Grace", "Luis"):
        page_browser.post(name, f"{visit}/reflect", learned="They love maps.", strengths="", will_do="A map corner.")
    assert "what did you learn?" not in page_browser.get("Grace", "/my-day")
    assert "Visited" in page_browser.get("Grace", "/families")
    assert "Rivera" in page_browser.get("coordinator", "/visits?view=past")


def book_first_offer(page_browser: PageBrowser) -> str:
    """Grace books the first time offered for the Rivera family; return the visit's address."""
    rivera = page_browser.school_fixture.families["Rivera"]
    page = page_browser.get("Grace", find_links(page_browser.get("Grace", f"/families/{rivera}/time"), "/book?")[0])
    fields = dict(re.findall(r'<input type="hidden" name="(partner|start|key)" value="([^"]*)"', page))
    return page_browser.post("Grace", f"/families/{rivera}/book", place_type="home", **fields)


def test_moved_visit_asks_both_whether_they_can_still_come(page_browser: PageBrowser) -> None:
    visit = book_first_offer(page_browser)
    assert "invites you to a visit" in page_browser.get("Luis", "/my-day")
    page_browser.post("Luis", f"{visit}/accept")
    page = page_browser.get("coordinator", f"{visit}/office/move")
    start = re.search(r'name="start" value="([^"]+)"', page)
    assert start is not None
    page_browser.post("coordinator", f"{visit}/office/move", start=start[1])
    for name, other in (("Grace", "Luis"), ("Luis", "Grace")):
        day = page_browser.get(name, "/my-day")
        assert f"Your visit with {other} moved to " in day
        assert "Can you still come?" in day
        assert "invites you" not in day


def test_history_names_who_accepted(page_browser: PageBrowser) -> None:
    visit = book_first_offer(page_browser)
    page_browser.post("Luis", f"{visit}/accept")
    assert "Luis accepted" in page_browser.get("Grace", visit)
    assert "Luis accepted" in page_browser.get("coordinator", f"{visit}/office")


def test_early_report_waits_for_the_partner_on_my_day(page_browser: PageBrowser) -> None:
    rivera = page_browser.school_fixture.families["Rivera"]
    page = page_browser.get("Grace", find_links(page_browser.get("Grace", f"/families/{rivera}/time"), "/book?")[0])
    fields = dict(re.findall(r'<input type="hidden" name="(partner|start|key)" value="([^"]*)"', page))
    visit = page_browser.post("Grace", f"/families/{rivera}/book", place_type="home", **fields)
    page_browser.post("Luis", f"{visit}/accept")
    page_browser.post("coordinator", f"{visit}/office/family", answer="confirmed", how="phone")
    page_browser.at(
        load_visit(page_browser.school_fixture, int(visit.rsplit("/", 1)[1])).starts_at + timedelta(minutes=20)
    )
    assert "Waiting for you" not in page_browser.get("Luis", "/my-day")  # The visit is the first card of the day.
    form = {"both_went": "yes", "times": "planned", "place_type": "home", "who": "child"}
    page_browser.post("Grace", f"{visit}/met", outcome="met", **form)
    assert "Waiting for your partner" in page_browser.get("Grace", "/my-day")
    luis = page_browser.get("Luis", "/my-day")
    assert "Grace said how it went" in luis
    assert luis.count(f"{visit}/met") == 1
    page_browser.post(
        "Luis", f"{visit}/met", outcome="family_away", both_went="yes", times="planned", place_type="home"
    )
    for name in ("Grace", "Luis"):
        assert f"{visit}/met" in page_browser.get(name, "/my-day"), name


def test_refused_booking_lists_all_reasons_and_keeps_the_input(page_browser: PageBrowser) -> None:
    rivera, luis = page_browser.school_fixture.families["Rivera"], page_browser.school_fixture.educators["Luis"]
    book(page_browser.school_fixture, family="Smith", at=page_browser.school_fixture.time_at(7, 16, 30))
    form = {
        "partner": str(luis),
        "start": page_browser.school_fixture.time_at(7, 16, 30).isoformat(),
        "place_type": "neutral",
    }
    page = page_browser.post("Grace", f"/families/{rivera}/book", 422, **form)
    assert 'id="problems"' in page
    assert "Luis Test is busy at that time" in page
    assert "Grace Test is busy at that time" in page
    assert re.search(r'value="neutral" checked', page)


def test_invalid_form_values_are_refused_without_an_error(page_browser: PageBrowser) -> None:
    rivera = page_browser.school_fixture.families["Rivera"]
    visit = f"/visits/{arrange(page_browser.school_fixture)}"
    invalid_values = ("", "x", "9" * 40, "-1", "2026-13-45T99:99", "' OR 1=1")
    for value in invalid_values:
        page_browser.post("Grace", f"/families/{rivera}/book", 422, partner=value, start=value, place_type=value)
        page_browser.get("Grace", f"/families/{rivera}/time?partner={value[:5]}&after={value}")
        page_browser.post("Grace", f"{visit}/move", 422, start=value)
        page_browser.post("Grace", f"{visit}/met", 422, outcome=value, times="other", started=value, ended=value)
        page_browser.post("coordinator", f"{visit}/office/family", 422, answer=value, how=value)
    page = page_browser.post("coordinator", f"{visit}/office/family", 422, answer="call_me", how="")
    assert re.search(r'value="call_me" checked', page)  # The choice is kept.


def test_address_is_shown_only_to_the_pair_around_the_visit(page_browser: PageBrowser) -> None:
    school_fixture = page_browser.school_fixture
    visit_id = arrange(school_fixture, at=school_fixture.time_at(9, 16, 30))
    path = f"/visits/{visit_id}"
    assert "1 Main Street" not in page_browser.get("Grace", path)
    page_browser.at(school_fixture.time_at(8, 16, 30))
    for name in ("Grace", "Luis"):
        assert "1 Main Street" in page_browser.get(name, path)
    assert "1 Main Street" not in page_browser.get("coordinator", f"{path}/office")
    assert page_browser.browser("coordinator").get(path).location == f"{path}/office"
    page_browser.get("Hoa", path, 404)
    page_browser.get("Hoa", f"{path}/met", 404)
    page_browser.at(school_fixture.time_at(9, 20, 16))
    assert "1 Main Street" not in page_browser.get("Grace", path)


def test_first_visit_pages_show_no_grades_attendance_or_discipline(page_browser: PageBrowser) -> None:
    school_fixture = page_browser.school_fixture
    rivera = school_fixture.families["Rivera"]
    pages = [page_browser.get("Grace", "/my-day"), page_browser.get("Grace", "/families")]
    pages.append(page_browser.get("Grace", f"/families/{rivera}/time"))
    visit_id = arrange(school_fixture)
    pages += [page_browser.get("Grace", f"/visits/{visit_id}{rest}") for rest in ("", "/move", "/met")]
    page_browser.at(school_fixture.time_at(7, 18))
    pages.append(page_browser.get("Grace", f"/visits/{visit_id}/met"))
    for page in pages:
        text = re.sub(r"<[^>]+>", " ", page.split('id="main"', 1)[1]).replace("no grades, no attendance", "").lower()
        assert [term for term in FORBIDDEN_ON_A_FIRST_VISIT if term in text] == []


def test_closed_day_shows_the_reasons_of_a_refused_booking(page_browser: PageBrowser) -> None:
    page = page_browser.get(
        "Grace",
        f"/families/{page_browser.school_fixture.families['Rivera']}/time?partner={page_browser.school_fixture.educators['Soon']}",
    )
    assert "Soon Test is not certified on" in page
    assert "Families need at least 24 hours of notice" in page


def test_decline_replace_move_cannot_come_and_cancel_on_the_pages(page_browser: PageBrowser) -> None:
    school_fixture = page_browser.school_fixture
    visit = f"/visits/{book(school_fixture)}"
    page_browser.post("Luis", f"{visit}/decline")
    assert "Find a stand-in" in page_browser.get("Grace", "/my-day")
    page = page_browser.get("Grace", f"{visit}/partner")
    assert "Amina" in page
    page_browser.post("Grace", f"{visit}/partner", partner=str(school_fixture.educators["Amina"]))
    page_browser.post("Amina", f"{visit}/accept")
    move = page_browser.get("Grace", f"{visit}/move")
    start = re.findall(r'name="start" value="([^"]+)"', move)[0]
    page_browser.post("Grace", f"{visit}/move", start=start)
    page_browser.post("Amina", f"{visit}/accept")
    page_browser.post("Amina", f"{visit}/cannot-come", who=str(school_fixture.educators["Amina"]))
    page_browser.post("coordinator", f"{visit}/office/partner", partner=str(school_fixture.educators["Hoa"]))
    page_browser.post("Hoa", f"{visit}/accept")
    page_browser.post("Grace", f"{visit}/cancel")
    page_browser.post("Grace", f"{visit}/cancel", 422)
    assert "Canceled" in page_browser.get("coordinator", f"{visit}/office")


def test_pages_show_current_facts_to_educators_who_cannot_come(page_browser: PageBrowser) -> None:
    visit = f"/visits/{arrange(page_browser.school_fixture)}"
    start = load_visit(page_browser.school_fixture, int(visit.rsplit("/", 1)[1])).starts_at
    offered = page_browser.get("Grace", f"{visit}/move")
    assert "Move to this time" in offered
    assert f'value="{start.isoformat()}"' not in offered  # The current time is not offered.
    page_browser.post("Luis", f"{visit}/cannot-come", who=str(page_browser.school_fixture.educators["Luis"]))
    luis_page = page_browser.get("Luis", visit)
    assert "Grace is looking for a stand-in" in luis_page
    assert "the family gets a text" not in luis_page
    page_browser.post("Grace", "/me/opt-out")
    assert "Take part again" in page_browser.get(
        "Grace", f"/families/{page_browser.school_fixture.families['Nguyen']}/time"
    )


def test_weekly_hours_are_saved_and_invalid_input_is_kept(page_browser: PageBrowser) -> None:
    page = page_browser.get("Grace", "/hours")
    assert 'value="16:00"' in page
    invalid = {"day0-from1": "18:00", "day0-until1": "17:00", "day1-from1": "09:00", "day2-from1": "16:00"}
    page = page_browser.post("Grace", "/hours", 422, **invalid, **{"day2-until1": "16:20"})
    assert 'value="18:00"' in page
    page_browser.post("Grace", "/hours", 422, **{"day2-from1": "16:00", "day2-until1": "16:20"})
    overlap: dict[str, Any] = {
        "day3-from1": "08:00",
        "day3-until1": "10:00",
        "day3-from2": "09:00",
        "day3-until2": "11:00",
    }
    assert "overlap" in page_browser.post("Grace", "/hours", 422, **overlap)
    saturday: dict[str, Any] = {"day5-from1": "09:00", "day5-until1": "12:00"}
    page_browser.post("Grace", "/hours", **saturday)
    page = page_browser.get("Grace", f"/families/{page_browser.school_fixture.families['Rivera']}/time")
    assert "Grace Test isn’t available that day" in page


def test_pages_of_other_educators_return_404(page_browser: PageBrowser) -> None:
    visit_id = arrange(page_browser.school_fixture)
    rivera = page_browser.school_fixture.families["Rivera"]
    for path in (f"/families/{rivera}/time", f"/visits/{visit_id}", f"/visits/{visit_id}/move", "/visits/999"):
        page_browser.get("Hoa", path, 404)
    page_browser.get("Luis", f"/families/{rivera}/time")  # The partner of the visit may open it too.
    page_browser.get("Grace", f"/visits/{visit_id}/office", 403)
    complete_visit(page_browser.school_fixture, visit_id)
    page_browser.get("Hoa", f"/visits/{visit_id}/reflect", 404)


def test_invited_partner_who_does_not_accept_sees_no_family_data(page_browser: PageBrowser) -> None:
    school_fixture, visit = page_browser.school_fixture, book(page_browser.school_fixture)
    family = school_fixture.families["Rivera"]
    page_browser.get("Luis", f"/families/{family}/time", 404)
    page_browser.get("Luis", f"/visits/{visit}/reflect", 303)
    page_browser.post("Luis", f"/visits/{visit}/decline")
    page_browser.get("Luis", f"/families/{family}/time", 404)
    page_browser.post("Grace", f"/visits/{visit}/cancel")
    assert "Rivera" not in page_browser.get("Luis", f"/visits/{visit}")


def test_home_address_is_hidden_when_the_visit_is_elsewhere(page_browser: PageBrowser) -> None:
    visit = arrange(page_browser.school_fixture, place_type="neutral")
    page_browser.at(page_browser.school_fixture.time_at(7, 16))
    assert "Main Street" not in page_browser.get("Grace", f"/visits/{visit}")
