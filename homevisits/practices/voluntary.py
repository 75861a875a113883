"""Practice 1: voluntary for families and for educators, arranged in advance. A no needs no reason."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from homevisits.core.problems import Problem
from homevisits.practices.facts import Family, Person

PURE = True


def family_said_yes(family: Family) -> list[Problem]:
    """A caregiver's yes stands in the ledger now."""
    if family.yes_id is not None:
        return []
    return [Problem("family_yes_lapsed" if family.yes_lapsed else "family_has_not_said_yes", "family")]


def educators_opted_in(people: Sequence[Person]) -> list[Problem]:
    """Everyone who would go takes part by their own current choice."""
    return [
        Problem("educator_not_opted_in", "partner", {"name": person.name})
        for person in people
        if person.opt_in_id is None
    ]


def everyone_said_yes(family: Family, people: Sequence[Person]) -> list[Problem]:
    """Both sides: the family, and each educator."""
    return family_said_yes(family) + educators_opted_in(people)


def earliest(now: datetime, minimum_notice_hours: int) -> datetime:
    """The earliest moment at which a visit arranged now may start."""
    return now + timedelta(hours=minimum_notice_hours)


def arranged_in_advance(starts_at: datetime, now: datetime, minimum_notice_hours: int) -> list[Problem]:
    """Nobody drops in: at least the minimum notice lies between arranging and the visit, never less than an hour."""
    hours = max(minimum_notice_hours, 1)
    if starts_at < earliest(now, hours):
        return [Problem("too_soon", "start", {"hours": hours})]
    return []


ENDS_WHAT_WAS_PLANNED = frozenset({"other_time", "not_now", "withdrawn"})
"""The answers of a family that end what was planned, at once and without a reason. Asking for a call ends nothing."""


def a_no_needs_no_reason(answer: str) -> bool:
    """Whether `answer` ends what was planned. There is nothing to explain, and nobody is asked to."""
    return answer in ENDS_WHAT_WAS_PLANNED
