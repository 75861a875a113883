"""Days, hours and money as people write them, in their language and their zone."""

from datetime import UTC, date, datetime, time

import pytest

from homevisits.core import clock
from homevisits.web import formats
from homevisits.web.problem_wording import SENTENCES, sentence

MOMENT = datetime(2026, 10, 6, 22, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_2026() -> None:
    clock.set_source(lambda: MOMENT)


def test_a_moment_reads_as_on_the_schools_clock() -> None:
    assert formats.when(MOMENT, "America/Denver") == "Tue 6 Oct, 4:30 pm"
    assert formats.when(MOMENT, "America/New_York") == "Tue 6 Oct, 6:30 pm"
    assert formats.when(MOMENT, "Asia/Tokyo") == "Wed 7 Oct, 7:30 am"
    assert formats.when(MOMENT, "America/Denver", "es") == "mar 6 oct, 4:30 pm"
    assert formats.span(MOMENT, MOMENT.replace(hour=23, minute=15), "America/Denver") == "Tue 6 Oct, 4:30 pm – 5:15 pm"


def test_another_year_is_named() -> None:
    assert formats.day(date(2025, 10, 6)) == "Mon 6 Oct 2025"
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


def test_minutes_as_hours_for_payroll() -> None:
    assert formats.hours(45) == "0.75"
    assert formats.hours(100) == "1.67"


def test_every_sentence_ends_and_blames_nobody() -> None:
    for text in SENTENCES.values():
        assert text.endswith((".", "?", "”"))
        assert not any(word in text.lower() for word in ("invalid", "illegal", "failed", "error", "forgot"))


def test_a_code_nobody_worded_is_still_a_sentence() -> None:
    from homevisits.core.problems import Problem

    assert sentence(Problem("never heard of")).endswith(".")


def test_two_empty_fields_do_not_read_alike() -> None:
    from homevisits.core.problems import Problem

    said = [sentence(Problem("missing", field)) for field in ("learned", "will_do", "a field without words of its own")]
    assert said == ["Write what you learned.", "Write what you will do.", "Fill in this field."]
