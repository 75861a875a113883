"""Messages planned for a visit; planning is a pure function of the visit."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from homevisits.core import local_time
from homevisits.messages.templates import catalog
from homevisits.visits.actions import effects
from homevisits.visits.notifications import Recipient, VisitFacts, format_day, format_time, plan

NOW = datetime(2026, 10, 5, 15, 0, tzinfo=UTC)
VISIT = VisitFacts(
    id=17,
    version=2,
    state="scheduled",
    school="Lincoln",
    people=("Grace Ochoa", "Luis Ortega"),
    day=date(2026, 10, 8),
    start=time(18, 15),
    starts_at=datetime(2026, 10, 9, 0, 15, tzinfo=UTC),
    phone="+15555550101",
    language="es",
    is_known_to_family=True,
)


def templates(visit: VisitFacts, now: datetime = NOW, **more: object) -> list[str]:
    return [message.template for message in plan(visit, (24, 2), now, **more)]  # type: ignore[arg-type]


def test_scheduled_visit_gets_a_question_and_two_reminders() -> None:
    messages = plan(VISIT, (24, 2), NOW)
    assert [message.template for message in messages] == ["visit_confirm", "visit_reminder", "visit_reminder"]
    assert [VISIT.starts_at - message.not_before for message in messages[1:]] == [
        timedelta(hours=24),
        timedelta(hours=2),
    ]
    assert {message.question for message in messages} == {"visit:17"}
    assert {message.expires_at for message in messages} == {VISIT.starts_at}
    assert messages[0].params["people"] == "Grace Ochoa y Luis Ortega"


@pytest.mark.parametrize(
    ("other", "language", "expected"),
    [
        ("Inés Vega", "es", "Ana Paz e Inés Vega"),
        ("Hilda Vega", "es", "Ana Paz e Hilda Vega"),
        ("Ian Berg", "es", "Ana Paz y Ian Berg"),
        ("Hugo Vega", "es", "Ana Paz y Hugo Vega"),
        ("Ida Berg", "en", "Ana Paz and Ida Berg"),
        ("Ida Berg", "so", "Ana Paz & Ida Berg"),
    ],
)
def test_two_names_are_joined_by_the_rules_of_the_language(other: str, language: str, expected: str) -> None:
    messages = plan(replace(VISIT, people=("Ana Paz", other), language=language), (24, 2), NOW)
    assert messages[0].params["people"] == expected


@pytest.mark.parametrize(
    ("state", "known", "expected"),
    [
        ("proposed", False, []),
        ("proposed", True, []),
        ("confirmed", True, ["visit_see_you", "visit_see_you"]),
        ("completed", True, ["visit_thanks"]),
        ("completed", False, []),
        ("family_away", True, []),
        ("cancelled_by_family", True, []),
        ("cancelled_by_educator", True, ["visit_cancelled"]),
        ("cancelled_by_educator", False, []),
        ("not_held", True, []),
    ],
)
def test_planned_templates_depend_on_the_state(state: str, known: bool, expected: list[str]) -> None:
    assert templates(replace(VISIT, state=state, is_known_to_family=known)) == expected


def test_family_without_a_phone_gets_no_messages() -> None:
    assert templates(replace(VISIT, phone=None)) == []


def test_new_visit_version_gets_new_message_keys() -> None:
    before = {message.key for message in plan(VISIT, (24, 2), NOW)}
    after = {message.key for message in plan(replace(VISIT, version=3), (24, 2), NOW, moved=True)}
    assert not before & after
    assert templates(VISIT, moved=True)[0] == "visit_moved"


def test_planning_is_deterministic() -> None:
    assert plan(VISIT, (24, 2), NOW) == plan(VISIT, (24, 2), NOW)


def test_reminder_right_after_the_question_is_skipped() -> None:
    late = VISIT.starts_at - timedelta(hours=24, minutes=30)
    assert templates(VISIT, late) == ["visit_confirm", "visit_reminder"]


def test_reminder_lead_time_is_elapsed_hours_across_a_clock_change() -> None:
    day = date(2026, 11, 1)  # Clocks go back at 2 am in Denver.
    starts_at = local_time.to_utc(day, time(17), "America/Denver")
    assert starts_at is not None
    reminder = plan(replace(VISIT, day=day, starts_at=starts_at), (24,), NOW)[1]
    assert starts_at - reminder.not_before == timedelta(hours=24)
    assert local_time.to_local(reminder.not_before, "America/Denver").hour == 18


def test_days_and_times_use_the_language_of_the_family() -> None:
    assert (format_day(VISIT.day, "en"), format_time(VISIT.start, "en")) == ("Thu, Oct 8", "6:15 pm")
    assert (format_day(VISIT.day, "es"), format_time(VISIT.start, "es")) == ("jueves 8 de octubre", "6:15 pm")


def test_other_languages_use_local_days_and_no_english_and() -> None:
    assert format_day(VISIT.day, "vi") == "Th 5 8 thg 10"
    assert format_day(VISIT.day, "hmn") == "10/8"
    for language in ("ar", "hmn", "so", "vi"):
        names = [str(message.params["people"]) for message in plan(replace(VISIT, language=language), (24,), NOW)]
        assert names
        assert not any(" and " in people for people in names)


GRACE = Recipient(educator_id=1, state="coming", phone="+15555550201", language="en", partner="Luis")
LUIS = Recipient(educator_id=2, state="coming", phone="+15555550202", language="es", partner="Grace")
PAIR = replace(VISIT, phone=None, pair=(GRACE, LUIS), zone="America/Denver", school_id=4)


def to_staff(visit: VisitFacts, now: datetime = NOW) -> list[tuple[str, str, str]]:
    return [(message.to[-3:], message.language, message.template) for message in plan(visit, (24, 2), now)]


def test_each_educator_gets_a_single_reminder_in_their_language() -> None:
    assert to_staff(PAIR) == [("201", "en", "staff_reminder"), ("202", "es", "staff_reminder")]
    messages = plan(PAIR, (24, 2), NOW)
    assert {PAIR.starts_at - message.not_before for message in messages} == {timedelta(hours=24)}
    assert {(message.category, message.question, message.zone, message.school_id) for message in messages} == {
        ("staff", None, "America/Denver", 4)
    }
    assert messages[1].params == {
        "school": "Lincoln",
        "partner": "Grace",
        "day": "jueves 8 de octubre",
        "time": "6:15 pm",
        "visit": 17,
    }
    assert [message.key.rpartition(":")[0] for message in messages] == ["v2:staff-reminder:e1", "v2:staff-reminder:e2"]


@pytest.mark.parametrize(
    ("changes", "lead", "partner", "expected"),
    [
        ({"state": "proposed", "last_event": "booked", "last_event_by": 1}, "coming", "asked", ["202 staff_asked"]),
        ({"state": "proposed", "last_event": "stand_in", "last_event_by": 1}, "coming", "asked", ["202 staff_asked"]),
        ({"state": "proposed", "last_event": "moved", "last_event_by": 1}, "coming", "asked", ["202 staff_moved"]),
        ({"state": "proposed", "last_event": "moved"}, "asked", "asked", ["201 staff_moved", "202 staff_moved"]),
        (
            {"state": "proposed", "last_event": "declined", "last_event_by": 2},
            "coming",
            "declined",
            ["201 staff_stand_in"],
        ),
        ({"state": "proposed", "last_event": "cannot_come", "last_event_by": 1}, "coming", "unable", []),
        ({"state": "proposed", "last_event": "withdrew"}, "withdrawn", "coming", ["202 staff_stand_in"]),
        (
            {"state": "cancelled_by_educator", "last_event": "cancelled", "last_event_by": 1},
            "coming",
            "coming",
            ["202 staff_cancelled"],
        ),
        (
            {"state": "cancelled_by_family", "last_event": "family_not_now"},
            "coming",
            "asked",
            ["201 staff_cancelled", "202 staff_cancelled"],
        ),
        (
            {"state": "cancelled_by_educator", "last_event": "never_came_about"},
            "coming",
            "declined",
            ["201 staff_cancelled"],
        ),
        ({"state": "completed"}, "coming", "coming", []),
        ({"state": "family_away"}, "coming", "coming", []),
        ({"state": "not_held"}, "coming", "coming", []),
    ],
)
def test_educators_are_notified_of_changes_by_others_only(
    changes: dict[str, object], lead: str, partner: str, expected: list[str]
) -> None:
    pair = (replace(GRACE, state=lead), replace(LUIS, state=partner))
    visit = replace(PAIR, pair=pair, **changes)  # type: ignore[arg-type]
    assert [f"{to} {template}" for to, _language, template in to_staff(visit)] == expected


def test_late_arrangement_uses_the_earliest_possible_reminder() -> None:
    late = VISIT.starts_at - timedelta(hours=20)
    (message,) = plan(replace(PAIR, pair=(GRACE,)), (24, 2), late)
    assert VISIT.starts_at - message.not_before == timedelta(hours=2)
    assert plan(replace(PAIR, pair=(GRACE,)), (), NOW) == []


def test_no_staff_message_without_a_number_or_after_the_start() -> None:
    assert to_staff(replace(PAIR, pair=(replace(GRACE, phone=None), LUIS))) == [("202", "es", "staff_reminder")]
    cancelled = replace(PAIR, state="cancelled_by_educator", last_event="cancelled")
    assert to_staff(cancelled, PAIR.starts_at) == []


def test_thank_you_is_sent_the_next_local_morning_or_not_at_all() -> None:
    visit = replace(VISIT, state="completed", zone="America/Denver")
    evening = VISIT.starts_at + timedelta(hours=2)
    (thanks,) = plan(visit, (24, 2), evening, morning=time(9, 30))
    assert local_time.to_local(thanks.not_before, "America/Denver").isoformat() == "2026-10-09T09:30:00-06:00"
    assert thanks.question is None
    assert templates(visit, VISIT.starts_at + timedelta(days=4)) == []


def test_family_that_left_gets_visit_off_instead_of_visit_cancelled() -> None:
    assert templates(replace(VISIT, state="cancelled_by_educator", last_event="family_left")) == ["visit_off"]


@pytest.mark.parametrize("last", ["cancelled", "family_left"])
def test_cancellation_expires_at_the_start_and_is_not_planned_later(last: str) -> None:
    off = replace(VISIT, state="cancelled_by_educator", last_event=last)
    for now in (NOW, VISIT.starts_at - timedelta(seconds=1)):
        assert [message.expires_at for message in plan(off, (24, 2), now)] == [VISIT.starts_at]
    for now in (VISIT.starts_at, VISIT.starts_at + timedelta(hours=1)):
        assert plan(off, (24, 2), now) == []


def test_changed_phone_gets_new_keys_without_the_number_in_them() -> None:
    before = {message.key for message in plan(VISIT, (24,), NOW)}
    after = {message.key for message in plan(replace(VISIT, phone="+15555550109"), (24,), NOW)}
    assert not before & after
    assert not any("5555550" in key for key in before | after)


@pytest.mark.parametrize(
    ("day", "at", "zone", "hours", "expected"),
    [
        (date(2026, 3, 8), time(16), "America/Denver", 24, "2026-03-07T15:00:00-07:00"),  # 2 am is skipped
        (date(2026, 11, 1), time(16), "America/Denver", 24, "2026-10-31T17:00:00-06:00"),  # 1 am occurs twice
        (date(2026, 3, 8), time(3, 30), "America/Denver", 2, "2026-03-08T00:30:00-07:00"),
        (date(2026, 11, 1), time(3), "America/Chicago", 2, "2026-11-01T01:00:00-06:00"),
        (date(2026, 11, 1), time(16), "America/Phoenix", 24, "2026-10-31T16:00:00-07:00"),
    ],
)
def test_reminder_lead_time_is_exact_across_both_clock_changes(
    day: date, at: time, zone: str, hours: int, expected: str
) -> None:
    starts_at = local_time.to_utc(day, at, zone)
    assert starts_at is not None
    long_before = starts_at - timedelta(days=5)
    visit = replace(VISIT, state="confirmed", day=day, start=at, starts_at=starts_at, zone=zone)
    (reminder,) = plan(visit, (hours,), long_before)
    assert local_time.to_local(reminder.not_before, zone).isoformat() == expected
    assert reminder.params["time"] == format_time(at, "es")


def test_language_without_reminder_for_confirmed_visits_gets_the_general_one(monkeypatch: pytest.MonkeyPatch) -> None:
    message = plan(replace(VISIT, state="confirmed"), (24,), NOW)[0]
    assert effects._available(message).template == "visit_see_you"
    monkeypatch.setattr(catalog, "is_approved", lambda _language, template: template != "visit_see_you")
    assert effects._available(message).template == "visit_reminder"
