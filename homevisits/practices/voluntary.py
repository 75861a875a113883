"""Practice 1: visits are voluntary for families and educators and arranged in advance; a no needs no reason."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from homevisits.core.problems import Problem
from homevisits.practices.check_inputs import Family, Person

PURE = True


def check_family_consent(family: Family) -> list[Problem]:
    """Require a caregiver's current yes in the consent ledger."""
    if family.yes_id is not None:
        return []
    return [Problem("family_yes_lapsed" if family.yes_lapsed else "family_has_not_said_yes", "family")]


def check_educators_opted_in(people: Sequence[Person]) -> list[Problem]:
    """Require a current opt-in of each educator."""
    return [
        Problem("educator_not_opted_in", "partner", {"name": person.name})
        for person in people
        if person.opt_in_id is None
    ]


def check_consent(family: Family, people: Sequence[Person]) -> list[Problem]:
    """Require the family's consent and each educator's opt-in."""
    return check_family_consent(family) + check_educators_opted_in(people)


def earliest_start(now: datetime, minimum_notice_hours: int) -> datetime:
    """Return the earliest allowed start of a visit that is booked now."""
    return now + timedelta(hours=minimum_notice_hours)


def check_minimum_notice(starts_at: datetime, now: datetime, minimum_notice_hours: int) -> list[Problem]:
    """Require the minimum notice (at least one hour) between booking and the start of the visit."""
    hours = max(minimum_notice_hours, 1)
    if starts_at < earliest_start(now, hours):
        return [Problem("too_soon", "start", {"hours": hours})]
    return []


# A family's answers that cancel the planned visit at once and without a reason. "call_me" does not cancel it.
CANCELLING_ANSWERS = frozenset({"other_time", "not_now", "withdrawn"})


def is_cancelling_answer(answer: str) -> bool:
    """Return whether a family's `answer` cancels the planned visit. No reason is asked for."""
    return answer in CANCELLING_ANSWERS
