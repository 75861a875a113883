from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from homevisits.calendars.feed import CalendarEntry, EventStatus, FeedLabels, compute_etag, render_feed

START = datetime(2026, 10, 6, 22, 30, tzinfo=UTC)
ENTRY = CalendarEntry(
    uid="3f6c@homevisits",
    starts_at=START,
    ends_at=START + timedelta(minutes=45),
    status=EventStatus.CONFIRMED,
    version=3,
    updated_at=datetime(2026, 9, 30, 8, 0, tzinfo=UTC),
    url="https://visits.example.org/visits/17",
    colleagues=("Sam Lee",),
)


def unfold_lines(content: bytes) -> list[str]:
    return content.decode().replace("\r\n ", "").split("\r\n")


def parse_event(content: bytes) -> dict[str, str]:
    content_lines = unfold_lines(content)
    start, end = content_lines.index("BEGIN:VEVENT"), content_lines.index("END:VEVENT")
    return dict(reversed([line.split(":", 1) for line in content_lines[start + 1 : end]]))


def test_equal_visits_give_equal_bytes() -> None:
    assert render_feed([ENTRY], FeedLabels()) == render_feed([replace(ENTRY)], FeedLabels())


def test_times_are_converted_to_utc() -> None:
    denver = timezone(timedelta(hours=-6))
    shifted = replace(ENTRY, starts_at=START.astimezone(denver))
    assert parse_event(render_feed([shifted], FeedLabels()))["DTSTART"] == "20261006T223000Z"
    assert b"TZID" not in render_feed([shifted], FeedLabels())


def test_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        render_feed([replace(ENTRY, starts_at=START.replace(tzinfo=None))], FeedLabels())


def test_calendar_has_no_uid_and_no_method() -> None:
    head = unfold_lines(render_feed([ENTRY], FeedLabels()))
    head = head[: head.index("BEGIN:VEVENT")]
    assert not [line for line in head if line.startswith(("UID", "METHOD"))]


def test_refresh_interval_has_value_duration() -> None:
    assert "REFRESH-INTERVAL;VALUE=DURATION:PT1H" in unfold_lines(render_feed([], FeedLabels()))


def test_dtstamp_is_the_last_change_and_sequence_is_the_version() -> None:
    properties = parse_event(render_feed([ENTRY], FeedLabels()))
    assert properties["DTSTAMP"] == properties["LAST-MODIFIED"] == "20260930T080000Z"
    assert properties["SEQUENCE"] == "3"


def test_cancelled_visit_has_a_marked_title_and_is_transparent() -> None:
    properties = parse_event(render_feed([replace(ENTRY, status=EventStatus.CANCELLED)], FeedLabels()))
    assert properties["SUMMARY"] == "Canceled: Home visit with Sam Lee"
    assert properties["STATUS"] == "CANCELLED"
    assert properties["TRANSP"] == "TRANSPARENT"
    assert "BEGIN" not in properties


def test_feed_without_visits_is_a_valid_calendar() -> None:
    read = Calendar.from_ical(render_feed([], FeedLabels()))
    assert read.errors == []
    assert read["VERSION"] == "2.0"
    assert list(read.walk("VEVENT")) == []


def test_calendar_entry_has_no_family_fields() -> None:
    names = {field.name for field in fields(CalendarEntry)}
    assert names == {"uid", "starts_at", "ends_at", "status", "version", "updated_at", "url", "colleagues"}


def test_lines_are_folded_at_75_octets_and_end_in_crlf() -> None:
    content = render_feed([replace(ENTRY, colleagues=("Ñandú " * 30,))], FeedLabels())
    assert content.endswith(b"END:VCALENDAR\r\n")
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))


def test_line_break_in_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        render_feed([replace(ENTRY, url="https://x\r\nATTENDEE:mailto:a@b")], FeedLabels())


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1), max_size=2))
def test_escaped_names_are_read_back_unchanged(names: list[str]) -> None:
    entry = replace(ENTRY, colleagues=tuple(names))
    (read,) = Calendar.from_ical(render_feed([entry], FeedLabels())).walk("VEVENT")
    expected = f"Home visit with {', '.join(names)}" if names else "Home visit"
    assert str(read["SUMMARY"]) == expected.replace(r"\N", "\n")
    assert read.errors == []


def test_icalendar_reads_every_visit_back() -> None:
    starts = [START + timedelta(days=day) for day in range(200)]
    entries = [
        replace(ENTRY, uid=f"v{day}", starts_at=start, ends_at=start + timedelta(hours=1))
        for day, start in enumerate(starts)
    ]
    read = Calendar.from_ical(render_feed(entries, FeedLabels()))
    actual = {str(e["UID"]): (e.start, e.end, e["SEQUENCE"]) for e in read.walk("VEVENT")}
    assert actual == {e.uid: (e.starts_at, e.ends_at, 3) for e in entries}


def test_etag_depends_on_every_part() -> None:
    assert compute_etag(("a", "bc")) != compute_etag(("ab", "c"))
    assert compute_etag((1, "x")) == compute_etag((1, "x"))
