"""F15: quiet hours, quiet days and caps: which messages wait, and for how long."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from homevisits.core.db import Database
from homevisits.messages.dispatch.quiet_hours import Limits
from homevisits.messages.models import QuietDay
from tests.faults.helpers import MORNING, NIGHT, REMINDER, reminder
from tests.messages.conftest import NOW, Recorder, dispatch, enqueue, load_messages, planned_message, states


def test_f15_message_at_night_waits_for_the_morning_and_replies_do_not(database: Database) -> None:
    night = {"not_before": NIGHT, "to": "+15555550102"}
    enqueue(
        database, reminder(not_before=NIGHT), planned_message("answer", expires_at=NIGHT + timedelta(hours=1), **night)
    )
    provider = Recorder()
    dispatch(database, provider, NIGHT)
    assert [to for to, _, _ in provider.sent] == ["+15555550102"]
    held = load_messages(database)[0]
    assert (held.state, held.hold_reason, held.next_at) == ("held", "quiet", MORNING)
    assert dispatch(database, provider, MORNING - timedelta(seconds=1)) == {}
    assert dispatch(database, provider, MORNING) == {"accepted": 1}


@pytest.mark.parametrize("zone", ["America/New_York", "America/Anchorage", None])
def test_f15_quiet_hours_use_the_familys_time_zone(database: Database, zone: str | None) -> None:
    enqueue(database, reminder(zone=zone))
    dispatch(database, Recorder(), NOW)  # nine in Denver, eleven in New York, seven in Anchorage
    assert states(database) == (["held"] if zone == "America/Anchorage" else ["accepted"])


def test_f15_quiet_day_holds_automatic_messages_and_not_written_messages(database: Database) -> None:
    with database.transaction() as session:
        session.add(QuietDay(school_id=None, day=date(2026, 10, 5), name="District day", at=NOW))
    typed: dict[str, Any] = {"template": "written", "body": "Hello", "params": {}}
    enqueue(database, reminder(), planned_message("typed", to="+15555550102", **typed))
    dispatch(database, Recorder(), NOW)
    first, second = load_messages(database)
    assert (first.state, first.hold_reason, first.next_at) == ("held", "quiet", MORNING)
    assert (second.state, second.category, second.body) == ("accepted", "written", "Hello")


def test_f15_urgent_message_is_sent_at_night_only_with_a_name_and_a_reason(database: Database) -> None:
    urgent: dict[str, Any] = {"template": "written", "category": "urgent", "not_before": NIGHT, "params": {},
                              "expires_at": NIGHT + timedelta(days=2)}  # fmt: skip
    enqueue(
        database,
        planned_message("a", body="Snow: nobody comes tomorrow at eight.", urgent_by=7, urgent_reason="snow", **urgent),
        planned_message("b", body="Anything.", to="+15555550102", **urgent),
    )
    dispatch(database, Recorder(), NIGHT)
    assert states(database) == ["accepted", "held"]


def test_f15_message_that_would_be_too_late_in_the_morning_expires(database: Database) -> None:
    enqueue(database, reminder(not_before=NIGHT, expires_at=MORNING))
    dispatch(database, Recorder(), NIGHT)
    row = load_messages(database)[0]
    assert (row.state, row.error) == ("expired", "quiet")


def test_message_in_the_last_minute_of_a_window_waits_for_the_next_window(database: Database) -> None:
    late = datetime.fromisoformat("2026-10-05T19:59:00-06:00")
    enqueue(database, reminder(not_before=late))
    dispatch(database, Recorder(), late)
    assert load_messages(database)[0].next_at == MORNING


def test_phone_gets_at_most_three_automatic_messages_a_day_and_eight_a_week(database: Database) -> None:
    limits = Limits()
    days = [NOW + timedelta(days=day) for day in range(7)]
    enqueue(database, *(reminder(f"{n}", params={**REMINDER, "time": f"{n} pm"}) for n in range(12)))
    provider, sent_by_day = Recorder(), []
    for day in days:
        before = len(provider.sent)
        dispatch(database, provider, day, limits=limits)
        sent_by_day.append(len(provider.sent) - before)
    assert sent_by_day == [3, 3, 2, 0, 0, 0, 0]
    held = [row for row in load_messages(database) if row.state == "held"]
    assert {row.hold_reason for row in held} == {"cap"}
    assert min(row.next_at for row in held) == NOW + timedelta(days=7)
    enqueue(database, planned_message("answer", expires_at=NOW + timedelta(days=8)))
    assert dispatch(database, provider, days[-1], limits=limits) == {"accepted": 1}


def test_message_that_cannot_wait_for_the_cap_is_dead_at_once(database: Database) -> None:
    enqueue(database, *(reminder(f"{n}", params={**REMINDER, "time": f"{n} pm"}) for n in range(3)))
    dispatch(database, Recorder(), NOW, limits=Limits())
    enqueue(database, reminder("soon", expires_at=NOW + timedelta(hours=3)))
    dispatch(database, Recorder(), NOW, limits=Limits())
    row = load_messages(database)[3]
    assert (row.state, row.error) == ("dead", "cap")


def test_two_reminders_of_a_visit_are_both_sent_but_not_together(database: Database) -> None:
    later = NOW + timedelta(hours=5)
    enqueue(database, reminder("24"), reminder("3", not_before=later), reminder("1", not_before=later))
    dispatch(database, Recorder(), NOW)
    dispatch(database, Recorder(), later)
    assert states(database) == ["accepted", "accepted", "dead"]
    enqueue(database, reminder("a", to="+15555550102"), reminder("b", to="+15555550102", not_before=later))
    dispatch(database, Recorder(), later)  # no worker ran until now
    assert [(row.state, row.error) for row in load_messages(database)[3:]] == [
        ("accepted", None),
        ("cancelled", "repeated"),
    ]


def test_same_text_twice_a_day_is_refused_unless_another_message_was_between(database: Database) -> None:
    enqueue(database, reminder("a"), reminder("b"))
    dispatch(database, Recorder(), NOW)
    assert [(row.state, row.error) for row in load_messages(database)] == [("accepted", None), ("dead", "repeated")]
    enqueue(database, reminder("c", params={**REMINDER, "time": "7 pm"}))
    dispatch(database, Recorder(), NOW + timedelta(minutes=1))
    enqueue(database, reminder("d"))
    dispatch(database, Recorder(), NOW + timedelta(minutes=2))
    assert states(database)[2:] == ["accepted", "accepted"]
