"""Steps of the end-to-end test for a visit: book, accept, confirm, calendar, attest, reflect."""

import re
import urllib.request
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import icalendar
from sqlalchemy import select

from homevisits.core import local_time
from homevisits.visits.models import Visit
from homevisits.web.formats import when
from tests.browser.application import RunningApplication
from tests.browser.browser_user import BrowserUser
from tests.browser.story_district import Home, StoryPeople

FEW = 5
"""Maximum number of taps to book a visit."""


def book_visit(house: RunningApplication, teacher: BrowserUser, cast: StoryPeople, home: Home) -> int:
    """Book a visit from My families in at most five taps, and return its id."""
    teacher.go("/families")
    teacher.taps = 0
    teacher.press(re.compile(f"^Find a time.*{home.name}")).reads(cast.partner.name)
    teacher.press(re.compile(f"^Book this and ask {cast.partner.first_name}")).reads(home.name, "First visit")
    teacher.press(f"Book, and ask {cast.partner.first_name}").reads("Booked. We are asking your partner now")
    assert teacher.taps <= FEW
    assert str(home.address) not in teacher.text
    return int(urlsplit(teacher.page.url).path.rsplit("/", 1)[-1])


def accept_and_confirm_visit(
    house: RunningApplication, teacher: BrowserUser, partner: BrowserUser, home: Home, visit_id: int
) -> Visit:
    """Accept as the partner, and confirm by text as the family."""
    before = len(house.texts_to(home.number))
    partner.go("/my-day").press("I'll come").reads("We are asking the family to confirm")
    house.work()
    question = house.texts_to(home.number)[before:]
    assert len(question) == 1
    house.text(home.number, "1")
    teacher.go(f"/visits/{visit_id}").reads("Family confirmed")
    return read_visit(house, visit_id)


def read_visit(house: RunningApplication, visit_id: int) -> Visit:
    """Return the visit from the database."""
    with house.database.reading() as session:
        found = session.scalars(select(Visit).where(Visit.id == visit_id)).one()
        session.expunge(found)
    return found


def check_calendar_feed(
    house: RunningApplication, teacher: BrowserUser, cast: StoryPeople, home: Home, visit: Visit
) -> None:
    """Check that a client without a session reads the visit in the feed, without the family's name."""
    teacher.go("/me/calendar").press("Create my calendar address")
    address = teacher.page.get_by_label("Address").input_value()
    with urllib.request.urlopen(address, timeout=20) as answer:
        tag, document = answer.headers["ETag"], answer.read()
    events = [event for event in icalendar.Calendar.from_ical(document).walk("VEVENT") if event["UID"]]
    (event,) = [event for event in events if event.decoded("DTSTART") == visit.starts_at]
    assert cast.partner.name in str(event["SUMMARY"])
    assert home.name not in document.decode()
    assert str(home.address).split(",")[0] not in document.decode()
    again = urllib.request.Request(address, headers={"If-None-Match": tag})
    try:
        urllib.request.urlopen(again, timeout=20)
    except urllib.error.HTTPError as unchanged:
        assert unchanged.code == 304
    else:
        raise AssertionError("an unchanged calendar was sent again")


def check_reminders(
    house: RunningApplication, teacher: BrowserUser, stranger: BrowserUser, home: Home, visit: Visit
) -> None:
    """Check the reminders, and that the pair sees the family's address shortly before the visit."""
    heard = len(house.texts_to(home.number))
    house.move_to(visit.starts_at - timedelta(hours=24))
    house.move_to(visit.starts_at - timedelta(minutes=40))
    assert len(house.texts_to(home.number)) == heard + 2
    teacher.go(f"/visits/{visit.id}").reads(str(home.address)).press("We are on our way")
    stranger.go("/visits").reads(home.name)
    assert str(home.address) not in stranger.text


def attest_visit(house: RunningApplication, teacher: BrowserUser, partner: BrowserUser, visit: Visit) -> None:
    """Report the visit as one educator, agree as the other, and write both reflections."""
    house.move_to(visit.ends_at + timedelta(minutes=20))
    teacher.go("/my-day").press("We met").press("Save").reads("Your partner can confirm it")
    partner.go("/my-day").press(re.compile("^Confirm"))
    partner.taps = 0
    partner.press("Yes, confirm this").reads("You both confirmed the visit")
    assert partner.taps == 1
    _write_reflection(partner, "She keeps bees with her uncle.", "Let her explain pollination.")
    teacher.go("/my-day").press(re.compile("^Reflect"))
    teacher.press("Save reflection").reads("Please fix 2 items")
    _write_reflection(teacher, "They read every night, in two languages.", "Books in both, every Friday.")
    teacher.go(f"/visits/{visit.id}").reads("Held", "You reflected on this visit")


def _write_reflection(one: BrowserUser, learned: str, will_do: str) -> None:
    one.write("What I learned", learned).write("What I will do", will_do).press("Save reflection").reads("Thank you")


def format_local_time(at: datetime, zone: str) -> str:
    """Format a time as English pages do."""
    return re.sub(r"[\s\u00a0\u202f]+", " ", when(local_time.to_local(at, zone), zone, "en"))
