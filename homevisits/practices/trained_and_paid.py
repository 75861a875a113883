"""Practice 2: educators are certified on the day of the visit and paid for it, or the reason is recorded."""

from collections.abc import Collection, Sequence
from datetime import date

from homevisits.core.problems import Problem
from homevisits.practices.check_inputs import Person

PURE = True


def check_certified_on_day(people: Sequence[Person], day: date, min_trained: int) -> list[Problem]:
    """Require at least `min_trained` people (never fewer than one) with a certificate valid on the day of the visit.

    `day` is the day of the visit, not of the booking: a certificate may expire in between.
    """
    without = [person for person in people if person.certificate_on(day) is None]
    if len(people) - len(without) >= max(min_trained, 1):
        return []
    return [Problem("not_certified_on_the_day", "partner", {"name": person.name, "day": day}) for person in without]


def check_everyone_paid(went: Collection[int], paid: Collection[int], reasons: Collection[int]) -> list[Problem]:
    """Require a pay line, or a recorded reason for not paying, for each educator who went."""
    missing = set(went) - set(paid) - set(reasons)
    return [Problem("went_unpaid", None, {"educator_id": person}) for person in sorted(missing)]
