"""Group students into households: students who share a caregiver are one household. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

PURE = True


@dataclass(frozen=True)
class Household:
    """A household with student and caregiver ids in order. `key` is the id of the first student."""

    key: str
    students: tuple[str, ...]
    caregivers: tuple[str, ...]


def find_households(students: Iterable[str], links: Iterable[tuple[str, str]]) -> tuple[Household, ...]:
    """Return the households of all students, ordered by key. `links` are (student, caregiver) pairs.

    Students that share a caregiver, directly or through other students, are one household. A student without a
    caregiver is a separate household. Links to students not in `students` are ignored.
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
    households = (
        Household(student_ids[0], tuple(student_ids), tuple(sorted(carers.get(top, ()))))
        for top, student_ids in children.items()
    )
    return tuple(sorted(households, key=lambda household: household.key))


def _find_root(home: dict[str, str], student: str) -> str:
    while home[student] != student:
        # Path halving keeps long chains of links fast.
        home[student] = home[home[student]]
        student = home[student]
    return student


def _merge_households(home: dict[str, str], first: str, second: str) -> None:
    low, high = sorted((_find_root(home, first), _find_root(home, second)))
    home[high] = low
