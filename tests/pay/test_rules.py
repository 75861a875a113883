"""Truth tables of pay: which rule, how many minutes, how many cents."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homevisits.core.problems import Problem
from homevisits.pay import rules
from homevisits.pay.rules import NewRule, Rule, Unit

AUGUST = date(2026, 8, 1)


def flat(cents: int = 6000, start: date = AUGUST, end: date | None = None, number: int = 1) -> Rule:
    return Rule(number, Unit.FLAT, cents, 0, 1, start, end, "HV", "12.3")


def hourly(cents: int = 3500, minimum: int = 60, step: int = 15, start: date = AUGUST) -> Rule:
    return Rule(2, Unit.HOURLY, cents, minimum, step, start, None, "HV", "12.4")


@pytest.mark.parametrize(
    ("minutes", "paid", "cents"),
    [(1, 60, 3500), (59, 60, 3500), (60, 60, 3500), (61, 75, 4375), (75, 75, 4375), (76, 90, 5250), (240, 240, 14000)],
)
def test_hours_have_a_minimum_and_are_rounded_up_to_the_next_quarter(minutes: int, paid: int, cents: int) -> None:
    due = rules.due([hourly()], AUGUST, minutes)
    assert (due.paid_minutes, due.cents, due.reason) == (paid, cents, None)


@pytest.mark.parametrize("minutes", [1, 20, 45, 300])
def test_a_flat_sum_does_not_ask_how_long(minutes: int) -> None:
    due = rules.due([flat()], AUGUST, minutes)
    assert (due.cents, due.paid_minutes) == (6000, minutes)


@pytest.mark.parametrize(
    ("day", "cents"),
    [
        (AUGUST - timedelta(days=1), None),
        (AUGUST, 5000),
        (date(2026, 12, 31), 5000),
        (date(2027, 1, 1), 6000),
        (date(2027, 6, 30), 6000),
        (date(2027, 7, 1), None),
    ],
)
def test_a_visit_is_paid_by_the_rule_of_its_own_day(day: date, cents: int | None) -> None:
    known = [flat(5000, end=date(2026, 12, 31)), flat(6000, date(2027, 1, 1), date(2027, 6, 30), 2)]
    due = rules.due(known, day, 45)
    assert due.cents == cents
    assert due.reason == (None if cents else rules.NO_RULE)


def test_of_two_rules_in_force_the_later_one_counts() -> None:
    assert rules.in_force([flat(6000, date(2026, 9, 1), number=2), flat(5000)], date(2026, 10, 1)).id == 2


def test_half_a_cent_goes_up_and_once() -> None:
    assert rules.cents(hourly(cents=2849), 50) == 2374  # 2374.16…
    assert rules.cents(hourly(cents=1001), 30) == 501  # 500.5


@given(
    st.integers(1, 1_000_000),
    st.integers(0, 480),
    st.sampled_from(rules.ROUNDINGS),
    st.integers(1, 600),
    st.integers(1, 600),
)
def test_hourly_pay_is_exact_and_never_falls_with_time(rate: int, minimum: int, step: int, one: int, more: int) -> None:
    rule = hourly(rate, minimum, step)
    paid = rules.paid_minutes(rule, one)
    assert paid >= max(one, minimum)
    assert paid - max(one, minimum) < step
    assert paid % step == 0
    exact = Fraction(rate * paid, 60)
    assert abs(rules.cents(rule, paid) - exact) <= Fraction(1, 2)
    longer = rules.due([rule], AUGUST, one + more)
    assert longer.cents is not None
    assert longer.cents >= rules.cents(rule, paid)


@given(st.decimals("0.01", "10000.00", places=2))
def test_an_amount_that_was_typed_is_kept_to_the_cent(amount: Decimal) -> None:
    for typed in (f"{amount}", f"${amount}", f" {amount:,} "):
        assert rules.rate_cents(typed) == int(amount * 100)


@pytest.mark.parametrize("typed", ["", "0", "-5", "1e3", "60.001", "ten", "10000.01", "٦٠", "NaN", "6 0"])
def test_what_is_no_amount_is_refused(typed: str) -> None:
    assert rules.rate_cents(typed) is None


def codes(new: NewRule, existing: list[Rule]) -> set[str]:
    return {problem.code for problem in rules.problems_of(new, existing, date(2026, 10, 5))}


GOOD = NewRule("hourly", "35.00", "60", "15", "HV-1", "12.4", date(2026, 10, 5))


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"unit": "monthly"}, "not_a_choice"),
        ({"rate": "0.00"}, "rule_amount"),
        ({"minimum_minutes": "481"}, "rule_minimum"),
        ({"minimum_minutes": "x"}, "rule_minimum"),
        ({"round_to_minutes": "7"}, "rule_rounding"),
        ({"pay_code": "=1+1"}, "rule_code"),
        ({"clause": " "}, "rule_clause"),
        ({"clause": "x" * 201}, "too_long"),
        ({"effective_from": None}, "not_a_day"),
        ({"effective_from": date(2026, 10, 4)}, "rule_starts_in_past"),
        ({"effective_from": AUGUST}, "rule_starts_taken"),
    ],
)
def test_a_new_rule_that_cannot_be_says_why(changed: dict[str, object], code: str) -> None:
    assert codes(GOOD, [flat()]) == set()
    assert codes(NewRule(**{**vars(GOOD), **changed}), [flat()]) == {code}


def test_every_reason_is_said_at_once() -> None:
    assert codes(NewRule("", "", "x", "x", "", "", None), []) == {
        "not_a_choice",
        "rule_amount",
        "rule_code",
        "rule_clause",
        "not_a_day",
    }


def test_the_first_rule_may_reach_back() -> None:
    assert codes(NewRule(**{**vars(GOOD), "effective_from": date(2026, 8, 1)}), []) == set()


TYPED = NewRule("hourly", "60", "60", "15", "HV", "12.3", date(2026, 9, 1))


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({}, []),
        ({"unit": "weekly"}, [Problem("not_a_choice", "unit")]),
        ({"rate": "0"}, [Problem("rule_amount", "rate")]),
        ({"clause": " "}, [Problem("rule_clause", "clause")]),
        ({"clause": "x" * 200}, []),
        ({"clause": "x" * 201}, [Problem("too_long", "clause", {"most": 200})]),
        ({"pay_code": "no blanks"}, [Problem("rule_code", "pay_code")]),
        ({"minimum_minutes": "480"}, []),
        ({"minimum_minutes": "481"}, [Problem("rule_minimum", "minimum_minutes")]),
        ({"minimum_minutes": "-1"}, [Problem("rule_minimum", "minimum_minutes")]),
        ({"round_to_minutes": "7"}, [Problem("rule_rounding", "round_to_minutes")]),
        ({"unit": "flat_visit", "minimum_minutes": "", "round_to_minutes": "x"}, []),
        ({"effective_from": None}, [Problem("not_a_day", "effective_from")]),
        ({"effective_from": AUGUST}, [Problem("rule_starts_taken", "effective_from")]),
        ({"effective_from": date(2026, 8, 31)}, [Problem("rule_starts_in_past", "effective_from")]),
        ({"effective_from": date(2026, 7, 31)}, []),
    ],
)
def test_a_new_rule_is_refused_with_its_field(change: dict[str, object], problems: list[Problem]) -> None:
    typed = replace(TYPED, **change)  # type: ignore[arg-type]
    assert rules.problems_of(typed, [flat()], today=date(2026, 9, 1)) == problems
