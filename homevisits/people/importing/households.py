"""Households, found once from who cares for whom: children that share a caregiver live in one. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PURE = True


@dataclass(frozen=True)
class Household:
    """One household: its children and its caregivers, each in order of id. ``key`` is the first child's id."""

    key: str
    students: tuple[str, ...]
    caregivers: tuple[str, ...]


def find_households(students: Iterable[str], links: Iterable[tuple[str, str]]) -> tuple[Household, ...]:
    """Every student in exactly one household, by `links` (student, caregiver); ordered by key.

    Students that share a caregiver, directly or through other students, are one household. A student without a
    caregiver is a household alone. Links to students not in `students` are left out.
    """
    home: dict[str, str] = {student: student for student in students}
    pairs = sorted({(student, caregiver) for student, caregiver in links if student in home})
    first_child: dict[str, str] = {}
    for student, caregiver in pairs:
        other = first_child.setdefault(caregiver, student)
        _merge_households(home, student, other)
    children: dict[str, list[str]] = {}
    for student in sorted(home):
        children.setdefault(_find_root(home, student), []).append(student)
    carers: dict[str, set[str]] = {}
    for student, caregiver in pairs:
        carers.setdefault(_find_root(home, student), set()).add(caregiver)
    found = (Household(kids[0], tuple(kids), tuple(sorted(carers.get(top, ())))) for top, kids in children.items())
    return tuple(sorted(found, key=lambda household: household.key))


def _find_root(home: Mapping[str, str], student: str) -> str:
    while home[student] != student:
        student = home[student]
    return student


def _merge_households(home: dict[str, str], one: str, two: str) -> None:
    low, high = sorted((_find_root(home, one), _find_root(home, two)))
    home[high] = low
    # The paths that were walked are shortened, or a chain of thousands of links would be walked again and again.
    for student in (one, two):
        while home[student] != low:
            home[student], student = low, home[student]
