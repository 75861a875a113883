"""Pay rules of the contract and the calculation of pay. Integer cents and Decimal, never float."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from homevisits.core.problems import Problem

PURE = True

MIN_RATE = Decimal("0.01")  # dollars
MAX_RATE = Decimal("10000.00")  # dollars
ROUNDING_MINUTES = (1, 5, 6, 10, 15, 30, 60)
MAX_MINIMUM_MINUTES = 480
MAX_CLAUSE_LENGTH = 200
PAY_CODE_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,19}\Z")
NO_RULE = "no_rule"  # reason of an unpaid line: no rule was in force on the day of the visit


class Unit(StrEnum):
    """What a rule's rate is paid for."""

    FLAT = "flat_visit"
    HOURLY = "hourly"


class PayType(StrEnum):
    """What a pay line pays for."""

    VISIT = "visit"
    CORRECTION = "correction"  # pays a visit that had no rule when its own line was written


# The pay types that have rules of their own; the contract page offers a choice when there are several.
RULE_TYPES = (PayType.VISIT,)
# The pay types that are paid by the rules of another type.
RULE_TYPE_OF = {PayType.CORRECTION: PayType.VISIT}


@dataclass(frozen=True)
class Rule:
    """A pay rule of the contract, in force from its first day to its last day."""

    id: int
    pay_type: PayType
    unit: Unit
    rate_cents: int
    minimum_minutes: int
    round_to_minutes: int
    effective_from: date
    effective_to: date | None
    pay_code: str = ""
    clause: str = ""

    def covers(self, day: date) -> bool:
        """Return whether the rule is in force on `day`."""
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)


@dataclass(frozen=True)
class CalculatedPay:
    """The pay of a person for a visit. `reason` is set when `cents` is None."""

    rule_id: int | None
    paid_minutes: int
    cents: int | None
    reason: str | None


def in_force(rules: Iterable[Rule], pay_type: PayType, day: date) -> Rule | None:
    """Return the rule that pays `pay_type` on `day`: of those in force, the newest."""
    rule_type = RULE_TYPE_OF.get(pay_type, pay_type)
    candidates = [rule for rule in rules if rule.pay_type == rule_type and rule.covers(day)]
    return max(candidates, key=lambda rule: (rule.effective_from, rule.id), default=None)


def calculate_pay(rules: Iterable[Rule], pay_type: PayType, day: date, minutes: int) -> CalculatedPay:
    """Calculate the pay of a person for `minutes` of work on `day`."""
    rule = in_force(rules, pay_type, day)
    if rule is None:
        return CalculatedPay(None, 0, None, NO_RULE)
    paid = calculate_paid_minutes(rule, minutes)
    return CalculatedPay(rule.id, paid, calculate_cents(rule, paid), None)


def calculate_paid_minutes(rule: Rule, minutes: int) -> int:
    """Apply the minimum and round up to the next step. A flat rate leaves the minutes unchanged."""
    if rule.unit is Unit.FLAT:
        return minutes
    at_least = max(minutes, rule.minimum_minutes)
    return -(-at_least // rule.round_to_minutes) * rule.round_to_minutes


def calculate_cents(rule: Rule, paid_minutes: int) -> int:
    """Calculate the amount for `paid_minutes`. It is rounded once, half a cent up."""
    if rule.unit is Unit.FLAT:
        return rule.rate_cents
    return int((Decimal(rule.rate_cents) * paid_minutes / 60).quantize(Decimal(1), ROUND_HALF_UP))


@dataclass(frozen=True)
class NewRule:
    """A new rule as typed into the form, not validated yet."""

    unit: str
    rate: str
    minimum_minutes: str
    round_to_minutes: str
    pay_code: str
    clause: str
    effective_from: date | None
    pay_type: str = PayType.VISIT


def find_rule_problems(new: NewRule, existing: Iterable[Rule], today: date) -> list[Problem]:
    """List every reason why the rule cannot be added.

    A rule may start in the past only on a day that no rule of its pay type covers, because nothing was paid for it.
    """
    problems = [] if new.pay_type in RULE_TYPES else [Problem("not_a_choice", "pay_type")]
    if new.unit not in set(Unit):
        problems.append(Problem("not_a_choice", "unit"))
    if parse_rate(new.rate) is None:
        problems.append(Problem("rule_amount", "rate"))
    problems += _find_start_problems(new, list(existing), today)
    if not new.clause.strip():
        problems.append(Problem("rule_clause", "clause"))
    elif len(new.clause) > MAX_CLAUSE_LENGTH:
        problems.append(Problem("too_long", "clause", {"most": MAX_CLAUSE_LENGTH}))
    if not PAY_CODE_PATTERN.match(new.pay_code):
        problems.append(Problem("rule_code", "pay_code"))
    return problems + (_find_hourly_problems(new) if new.unit == Unit.HOURLY else [])


def _find_hourly_problems(new: NewRule) -> list[Problem]:
    problems = []
    if not (new.minimum_minutes.isdecimal() and int(new.minimum_minutes[:6]) <= MAX_MINIMUM_MINUTES):
        problems.append(Problem("rule_minimum", "minimum_minutes"))
    if not (new.round_to_minutes.isdecimal() and int(new.round_to_minutes[:6]) in ROUNDING_MINUTES):
        problems.append(Problem("rule_rounding", "round_to_minutes"))
    return problems


def _find_start_problems(new: NewRule, existing: list[Rule], today: date) -> list[Problem]:
    start = new.effective_from
    if start is None:
        return [Problem("not_a_day", "effective_from")]
    same_type = [rule for rule in existing if rule.pay_type == new.pay_type]
    if any(rule.effective_from == start for rule in same_type):
        return [Problem("rule_starts_taken", "effective_from")]
    if start < today and any(rule.covers(start) for rule in same_type):
        return [Problem("rule_starts_in_past", "effective_from")]
    return []


def preview_rule(new: NewRule) -> Rule:
    """Convert a new rule without problems into the rule it will become, with id 0."""
    is_hourly = new.unit == Unit.HOURLY
    assert new.effective_from is not None
    return Rule(
        id=0,
        pay_type=PayType(new.pay_type),
        unit=Unit(new.unit),
        rate_cents=parse_rate(new.rate) or 0,
        minimum_minutes=int(new.minimum_minutes) if is_hourly else 0,
        round_to_minutes=int(new.round_to_minutes) if is_hourly else 1,
        effective_from=new.effective_from,
        effective_to=None,
        pay_code=new.pay_code,
        clause=new.clause,
    )


def parse_rate(typed: str) -> int | None:
    """Parse dollars as typed ("60", "60.00", "$1,060.50") into cents; None if invalid or out of range."""
    plain = typed.strip().removeprefix("$").replace(",", "")
    if not re.fullmatch(r"\d{1,5}(\.\d{1,2})?", plain, re.ASCII):
        return None
    amount = Decimal(plain)
    return int(amount * 100) if MIN_RATE <= amount <= MAX_RATE else None
