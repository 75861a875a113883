from homevisits.attendance.intervals import HouseholdSums
from homevisits.attendance.report import Group


def create_group(n: int, chronic: int, rate: float = 0.93, siblings: int = 1) -> Group:
    """Create a group of households with `siblings` identical students each.

    `n` and `chronic` (numbers of students) must be multiples of `siblings`.
    """
    rates = HouseholdSums(
        households=n // siblings,
        students=n,
        squared_students=n * siblings,
        total=n * rate,
        squared_total=n * siblings * (rate * rate + 0.01),
        product=n * siblings * rate,
    )
    chronic_absence = HouseholdSums(
        households=n // siblings,
        students=n,
        squared_students=n * siblings,
        total=chronic,
        squared_total=chronic * siblings,
        product=chronic * siblings,
    )
    return Group(rates, chronic_absence)
