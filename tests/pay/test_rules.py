from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homevisits.core.problems import Problem
from homevisits.pay import rules
from homevisits.pay.rules import NewRule, PayType, Rule, Unit

AUGUST = date(2026, 8, 1)


def flat_rule(cents: int = 6000, start: date = AUGUST, end: date | None = None, number: int = 1) -> Rule:
    return Rule(
        id=number,
        pay_type=PayType.VISIT,
        unit=Unit.FLAT,
        rate_cents=cents,
        minimum_minutes=0,
        round_to_minutes=1,
        effective_from=start,
        effective_to=end,
        pay_code="HV",
        clause="12.3",
    )


def hourly_rule(cents: int = 3500, minimum: int = 60, step: int = 15, start: date = AUGUST) -> Rule:
    return Rule(
        id=2,
        pay_type=PayType.VISIT,
        unit=Unit.HOURLY,
        rate_cents=cents,
        minimum_minutes=minimum,
        round_to_minutes=step,
        effective_from=start,
        effective_to=None,
        pay_code="HV",
        clause="12.4",
    )


@pytest.mark.parametrize(
    ("minutes", "paid", "cents"),
    [(1, 60, 3500), (59, 60, 3500), (60, 60, 3500), (61, 75, 4375), (75, 75, 4375), (76, 90, 5250), (240, 240, 14000)],
)
def test_hourly_pay_applies_the_minimum_and_rounds_up(minutes: int, paid: int, cents: int) -> None:
    pay = rules.calculate_pay([hourly_rule()], PayType.VISIT, AUGUST, minutes)
    assert (pay.paid_minutes, pay.cents, pay.reason) == (paid, cents, None)


@pytest.mark.parametrize("minutes", [1, 20, 45, 300])
def test_flat_rate_ignores_the_duration(minutes: int) -> None:
    pay = rules.calculate_pay([flat_rule()], PayType.VISIT, AUGUST, minutes)
    assert (pay.cents, pay.paid_minutes) == (6000, minutes)


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
def test_visit_is_paid_by_the_rule_of_its_day(day: date, cents: int | None) -> None:
    known_rules = [flat_rule(5000, end=date(2026, 12, 31)), flat_rule(6000, date(2027, 1, 1), date(2027, 6, 30), 2)]
    pay = rules.calculate_pay(known_rules, PayType.VISIT, day, 45)
    assert pay.cents == cents
    assert pay.reason == (None if cents else rules.NO_RULE)


def test_later_of_two_rules_in_force_applies() -> None:
    known_rules = [flat_rule(6000, date(2026, 9, 1), number=2), flat_rule(5000)]
    rule = rules.in_force(known_rules, PayType.VISIT, date(2026, 10, 1))
    assert rule is not None
    assert rule.id == 2


@pytest.mark.parametrize("pay_type", [PayType.VISIT, PayType.CORRECTION])
def test_newer_rule_of_another_pay_type_does_not_apply(pay_type: PayType) -> None:
    other = replace(flat_rule(9900, date(2026, 9, 1), number=2), pay_type=PayType.CORRECTION)
    pay = rules.calculate_pay([other, flat_rule(6000)], pay_type, date(2026, 10, 1), 45)
    assert (pay.rule_id, pay.cents) == (1, 6000)


def test_rules_of_different_pay_types_may_start_on_the_same_day() -> None:
    other = replace(flat_rule(start=VALID_RULE.effective_from), pay_type=PayType.CORRECTION)
    assert problem_codes(VALID_RULE, [other]) == set()


def test_pay_type_without_rules_is_refused() -> None:
    assert problem_codes(replace(VALID_RULE, pay_type="correction"), []) == {"not_a_choice"}


def test_amount_is_rounded_once_half_a_cent_up() -> None:
    assert rules.calculate_cents(hourly_rule(cents=2849), 50) == 2374  # 2374.16…
    assert rules.calculate_cents(hourly_rule(cents=1001), 30) == 501  # 500.5


@given(
    st.integers(1, 1_000_000),
    st.integers(0, 480),
    st.sampled_from(rules.ROUNDING_MINUTES),
    st.integers(1, 600),
    st.integers(1, 600),
)
def test_hourly_pay_is_exact_and_monotonic(rate: int, minimum: int, step: int, minutes: int, more: int) -> None:
    rule = hourly_rule(rate, minimum, step)
    paid = rules.calculate_paid_minutes(rule, minutes)
    assert paid >= max(minutes, minimum)
    assert paid - max(minutes, minimum) < step
    assert paid % step == 0
    exact = Fraction(rate * paid, 60)
    assert abs(rules.calculate_cents(rule, paid) - exact) <= Fraction(1, 2)
    longer = rules.calculate_pay([rule], PayType.VISIT, AUGUST, minutes + more)
    assert longer.cents is not None
    assert longer.cents >= rules.calculate_cents(rule, paid)


@given(st.decimals("0.01", "10000.00", places=2))
def test_typed_amount_is_parsed_exactly(amount: Decimal) -> None:
    for typed in (f"{amount}", f"${amount}", f" {amount:,} "):
        assert rules.parse_rate(typed) == int(amount * 100)


@pytest.mark.parametrize("typed", ["", "0", "-5", "1e3", "60.001", "ten", "10000.01", "٦٠", "NaN", "6 0"])
def test_invalid_amount_is_refused(typed: str) -> None:
    assert rules.parse_rate(typed) is None


def problem_codes(new: NewRule, existing: list[Rule]) -> set[str]:
    return {problem.code for problem in rules.find_rule_problems(new, existing, date(2026, 10, 5))}


VALID_RULE = NewRule(
    unit="hourly",
    rate="35.00",
    minimum_minutes="60",
    round_to_minutes="15",
    pay_code="HV-1",
    clause="12.4",
    effective_from=date(2026, 10, 5),
)


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
def test_invalid_new_rule_is_reported_with_its_problem(changed: dict[str, object], code: str) -> None:
    assert problem_codes(VALID_RULE, [flat_rule()]) == set()
    assert problem_codes(NewRule(**{**vars(VALID_RULE), **changed}), [flat_rule()]) == {code}


def test_all_problems_are_reported_together() -> None:
    assert problem_codes(
        NewRule(
            unit="",
            rate="",
            minimum_minutes="x",
            round_to_minutes="x",
            pay_code="",
            clause="",
            effective_from=None,
        ),
        [],
    ) == {
        "not_a_choice",
        "rule_amount",
        "rule_code",
        "rule_clause",
        "not_a_day",
    }


def test_first_rule_may_start_in_the_past() -> None:
    assert problem_codes(NewRule(**{**vars(VALID_RULE), "effective_from": date(2026, 8, 1)}), []) == set()


TYPED = NewRule(
    unit="hourly",
    rate="60",
    minimum_minutes="60",
    round_to_minutes="15",
    pay_code="HV",
    clause="12.3",
    effective_from=date(2026, 9, 1),
)


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
def test_problem_of_a_new_rule_names_its_field(change: dict[str, object], problems: list[Problem]) -> None:
    typed = replace(TYPED, **change)  # type: ignore[arg-type]
    assert rules.find_rule_problems(typed, [flat_rule()], today=date(2026, 9, 1)) == problems
