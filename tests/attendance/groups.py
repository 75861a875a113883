"""Groups of students for tests of the report and its page."""

from homevisits.attendance.intervals import HouseholdSums
from homevisits.attendance.report import Group


def group(n: int, chronic: int, rate: float = 0.93, siblings: int = 1) -> Group:
    """Households of `siblings` students each (`n` and `chronic` are multiples of it), alike within a household."""
    households = n // siblings
    rates = HouseholdSums(
        households, n, n * siblings, n * rate, n * siblings * (rate * rate + 0.01), n * siblings * rate
    )
    return Group(rates, HouseholdSums(households, n, n * siblings, chronic, chronic * siblings, chronic * siblings))
