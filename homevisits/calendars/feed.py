"""Render a private calendar feed (RFC 5545, RFC 7986). Pure; the same visits give the same bytes.

These choices come from tests with real clients:

- every time is UTC: zones written by icalendar's ``add_missing_timezones`` put visits an hour off in Thunderbird;
- no UID on the calendar itself: vdirsyncer then keeps one event of many;
- ``REFRESH-INTERVAL`` carries ``VALUE=DURATION``: strict clients refuse it otherwise;
- no METHOD: this is a feed, not an invitation;
- DTSTAMP is the moment of the last change, so that an unchanged feed is an unchanged ETag;
- a cancelled visit stays for 14 days, is transparent and has a title that shows it, as some clients ignore STATUS.

Subscribed feeds are copied to servers of other companies and to shared calendars, so `CalendarEntry` has no field for a
family's name, address, language or phone. icalendar does the escaping and folding.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256

from icalendar import vText
from icalendar.parser import Contentline

PURE = True

SHOW_PAST_VISITS_FOR = timedelta(days=90)  # keeps the size of a feed limited
# Some clients keep an event that disappears from the feed, so cancelled visits are listed as cancelled for a while.
SHOW_CANCELLED_VISITS_FOR = timedelta(days=14)
MAX_LINE_BYTES = 74  # longer content lines are folded


class EventStatus(StrEnum):
    """STATUS of a calendar event."""

    TENTATIVE = "TENTATIVE"
    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class CalendarEntry:
    """A visit in an educator's calendar, without any data of the family."""

    uid: str
    starts_at: datetime
    ends_at: datetime
    status: EventStatus
    version: int
    updated_at: datetime
    url: str
    colleagues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedLabels:
    """Texts of the feed in the educator's language. `visit_with` contains the placeholder `%(colleagues)s`."""

    name: str = "Home visits"
    visit: str = "Home visit"
    visit_with: str = "Home visit with %(colleagues)s"
    cancelled: str = "Canceled: %(visit)s"


def render_feed(entries: Iterable[CalendarEntry], words: FeedLabels) -> bytes:
    """Render the feed with the entries in the given order. Without entries it is a valid empty calendar."""
    name = _escape_text(words.name)
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Homevisits//Visits//EN",
        "CALSCALE:GREGORIAN",
        _fold_line(f"NAME:{name}"),
        _fold_line(f"X-WR-CALNAME:{name}"),
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
        "X-PUBLISHED-TTL:PT1H",
        "COLOR:teal",
    ]
    for entry in entries:
        lines += _render_event(entry, words)
    lines.append("END:VCALENDAR\r\n")
    return "\r\n".join(lines).encode()


def compute_etag(parts: Sequence[object]) -> str:
    """Return a strong ETag of `parts`, which must be all values that the bytes of the feed depend on."""
    return sha256(repr(tuple(parts)).encode()).hexdigest()[:32]


def _render_event(entry: CalendarEntry, words: FeedLabels) -> list[str]:
    changed = _format_utc(entry.updated_at)
    cancelled = entry.status is EventStatus.CANCELLED
    summary = _summary(entry.colleagues, cancelled, words)
    lines = [
        "BEGIN:VEVENT",
        _fold_line(f"SUMMARY:{summary}"),
        f"DTSTART:{_format_utc(entry.starts_at)}",
        f"DTEND:{_format_utc(entry.ends_at)}",
        f"DTSTAMP:{changed}",
        _fold_line(f"UID:{entry.uid}"),
        f"SEQUENCE:{entry.version}",
        f"LAST-MODIFIED:{changed}",
        f"STATUS:{entry.status.value}",
        f"TRANSP:{'TRANSPARENT' if cancelled else 'OPAQUE'}",
        _fold_line(f"URL:{entry.url}"),
    ]
    if not cancelled:
        lines += [
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            _fold_line(f"DESCRIPTION:{summary}"),
            "TRIGGER:-PT1H",
            "END:VALARM",
        ]
    lines.append("END:VEVENT")
    return lines


@lru_cache(maxsize=4096)
def _summary(colleagues: tuple[str, ...], cancelled: bool, words: FeedLabels) -> str:
    summary = words.visit_with % {"colleagues": ", ".join(colleagues)} if colleagues else words.visit
    return _escape_text(words.cancelled % {"visit": summary} if cancelled else summary)


def _format_utc(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError(f"the datetime has no time zone: {moment!r}")
    m = moment.astimezone(UTC)
    return f"{m.year:04}{m.month:02}{m.day:02}T{m.hour:02}{m.minute:02}{m.second:02}Z"


def _escape_text(value: str) -> str:
    return vText(value).to_ical().decode()


def _fold_line(line: str) -> str:
    if "\r" in line or "\n" in line:
        raise ValueError(f"a calendar line may not hold a line break: {line!r}")
    # The limit counts bytes. Most lines are short, and skipping icalendar for them saves time.
    if len(line.encode()) <= MAX_LINE_BYTES:
        return line
    folded: bytes = Contentline(line).to_ical()  # type: ignore[no-untyped-call]
    return folded.decode()
