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


class Walk:
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
def walk(school_fixture: SchoolFixture) -> Walk:
    return Walk(school_fixture)


def find_links(page: str, part: str) -> list[str]:
    """Return the link addresses on a page that contain `part`."""
    return [address for address in re.findall(r'href="([^"]+)"', page) if part in address]


def test_visit_goes_from_booking_to_reflection_on_the_pages(walk: Walk) -> None:
    rivera = walk.school_fixture.families["Rivera"]
    assert "Rivera" in walk.get("Grace", "/my-day")
    families = walk.get("Grace", "/families")
    assert "Rivera" in families
    assert "Quiet" not in families  # A family without consent is not listed.
    (find,) = find_links(families, f"/families/{rivera}/time")  # tap 1
    times = walk.get("Grace", find)
    assert "Speaks Spanish" in times
    check = find_links(times, "/book?")[0]  # tap 2
    page = walk.get("Grace", check)
    fields = dict(re.findall(r'<input type="hidden" name="(partner|start|key)" value="([^"]*)"', page))
    visit = walk.post("Grace", f"/families/{rivera}/book", place_type="home", **fields)  # tap 3
    assert walk.post("Grace", f"/families/{rivera}/book", place_type="home", **fields) == visit
    assert "invites you to a visit" in walk.get("Luis", "/my-day")
    assert "Rivera" not in walk.get("Luis", "/my-day")
    assert "Rivera" not in walk.get("Luis", visit)
    walk.post("Luis", f"{visit}/accept")
    assert "Waiting for the family" in walk.get("Grace", visit)
    walk.post("coordinator", f"{visit}/office/family", answer="confirmed", how="phone")
    assert "Family confirmed" in walk.get("Luis", visit)
    stored = load_visit(walk.school_fixture, int(visit.rsplit("/", 1)[1]))
    walk.at(stored.starts_at)
    walk.post("Grace", f"{visit}/reflect", 422, learned="a", strengths="", will_do="b")
    walk.at(stored.ends_at)
    assert "We met" in walk.get("Grace", "/my-day")
    walk.post("Grace", f"{visit}/met", outcome="met", both_went="yes", times="planned", place_type="home", who="child")
    met = walk.get("Luis", f"{visit}/met")
    account = re.search(r'name="account" value="(\d+)"', met)
    assert account is not None
    assert walk.post("Luis", f"{visit}/agree", account=account[1]) == f"{visit}/reflect"
    assert "what did you learn?" in walk.get("Grace", "/my-day")
    for who in ("Grace", "Luis"):
        walk.post(who, f"{visit}/reflect", learned="They love maps.", strengths="", will_do="A map corner.")
    assert "what did you learn?" not in walk.get("Grace", "/my-day")
    assert "Visited" in walk.get("Grace", "/families")
    assert "Rivera" in walk.get("coordinator", "/visits?view=past")


def book_first_offer(walk: Walk) -> str:
    """Grace books the first time offered for the Rivera family; return the visit's address."""
    rivera = walk.school_fixture.families["Rivera"]
    page = walk.get("Grace", find_links(walk.get("Grace", f"/families/{rivera}/time"), "/book?")[0])
    fields = dict(re.findall(r'<input type="hidden" name="(partner|start|key)" value="([^"]*)"', page))
    return walk.post("Grace", f"/families/{rivera}/book", place_type="home", **fields)


def test_moved_visit_asks_both_whether_they_can_still_come(walk: Walk) -> None:
    visit = book_first_offer(walk)
    assert "invites you to a visit" in walk.get("Luis", "/my-day")
    walk.post("Luis", f"{visit}/accept")
    page = walk.get("coordinator", f"{visit}/office/move")
    start = re.search(r'name="start" value="([^"]+)"', page)
    assert start is not None
    walk.post("coordinator", f"{visit}/office/move", start=start[1])
    for who, other in (("Grace", "Luis"), ("Luis", "Grace")):
        day = walk.get(who, "/my-day")
        assert f"Your visit with {other} moved to " in day
        assert "Can you still come?" in day
        assert "invites you" not in day


def test_history_names_who_accepted(walk: Walk) -> None:
    visit = book_first_offer(walk)
    walk.post("Luis", f"{visit}/accept")
    assert "Luis accepted" in walk.get("Grace", visit)
    assert "Luis accepted" in walk.get("coordinator", f"{visit}/office")


def test_early_report_waits_for_the_partner_on_my_day(walk: Walk) -> None:
    rivera = walk.school_fixture.families["Rivera"]
    page = walk.get("Grace", find_links(walk.get("Grace", f"/families/{rivera}/time"), "/book?")[0])
    fields = dict(re.findall(r'<input type="hidden" name="(partner|start|key)" value="([^"]*)"', page))
    visit = walk.post("Grace", f"/families/{rivera}/book", place_type="home", **fields)
    walk.post("Luis", f"{visit}/accept")
    walk.post("coordinator", f"{visit}/office/family", answer="confirmed", how="phone")
    walk.at(load_visit(walk.school_fixture, int(visit.rsplit("/", 1)[1])).starts_at + timedelta(minutes=20))
    assert "Waiting for you" not in walk.get("Luis", "/my-day")  # The visit is the first card of the day.
    form = {"both_went": "yes", "times": "planned", "place_type": "home", "who": "child"}
    walk.post("Grace", f"{visit}/met", outcome="met", **form)
    assert "Waiting for your partner" in walk.get("Grace", "/my-day")
    luis = walk.get("Luis", "/my-day")
    assert "Grace said how it went" in luis
    assert luis.count(f"{visit}/met") == 1
    walk.post("Luis", f"{visit}/met", outcome="family_away", both_went="yes", times="planned", place_type="home")
    for who in ("Grace", "Luis"):
        assert f"{visit}/met" in walk.get(who, "/my-day"), who


def test_refused_booking_lists_all_reasons_and_keeps_the_input(walk: Walk) -> None:
    rivera, luis = walk.school_fixture.families["Rivera"], walk.school_fixture.educators["Luis"]
    book(walk.school_fixture, family="Smith", at=walk.school_fixture.time_at(7, 16, 30))
    form = {"partner": str(luis), "start": walk.school_fixture.time_at(7, 16, 30).isoformat(), "place_type": "neutral"}
    page = walk.post("Grace", f"/families/{rivera}/book", 422, **form)
    assert 'id="problems"' in page
    assert "Luis Test is busy at that time" in page
    assert "Grace Test is busy at that time" in page
    assert re.search(r'value="neutral" checked', page)


def test_invalid_form_values_are_refused_without_an_error(walk: Walk) -> None:
    rivera = walk.school_fixture.families["Rivera"]
    visit = f"/visits/{arrange(walk.school_fixture)}"
    invalid_values = ("", "x", "9" * 40, "-1", "2026-13-45T99:99", "' OR 1=1")
    for value in invalid_values:
        walk.post("Grace", f"/families/{rivera}/book", 422, partner=value, start=value, place_type=value)
        walk.get("Grace", f"/families/{rivera}/time?partner={value[:5]}&after={value}")
        walk.post("Grace", f"{visit}/move", 422, start=value)
        walk.post("Grace", f"{visit}/met", 422, outcome=value, times="other", started=value, ended=value)
        walk.post("coordinator", f"{visit}/office/family", 422, answer=value, how=value)
    page = walk.post("coordinator", f"{visit}/office/family", 422, answer="call_me", how="")
    assert re.search(r'value="call_me" checked', page)  # The choice is kept.


def test_address_is_shown_only_to_the_pair_around_the_visit(walk: Walk) -> None:
    school_fixture = walk.school_fixture
    visit_id = arrange(school_fixture, at=school_fixture.time_at(9, 16, 30))
    path = f"/visits/{visit_id}"
    assert "1 Main Street" not in walk.get("Grace", path)
    walk.at(school_fixture.time_at(8, 16, 30))
    for who in ("Grace", "Luis"):
        assert "1 Main Street" in walk.get(who, path)
    assert "1 Main Street" not in walk.get("coordinator", f"{path}/office")
    assert walk.browser("coordinator").get(path).location == f"{path}/office"
    walk.get("Hoa", path, 404)
    walk.get("Hoa", f"{path}/met", 404)
    walk.at(school_fixture.time_at(9, 20, 16))
    assert "1 Main Street" not in walk.get("Grace", path)


def test_first_visit_pages_show_no_grades_attendance_or_discipline(walk: Walk) -> None:
    school_fixture = walk.school_fixture
    rivera = school_fixture.families["Rivera"]
    pages = [walk.get("Grace", "/my-day"), walk.get("Grace", "/families")]
    pages.append(walk.get("Grace", f"/families/{rivera}/time"))
    visit_id = arrange(school_fixture)
    pages += [walk.get("Grace", f"/visits/{visit_id}{rest}") for rest in ("", "/move", "/met")]
    walk.at(school_fixture.time_at(7, 18))
    pages.append(walk.get("Grace", f"/visits/{visit_id}/met"))
    for page in pages:
        text = re.sub(r"<[^>]+>", " ", page.split('id="main"', 1)[1]).replace("no grades, no attendance", "").lower()
        assert [term for term in FORBIDDEN_ON_A_FIRST_VISIT if term in text] == []


def test_closed_day_shows_the_reasons_of_a_refused_booking(walk: Walk) -> None:
    page = walk.get(
        "Grace",
        f"/families/{walk.school_fixture.families['Rivera']}/time?partner={walk.school_fixture.educators['Soon']}",
    )
    assert "Soon Test is not certified on" in page
    assert "Families need at least 24 hours of notice" in page


def test_decline_replace_move_cannot_come_and_cancel_on_the_pages(walk: Walk) -> None:
    school_fixture = walk.school_fixture
    visit = f"/visits/{book(school_fixture)}"
    walk.post("Luis", f"{visit}/decline")
    assert "Find a stand-in" in walk.get("Grace", "/my-day")
    page = walk.get("Grace", f"{visit}/partner")
    assert "Amina" in page
    walk.post("Grace", f"{visit}/partner", partner=str(school_fixture.educators["Amina"]))
    walk.post("Amina", f"{visit}/accept")
    move = walk.get("Grace", f"{visit}/move")
    start = re.findall(r'name="start" value="([^"]+)"', move)[0]
    walk.post("Grace", f"{visit}/move", start=start)
    walk.post("Amina", f"{visit}/accept")
    walk.post("Amina", f"{visit}/cannot-come", who=str(school_fixture.educators["Amina"]))
    walk.post("coordinator", f"{visit}/office/partner", partner=str(school_fixture.educators["Hoa"]))
    walk.post("Hoa", f"{visit}/accept")
    walk.post("Grace", f"{visit}/cancel")
    walk.post("Grace", f"{visit}/cancel", 422)
    assert "Canceled" in walk.get("coordinator", f"{visit}/office")


def test_pages_show_current_facts_to_educators_who_cannot_come(walk: Walk) -> None:
    visit = f"/visits/{arrange(walk.school_fixture)}"
    start = load_visit(walk.school_fixture, int(visit.rsplit("/", 1)[1])).starts_at
    offered = walk.get("Grace", f"{visit}/move")
    assert "Move to this time" in offered
    assert f'value="{start.isoformat()}"' not in offered  # The current time is not offered.
    walk.post("Luis", f"{visit}/cannot-come", who=str(walk.school_fixture.educators["Luis"]))
    luis_page = walk.get("Luis", visit)
    assert "Grace is looking for a stand-in" in luis_page
    assert "the family gets a text" not in luis_page
    walk.post("Grace", "/me/opt-out")
    assert "Take part again" in walk.get("Grace", f"/families/{walk.school_fixture.families['Nguyen']}/time")


def test_weekly_hours_are_saved_and_invalid_input_is_kept(walk: Walk) -> None:
    page = walk.get("Grace", "/hours")
    assert 'value="16:00"' in page
    invalid = {"day0-from1": "18:00", "day0-until1": "17:00", "day1-from1": "09:00", "day2-from1": "16:00"}
    page = walk.post("Grace", "/hours", 422, **invalid, **{"day2-until1": "16:20"})
    assert 'value="18:00"' in page
    walk.post("Grace", "/hours", 422, **{"day2-from1": "16:00", "day2-until1": "16:20"})
    overlap: dict[str, Any] = {
        "day3-from1": "08:00",
        "day3-until1": "10:00",
        "day3-from2": "09:00",
        "day3-until2": "11:00",
    }
    assert "overlap" in walk.post("Grace", "/hours", 422, **overlap)
    saturday: dict[str, Any] = {"day5-from1": "09:00", "day5-until1": "12:00"}
    walk.post("Grace", "/hours", **saturday)
    page = walk.get("Grace", f"/families/{walk.school_fixture.families['Rivera']}/time")
    assert "Grace Test isn’t available that day" in page


def test_pages_of_other_educators_return_404(walk: Walk) -> None:
    visit_id = arrange(walk.school_fixture)
    rivera = walk.school_fixture.families["Rivera"]
    for path in (f"/families/{rivera}/time", f"/visits/{visit_id}", f"/visits/{visit_id}/move", "/visits/999"):
        walk.get("Hoa", path, 404)
    walk.get("Luis", f"/families/{rivera}/time")  # The partner of the visit may open it too.
    walk.get("Grace", f"/visits/{visit_id}/office", 403)
    complete_visit(walk.school_fixture, visit_id)
    walk.get("Hoa", f"/visits/{visit_id}/reflect", 404)


def test_invited_partner_who_does_not_accept_sees_no_family_data(walk: Walk) -> None:
    school_fixture, visit = walk.school_fixture, book(walk.school_fixture)
    family = school_fixture.families["Rivera"]
    walk.get("Luis", f"/families/{family}/time", 404)
    walk.get("Luis", f"/visits/{visit}/reflect", 303)
    walk.post("Luis", f"/visits/{visit}/decline")
    walk.get("Luis", f"/families/{family}/time", 404)
    walk.post("Grace", f"/visits/{visit}/cancel")
    assert "Rivera" not in walk.get("Luis", f"/visits/{visit}")


def test_home_address_is_hidden_when_the_visit_is_elsewhere(walk: Walk) -> None:
    visit = arrange(walk.school_fixture, place_type="neutral")
    walk.at(walk.school_fixture.time_at(7, 16))
    assert "Main Street" not in walk.get("Grace", f"/visits/{visit}")
