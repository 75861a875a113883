"""Formats of days, hours and money, by language and time zone."""

from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from homevisits.app import create_app
from homevisits.core import clock
from homevisits.core.problems import Problem
from homevisits.core.settings import load_settings
from homevisits.web import formats
from homevisits.web.problem_wording import SENTENCES, describe_problem

MOMENT = datetime(2026, 10, 6, 22, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_2026() -> None:
    clock.set_source(lambda: MOMENT)


def test_times_are_in_the_schools_time_zone() -> None:
    assert formats.when(MOMENT, "America/Denver") == "Tue, Oct 6, 4:30 pm"
    assert formats.when(MOMENT, "America/New_York") == "Tue, Oct 6, 6:30 pm"
    assert formats.when(MOMENT, "Asia/Tokyo") == "Wed, Oct 7, 7:30 am"
    assert formats.when(MOMENT, "America/Denver", "es") == "mar 6 oct, 4:30 pm"
    assert formats.span(MOMENT, MOMENT.replace(hour=23, minute=15), "America/Denver") == "Tue, Oct 6, 4:30 pm – 5:15 pm"


@pytest.mark.parametrize(
    ("code", "english", "spanish"),
    [
        ("01", "Grade 1", "1.er grado"),
        ("02", "Grade 2", "2.º grado"),
        ("12", "Grade 12", "12.º grado"),
        ("KG", "Kindergarten", "Kínder"),
        ("UG", "Grade level UG", "Nivel UG"),
    ],
)
def test_grade_code_has_a_label(code: str, english: str, spanish: str, tmp_path: Path) -> None:
    app_settings = load_settings(
        {}, database_url=f"sqlite:///{tmp_path / 'g.sqlite'}", secret_key="k" * 40, public_url="http://127.0.0.1:1"
    )
    app = create_app(app_settings)
    for language, expected in (("en", english), ("es", spanish)):
        with app.test_request_context("/", headers={"Accept-Language": language}):
            assert formats.grade(code) == expected


def test_year_is_shown_if_it_is_not_the_current_year() -> None:
    assert formats.day(date(2025, 10, 6)) == "Mon, Oct 6, 2025"
    assert formats.day(date(2026, 10, 6), lang="es") == "mar 6 oct"
    assert formats.month(date(2026, 10, 1)) == "October 2026"
    assert formats.month(date(2026, 10, 1), "es") == "octubre de 2026"
    assert formats.hour(time(9, 5)) == "9:05 am"


@pytest.mark.parametrize(
    ("cents", "text"), [(0, "$0.00"), (6000, "$60.00"), (123456789, "$1,234,567.89"), (-5, "-$0.05"), (None, "—")]
)
def test_money_always_has_its_cents(cents: int | None, text: str) -> None:
    assert formats.money(cents) == text
    assert formats.money(cents, "es") == text


def test_minutes_are_formatted_as_hours() -> None:
    assert formats.hours(45) == "0.75"
    assert formats.hours(100) == "1.67"


def test_every_problem_sentence_ends_with_a_period_and_blames_no_person() -> None:
    for text in SENTENCES.values():
        assert text.endswith((".", "?", "”"))
        assert not any(word in text.lower() for word in ("invalid", "illegal", "failed", "error", "forgot"))


def test_unknown_problem_code_has_a_general_sentence() -> None:
    from homevisits.core.problems import Problem

    assert describe_problem(Problem("never heard of")).endswith(".")


def test_missing_fields_have_different_sentences() -> None:
    from homevisits.core.problems import Problem

    sentences = [
        describe_problem(Problem("missing", field))
        for field in ("learned", "will_do", "a field without words of its own")
    ]
    assert sentences == ["Enter what you learned.", "Enter what you will do.", "Fill in this field."]


def test_invalid_hours_have_their_own_example(tmp_path: Path) -> None:
    app_settings = load_settings(
        {}, database_url=f"sqlite:///{tmp_path / 'h.sqlite'}", secret_key="k" * 40, public_url="http://127.0.0.1:1"
    )
    with create_app(app_settings).test_request_context("/"):
        assert describe_problem(Problem("not_a_number", "hours")) == "Enter hours as a number, such as 6 or 6.5."
        assert describe_problem(Problem("not_a_number", "rate")) == "Enter a number, such as 60.00."
