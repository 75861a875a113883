"""Practice 2: trained and compensated. Certified on the day of the visit; paid for every visit, or a reason why not."""

from collections.abc import Collection, Sequence
from datetime import date

from homevisits.core.problems import Problem
from homevisits.practices.facts import Person

PURE = True


def certified_on_the_day(people: Sequence[Person], day: date, min_trained: int) -> list[Problem]:
    """At least `min_trained` of those who go (never fewer than one) hold a certificate that covers the visit's day.

    The day that counts is the day of the visit, not of the booking: a certificate that ends in between does not do.
    """
    without = [person for person in people if person.certificate_on(day) is None]
    if len(people) - len(without) >= max(min_trained, 1):
        return []
    return [Problem("not_certified_on_the_day", "partner", {"name": person.name, "day": day}) for person in without]


def paid_or_says_why(went: Collection[int], paid: Collection[int], reasons: Collection[int]) -> list[Problem]:
    """Everyone who went has pay lines, or a recorded reason why not."""
    missing = set(went) - set(paid) - set(reasons)
    return [Problem("went_unpaid", None, {"educator_id": person}) for person in sorted(missing)]
