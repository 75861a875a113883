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
from tests.browser.story_district import StoryFamily, StoryPeople

MAX_BOOKING_TAPS = 5
"""Maximum number of taps to book a visit."""


def book_visit(application: RunningApplication, teacher: BrowserUser, people: StoryPeople, family: StoryFamily) -> int:
    """Book a visit from My families in at most five taps, and return its id."""
    teacher.go("/families")
    teacher.taps = 0
    teacher.press(re.compile(f"^Find a time.*{family.name}")).expect_text(people.partner.name)
    teacher.press(re.compile(f"^Book this and ask {people.partner.first_name}")).expect_text(family.name, "First visit")
    teacher.press(f"Book, and ask {people.partner.first_name}").expect_text("Booked. We are asking your partner now")
    assert teacher.taps <= MAX_BOOKING_TAPS
    assert str(family.address) not in teacher.text
    return int(urlsplit(teacher.page.url).path.rsplit("/", 1)[-1])


def accept_and_confirm_visit(
    application: RunningApplication, teacher: BrowserUser, partner: BrowserUser, family: StoryFamily, visit_id: int
) -> Visit:
    """Accept as the partner, and confirm by text as the family."""
    before = len(application.texts_to(family.number))
    partner.go("/my-day").press("I'll come").expect_text("We are asking the family to confirm")
    application.run_jobs()
    question = application.texts_to(family.number)[before:]
    assert len(question) == 1
    application.receive_text(family.number, "1")
    teacher.go(f"/visits/{visit_id}").expect_text("Family confirmed")
    return read_visit(application, visit_id)


def read_visit(application: RunningApplication, visit_id: int) -> Visit:
    """Return the visit from the database."""
    with application.database.reading() as session:
        visit = session.scalars(select(Visit).where(Visit.id == visit_id)).one()
        session.expunge(visit)
    return visit


def check_calendar_feed(
    application: RunningApplication, teacher: BrowserUser, people: StoryPeople, family: StoryFamily, visit: Visit
) -> None:
    """Check that a client without a session reads the visit in the feed, without the family's name."""
    teacher.go("/me/calendar").press("Create my calendar address")
    address = teacher.page.get_by_label("Address").input_value()
    with urllib.request.urlopen(address, timeout=20) as response:
        tag, document = response.headers["ETag"], response.read()
    events = [event for event in icalendar.Calendar.from_ical(document).walk("VEVENT") if event["UID"]]
    (event,) = [event for event in events if event.decoded("DTSTART") == visit.starts_at]
    assert people.partner.name in str(event["SUMMARY"])
    assert family.name not in document.decode()
    assert str(family.address).split(",")[0] not in document.decode()
    request = urllib.request.Request(address, headers={"If-None-Match": tag})
    try:
        urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as unchanged:
        assert unchanged.code == 304
    else:
        raise AssertionError("an unchanged calendar was sent again")


def check_reminders(
    application: RunningApplication, teacher: BrowserUser, other_user: BrowserUser, family: StoryFamily, visit: Visit
) -> None:
    """Check the reminders, and that the pair sees the family's address shortly before the visit."""
    text_count = len(application.texts_to(family.number))
    application.advance_to(visit.starts_at - timedelta(hours=24))
    application.advance_to(visit.starts_at - timedelta(minutes=40))
    assert len(application.texts_to(family.number)) == text_count + 2
    teacher.go(f"/visits/{visit.id}").expect_text(str(family.address)).press("We are on our way")
    other_user.go("/visits").expect_text(family.name)
    assert str(family.address) not in other_user.text


def attest_visit(application: RunningApplication, teacher: BrowserUser, partner: BrowserUser, visit: Visit) -> None:
    """Report the visit as one educator, agree as the other, and write both reflections."""
    application.advance_to(visit.ends_at + timedelta(minutes=20))
    teacher.go("/my-day").press("We met").press("Save").expect_text("Your partner can confirm it")
    partner.go("/my-day").press(re.compile("^Confirm"))
    partner.taps = 0
    partner.press("Yes, confirm this").expect_text("You both confirmed the visit")
    assert partner.taps == 1
    _write_reflection(partner, "She keeps bees with her uncle.", "Let her explain pollination.")
    teacher.go("/my-day").press(re.compile("^Reflect"))
    teacher.press("Save reflection").expect_text("Please fix 2 items")
    _write_reflection(teacher, "They read every night, in two languages.", "Books in both, every Friday.")
    teacher.go(f"/visits/{visit.id}").expect_text("Held", "You reflected on this visit")


def _write_reflection(user: BrowserUser, learned: str, will_do: str) -> None:
    user.write("What I learned", learned).write("What I will do", will_do).press("Save reflection").expect_text(
        "Thank you"
    )


def format_local_time(at: datetime, zone: str) -> str:
    """Format a time as English pages do."""
    return re.sub(r"[\s\u00a0\u202f]+", " ", when(local_time.to_local(at, zone), zone, "en"))
