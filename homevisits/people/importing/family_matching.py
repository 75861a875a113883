"""Match the households of a roster to the families that are stored. Pure.

A family is its caregivers: when its children are divided among several households, the household that has one of its
caregivers remains that family, with its answers and its phone. The others are new families.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from homevisits.people.importing.households import Household

PURE = True


@dataclass(frozen=True)
class Matches:
    """``families``: the stored family of each known household, by its key. ``merged``: (family, merged family)."""

    families: Mapping[str, int]
    merged: tuple[tuple[int, int], ...]


def match_families(
    households: Iterable[Household], of_student: Mapping[str, int], of_caregiver: Mapping[str, int]
) -> Matches:
    """Give each household at most one of the families its children belonged to, and each family one household.

    `of_student` and `of_caregiver`: the stored family of each source id. A household with a caregiver of the family
    comes first, then the family with the lowest id, then the household with the lowest key. A family that no household
    keeps, because its children are now with those of another family, is merged.
    """
    homes = tuple(households)
    candidates: list[tuple[bool, int, str]] = []
    for home in homes:
        of_caregivers = {of_caregiver[caregiver] for caregiver in home.caregivers if caregiver in of_caregiver}
        of_students = {of_student[student] for student in home.students if student in of_student}
        candidates += [(family not in of_caregivers, family, home.key) for family in of_students]
    families: dict[str, int] = {}
    taken: set[int] = set()
    for _without_caregiver, family, key in sorted(candidates):
        if key not in families and family not in taken:
            families[key] = family
            taken.add(family)
    return Matches(families, _merged(candidates, families))


def _merged(candidates: Iterable[tuple[bool, int, str]], families: Mapping[str, int]) -> tuple[tuple[int, int], ...]:
    kept = set(families.values())
    return tuple(sorted({(families[key], family) for _without, family, key in candidates if family not in kept}))
