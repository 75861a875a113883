"""The plan of texts, a pure function of the visit: nothing is said twice, nothing untrue stays in it."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from homevisits import clock
from homevisits.visits.texts import Visit, local_day, local_time, plan

NOW = datetime(2026, 10, 5, 15, 0, tzinfo=UTC)
VISIT = Visit(
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
    told=True,
)


def templates(visit: Visit, now: datetime = NOW, **more: object) -> list[str]:
    return [text.template for text in plan(visit, (24, 2), now, **more)]  # type: ignore[arg-type]


def test_an_arranged_visit_is_asked_about_and_reminded_of() -> None:
    texts = plan(VISIT, (24, 2), NOW)
    assert [text.template for text in texts] == ["visit_confirm", "visit_reminder", "visit_reminder"]
    assert [VISIT.starts_at - text.not_before for text in texts[1:]] == [timedelta(hours=24), timedelta(hours=2)]
    assert {text.asks for text in texts} == {"visit:17"}
    assert {text.expires_at for text in texts} == {VISIT.starts_at}
    assert texts[0].params["people"] == "Grace Ochoa y Luis Ortega"


@pytest.mark.parametrize(
    ("other", "language", "said"),
    [
        ("Inés Vega", "es", "Ana Paz e Inés Vega"),
        ("Hilda Vega", "es", "Ana Paz e Hilda Vega"),
        ("Ian Berg", "es", "Ana Paz y Ian Berg"),
        ("Hugo Vega", "es", "Ana Paz y Hugo Vega"),
        ("Ida Berg", "en", "Ana Paz and Ida Berg"),
        ("Ida Berg", "so", "Ana Paz & Ida Berg"),
    ],
)
def test_two_people_are_joined_as_the_language_does(other: str, language: str, said: str) -> None:
    texts = plan(replace(VISIT, people=("Ana Paz", other), language=language), (24, 2), NOW)
    assert texts[0].params["people"] == said


@pytest.mark.parametrize(
    ("state", "told", "expected"),
    [
        ("proposed", False, []),
        ("proposed", True, []),
        ("confirmed", True, ["visit_reminder", "visit_reminder"]),
        ("completed", True, []),
        ("family_away", True, []),
        ("cancelled_by_family", True, []),
        ("cancelled_by_educator", True, ["visit_cancelled"]),
        ("cancelled_by_educator", False, []),
    ],
)
def test_each_state_says_what_is_true_and_nothing_else(state: str, told: bool, expected: list[str]) -> None:
    assert templates(replace(VISIT, state=state, told=told)) == expected


def test_a_family_without_a_phone_gets_no_texts() -> None:
    assert templates(replace(VISIT, phone=None)) == []


def test_a_changed_visit_has_keys_of_its_own_so_that_its_new_time_is_said() -> None:
    before = {text.key for text in plan(VISIT, (24, 2), NOW)}
    after = {text.key for text in plan(replace(VISIT, version=3), (24, 2), NOW, moved=True)}
    assert not before & after
    assert templates(VISIT, moved=True)[0] == "visit_moved"


def test_the_same_visit_plans_the_same_texts_again() -> None:
    assert plan(VISIT, (24, 2), NOW) == plan(VISIT, (24, 2), NOW)


def test_a_reminder_that_would_follow_the_question_at_once_is_left_out() -> None:
    late = VISIT.starts_at - timedelta(hours=24, minutes=30)
    assert templates(VISIT, late) == ["visit_confirm", "visit_reminder"]


def test_reminders_are_elapsed_hours_also_across_a_change_of_clocks() -> None:
    day = date(2026, 11, 1)  # clocks go back at 2 am in Denver
    starts_at = clock.moment(day, time(17), "America/Denver")
    assert starts_at is not None
    reminder = plan(replace(VISIT, day=day, starts_at=starts_at), (24,), NOW)[1]
    assert starts_at - reminder.not_before == timedelta(hours=24)
    assert clock.local(reminder.not_before, "America/Denver").hour == 18


def test_days_and_hours_are_written_in_the_family_s_language() -> None:
    assert (local_day(VISIT.day, "en"), local_time(VISIT.start, "en")) == ("Thu 8 Oct", "6:15 pm")
    assert (local_day(VISIT.day, "es"), local_time(VISIT.start, "es")) == ("jue 8 oct", "6:15 pm")


def test_other_languages_have_their_own_days_and_no_english_word() -> None:
    assert local_day(VISIT.day, "vi") == "Th 5 8 thg 10"
    assert local_day(VISIT.day, "hmn") == "10/8"
    for language in ("ar", "hmn", "so", "vi"):
        said = [str(text.params["people"]) for text in plan(replace(VISIT, language=language), (24,), NOW)]
        assert said
        assert not any(" and " in people for people in said)
