"""Practice 2: certified on the day of the visit, and paid for it."""

from datetime import date

import pytest

from homevisits.practices.facts import Certificate, Person
from homevisits.practices.trained_and_paid import certified_on_the_day, paid_or_says_why

FROM, UNTIL = date(2026, 8, 1), date(2026, 10, 9)
LIMITED, OPEN_ENDED = Certificate(1, FROM, UNTIL), Certificate(2, FROM, None)
GRACE, LUIS, AMINA = Person(1, "Grace", 11, (LIMITED,)), Person(2, "Luis", 12, (OPEN_ENDED,)), Person(3, "Amina", 13)


@pytest.mark.parametrize(
    ("day", "certified"),
    [
        (date(2026, 7, 31), False),
        (date(2026, 8, 1), True),
        (date(2026, 10, 9), True),
        (date(2026, 10, 10), False),
    ],
)
def test_the_first_and_the_last_day_count_and_no_other(day: date, certified: bool) -> None:
    problems = certified_on_the_day([GRACE, LUIS], day, 2)
    assert (problems == []) is certified


def test_who_is_not_certified_on_the_day_is_named_with_the_day() -> None:
    (problem,) = certified_on_the_day([GRACE, LUIS], date(2026, 10, 10), 2)
    assert (problem.code, problem.params["name"]) == ("not_certified_on_the_day", "Grace")
    assert problem.params["day"] == date(2026, 10, 10)


@pytest.mark.parametrize(
    ("people", "needed", "kept"),
    [
        ([GRACE, LUIS], 2, True),
        ([GRACE, AMINA], 2, False),
        ([GRACE, AMINA], 1, True),
        ([AMINA], 1, False),
        ([AMINA], 0, False),  # no policy may ask for nobody
        ([GRACE, AMINA], 0, True),
        ([GRACE, LUIS, AMINA], 2, True),
    ],
)
def test_the_policy_says_how_many_and_never_nobody(people: list[Person], needed: int, kept: bool) -> None:
    assert (certified_on_the_day(people, FROM, needed) == []) is kept


def test_the_certificate_shown_is_the_one_that_lasts_longest() -> None:
    both = Person(4, "Hoa", 14, (LIMITED, OPEN_ENDED))
    assert both.certificate_on(FROM) == OPEN_ENDED
    assert both.certificate_on(date(2026, 7, 1)) is None


@pytest.mark.parametrize(
    ("went", "paid", "reasons", "missing"),
    [
        ({1, 2}, {1, 2}, set(), []),
        ({1, 2}, {1}, {2}, []),
        ({1, 2}, {1}, set(), [2]),
        ({1, 2}, set(), set(), [1, 2]),
        (set(), set(), set(), []),
    ],
)
def test_everyone_who_went_is_paid_or_says_why(
    went: set[int], paid: set[int], reasons: set[int], missing: list[int]
) -> None:
    assert [p.params["educator_id"] for p in paid_or_says_why(went, paid, reasons)] == missing
