"""A private calendar feed as bytes (RFC 5545, 7986): pure, and the same bytes for the same visits.

What follows was measured on real clients, not read in the standard alone:

- every time is UTC: zones written by icalendar's ``add_missing_timezones`` put visits an hour off in Thunderbird;
- no UID on the calendar itself: vdirsyncer then keeps one event of many;
- ``REFRESH-INTERVAL`` carries ``VALUE=DURATION``: strict clients refuse it otherwise;
- no METHOD: this is a feed, not an invitation;
- DTSTAMP is the moment of the last change, so that an unchanged feed is an unchanged ETag;
- a cancelled visit stays for a while, says so in its title, and takes up no time: some clients ignore STATUS.

A subscribed feed is copied to other companies' servers and shared calendars, so an `Entry` has no place for a family's
name, address, language or phone. icalendar does the two things that go wrong by hand: escaping and folding.
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

SHOW_PAST_VISITS_FOR = timedelta(days=90)
"""How far back a feed reaches: it must not grow with the years."""

SHOW_CANCELLED_VISITS_FOR = timedelta(days=14)
"""How long a cancelled visit is still listed, as cancelled: clients drop what is gone, or keep it for ever."""

MAX_LINE_BYTES = 74
"""A content line longer than this is folded."""


class EventStatus(StrEnum):
    """How sure a visit is, in the calendar's words."""

    TENTATIVE = "TENTATIVE"
    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class CalendarEntry:
    """One visit as its visitor's calendar shows it. Nothing about the family: see above."""

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
    """The feed's few words, in the reader's language. ``visit_with`` has one place: ``%(colleagues)s``."""

    name: str = "Home visits"
    visit: str = "Home visit"
    visit_with: str = "Home visit with %(colleagues)s"
    cancelled: str = "Cancelled: %(visit)s"


def render_feed(entries: Iterable[CalendarEntry], words: FeedLabels) -> bytes:
    """The whole feed. Entries keep the order given; none at all is a valid, empty calendar (a revoked address)."""
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
    """A strong ETag of everything a feed's bytes depend on: equal parts, equal bytes."""
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
        raise ValueError(f"a moment needs its time zone: {moment!r}")
    m = moment.astimezone(UTC)
    return f"{m.year:04}{m.month:02}{m.day:02}T{m.hour:02}{m.minute:02}{m.second:02}Z"


def _escape_text(value: str) -> str:
    return vText(value).to_ical().decode()


def _fold_line(line: str) -> str:
    if "\r" in line or "\n" in line:
        raise ValueError(f"a calendar line may not hold a line break: {line!r}")
    # Octets, not characters, are counted; a short line is by far the common case.
    if len(line.encode()) <= MAX_LINE_BYTES:
        return line
    folded: bytes = Contentline(line).to_ical()  # type: ignore[no-untyped-call]
    return folded.decode()
