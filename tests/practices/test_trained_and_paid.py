from datetime import date

import pytest

from homevisits.practices.check_inputs import Certificate, Person
from homevisits.practices.trained_and_paid import check_certified_on_day, check_everyone_paid

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
def test_certificate_is_valid_from_first_to_last_day(day: date, certified: bool) -> None:
    problems = check_certified_on_day([GRACE, LUIS], day, 2)
    assert (problems == []) is certified


def test_problem_contains_name_and_day_of_the_uncertified_educator() -> None:
    (problem,) = check_certified_on_day([GRACE, LUIS], date(2026, 10, 10), 2)
    assert (problem.code, problem.params["name"]) == ("not_certified_on_the_day", "Grace")
    assert problem.params["day"] == date(2026, 10, 10)


@pytest.mark.parametrize(
    ("people", "needed", "allowed"),
    [
        ([GRACE, LUIS], 2, True),
        ([GRACE, AMINA], 2, False),
        ([GRACE, AMINA], 1, True),
        ([AMINA], 1, False),
        ([AMINA], 0, False),  # a policy cannot lower the minimum to zero
        ([GRACE, AMINA], 0, True),
        ([GRACE, LUIS, AMINA], 2, True),
    ],
)
def test_policy_sets_how_many_must_be_certified_but_at_least_one(
    people: list[Person], needed: int, allowed: bool
) -> None:
    assert (check_certified_on_day(people, FROM, needed) == []) is allowed


def test_certificate_on_returns_the_certificate_that_expires_last() -> None:
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
def test_everyone_who_went_needs_pay_or_a_reason(
    went: set[int], paid: set[int], reasons: set[int], missing: list[int]
) -> None:
    assert [p.params["educator_id"] for p in check_everyone_paid(went, paid, reasons)] == missing
