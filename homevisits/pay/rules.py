"""What a visit is worth: pure. Dated rules, minutes rounded once, cents exact. Decimal, never float."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from homevisits.core.problems import Problem

PURE = True

CENT = Decimal("0.01")
MOST = Decimal("10000.00")
ROUNDINGS = (1, 5, 6, 10, 15, 30, 60)
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,19}\Z")
NO_RULE = "no_rule"
"""No rule of the contract was in force on the visit's day: somebody has to say what is due."""


class Unit(StrEnum):
    """How a rule counts."""

    FLAT = "flat_visit"
    HOURLY = "hourly"


class PayType(StrEnum):
    """What a line pays. A correction pays a visit for which no rule was known when its line was written."""

    VISIT = "visit"
    CORRECTION = "correction"


@dataclass(frozen=True)
class Rule:
    """A rule of the contract, in force from a day to a day, both included."""

    id: int
    unit: Unit
    rate_cents: int
    minimum_minutes: int
    round_to_minutes: int
    effective_from: date
    effective_to: date | None
    pay_code: str = ""
    clause: str = ""

    @property
    def rate(self) -> Decimal:
        """Dollars a visit, or dollars an hour."""
        return Decimal(self.rate_cents) / 100

    def covers(self, day: date) -> bool:
        """Whether it is in force on `day`."""
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)


@dataclass(frozen=True)
class Due:
    """What one person is owed for one visit, or (`reason`) why nothing is."""

    rule_id: int | None
    paid_minutes: int
    cents: int | None
    reason: str | None


def in_force(rules: Iterable[Rule], day: date) -> Rule | None:
    """The rule a visit of `day` is paid by: of those in force, the one that began last."""
    covering = [rule for rule in rules if rule.covers(day)]
    return max(covering, key=lambda rule: (rule.effective_from, rule.id), default=None)


def due(rules: Iterable[Rule], day: date, minutes: int) -> Due:
    """What a visit of `minutes` on `day` is worth to each person who went."""
    rule = in_force(rules, day)
    if rule is None:
        return Due(None, 0, None, NO_RULE)
    paid = paid_minutes(rule, minutes)
    return Due(rule.id, paid, cents(rule, paid), None)


def paid_minutes(rule: Rule, minutes: int) -> int:
    """The minutes that are paid: at least the minimum, up to the next whole step. A flat sum pays them as they were."""
    if rule.unit is Unit.FLAT:
        return minutes
    at_least = max(minutes, rule.minimum_minutes)
    return -(-at_least // rule.round_to_minutes) * rule.round_to_minutes


def cents(rule: Rule, paid: int) -> int:
    """The amount for `paid` minutes: rounded once, half a cent up."""
    if rule.unit is Unit.FLAT:
        return rule.rate_cents
    return int((Decimal(rule.rate_cents) * paid / 60).quantize(Decimal(1), ROUND_HALF_UP))


@dataclass(frozen=True)
class NewRule:
    """A rule as somebody typed it."""

    unit: str
    rate: str
    minimum_minutes: str
    round_to_minutes: str
    pay_code: str
    clause: str
    effective_from: date | None


def problems_of(new: NewRule, existing: Iterable[Rule], today: date) -> list[Problem]:
    """Every reason why the rule cannot be added. Into days without a rule it may reach back: nothing was paid then."""
    found = [] if new.unit in set(Unit) else [Problem("not_a_choice", "unit")]
    if rate_cents(new.rate) is None:
        found.append(Problem("rule_amount", "rate"))
    found += _problems_of_start(new.effective_from, list(existing), today)
    if not new.clause.strip():
        found.append(Problem("rule_clause", "clause"))
    elif len(new.clause) > 200:
        found.append(Problem("too_long", "clause", {"most": 200}))
    if not CODE.match(new.pay_code):
        found.append(Problem("rule_code", "pay_code"))
    return found + (_problems_of_hours(new) if new.unit == Unit.HOURLY else [])


def _problems_of_hours(new: NewRule) -> list[Problem]:
    found = []
    if not (new.minimum_minutes.isdecimal() and int(new.minimum_minutes[:6]) <= 480):
        found.append(Problem("rule_minimum", "minimum_minutes"))
    if not (new.round_to_minutes.isdecimal() and int(new.round_to_minutes[:6]) in ROUNDINGS):
        found.append(Problem("rule_rounding", "round_to_minutes"))
    return found


def _problems_of_start(start: date | None, existing: list[Rule], today: date) -> list[Problem]:
    if start is None:
        return [Problem("not_a_day", "effective_from")]
    if any(rule.effective_from == start for rule in existing):
        return [Problem("rule_starts_taken", "effective_from")]
    if start < today and in_force(existing, start):
        return [Problem("rule_starts_in_past", "effective_from")]
    return []


def rate_cents(typed: str) -> int | None:
    """Dollars as typed ("60", "60.00", "$1,060.50") as cents; None for anything else, or out of bounds."""
    plain = typed.strip().removeprefix("$").replace(",", "")
    if not re.fullmatch(r"\d{1,5}(\.\d{1,2})?", plain, re.ASCII):
        return None
    amount = Decimal(plain)
    return int(amount * 100) if CENT <= amount <= MOST else None
