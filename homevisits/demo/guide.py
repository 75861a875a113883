"""The guide in nine steps: role, action and page. Text only; the pages are those of the product.

The text may contain the names of the demo roles as placeholders, such as ``%(teacher)s``.
"""

from dataclasses import dataclass

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from homevisits.demo import accounts

PHONE = "phone"
CLOCK = "clock"


@dataclass(frozen=True)
class Part:
    """A role for quick sign-in."""

    part: str
    role: LazyString
    does: LazyString
    icon: str


@dataclass(frozen=True)
class Act:
    """An action in a step: role, page and task."""

    part: str
    path: str
    what: LazyString


@dataclass(frozen=True)
class Chapter:
    """A step of the guide."""

    title: LazyString
    acts: tuple[Act, ...]


PARTS = (
    Part(accounts.TEACHER, _l("Teacher"), _l("books visits with families of her class, logs them, reflects"), "sun"),
    Part(accounts.PARTNER, _l("Partner"), _l("another teacher who goes along: accepts, confirms, reflects"), "people"),
    Part(
        accounts.COORDINATOR,
        _l("Site coordinator"),
        _l("draws fairly, asks families, trains, approves first"),
        "chat-dots",
    ),
    Part(
        accounts.UNION,
        _l("Union coordinator"),
        _l("sees what was done and what is owed, approves second"),
        "clipboard-data",
    ),
    Part(
        accounts.LEAD,
        _l("District lead"),
        _l("roster, payroll, what can honestly be said of attendance"),
        "speedometer2",
    ),
)

STORY = (
    Chapter(_l("Roster"), (Act(accounts.LEAD, "/roster", _l("See what was imported from the student system.")),)),
    Chapter(
        _l("Trained and taking part"),
        (
            Act(accounts.COORDINATOR, "/people", _l("See who is certified, and record a training.")),
            Act(accounts.TEACHER, "/me", _l("Take part, or leave, at any time.")),
        ),
    ),
    Chapter(
        _l("Draw"),
        (Act(accounts.COORDINATOR, "/draws", _l("Draw for the class of %(partner)s; look at the public record.")),),
    ),
    Chapter(
        _l("Asked"),
        (
            Act(
                accounts.COORDINATOR,
                "/asking",
                _l("Ask the next family of the class of %(teacher)s, in its own language."),
            ),
            Act(PHONE, "/demo/phone", _l("Be the family: answer 1.")),
        ),
    ),
    Chapter(
        _l("Booked"),
        (
            Act(
                accounts.TEACHER,
                "/families",
                _l("Choose the family that said yes, %(partner)s as partner, and a time. Book it."),
            ),
            Act(accounts.PARTNER, "/my-day", _l("Accept.")),
            Act(PHONE, "/demo/phone", _l("Be the family: confirm with 1.")),
        ),
    ),
    Chapter(
        _l("Calendars and texts"),
        (
            Act(accounts.TEACHER, "/me/calendar", _l("Set up your private calendar.")),
            Act(CLOCK, "", _l("Jump to the reminder with the clock above, then look at the phone.")),
        ),
    ),
    Chapter(
        _l("Held"),
        (
            Act(CLOCK, "", _l("Jump to the start of the visit, then to its end.")),
            Act(accounts.TEACHER, "/my-day", _l("Say “We met”, then reflect.")),
            Act(accounts.PARTNER, "/my-day", _l("Confirm with one tap, then reflect.")),
        ),
    ),
    Chapter(
        _l("Paid"),
        (
            Act(accounts.TEACHER, "/pay", _l("See what you earned, and why.")),
            Act(accounts.COORDINATOR, "/approvals", _l("Approve first.")),
            Act(accounts.UNION, "/approvals", _l("Approve second.")),
            Act(accounts.LEAD, "/payroll", _l("Make the payroll file.")),
        ),
    ),
    Chapter(
        _l("Seen"),
        (
            Act(accounts.UNION, "/tally", _l("Visits, people, hours, dollars by school and month.")),
            Act(
                accounts.LEAD,
                "/attendance",
                _l("Attendance of visited and of other students. The page explains why it cannot show what visits do."),
            ),
        ),
    ),
)
