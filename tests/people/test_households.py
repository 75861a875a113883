"""Households are found once from who cares for whom."""

from hypothesis import given
from hypothesis import strategies as st

from homevisits.people.importing.households import find_households

STUDENTS = st.sets(st.integers(0, 30).map("s{:02}".format), max_size=20)
LINKS = st.lists(
    st.tuples(st.integers(0, 30).map("s{:02}".format), st.integers(0, 15).map("g{:02}".format)), max_size=60
)


def test_siblings_with_one_caregiver_in_common_are_one_household() -> None:
    (home,) = find_households(["b", "a"], [("a", "mother"), ("b", "mother"), ("b", "father")])
    assert (home.key, home.students, home.caregivers) == ("a", ("a", "b"), ("father", "mother"))


def test_a_chain_of_shared_caregivers_is_one_household() -> None:
    links = [(f"s{n:05}", f"g{m}") for n in range(5000) for m in (n, n + 1)]
    (home,) = find_households([student for student, _ in links], links)
    assert len(home.students) == 5000


def test_a_child_without_a_caregiver_is_a_household_of_its_own() -> None:
    assert [home.students for home in find_households(["a", "b"], [("a", "g")])] == [("a",), ("b",)]


@given(STUDENTS, LINKS)
def test_every_student_is_in_exactly_one_household_and_no_caregiver_in_two(
    students: set[str], links: list[tuple[str, str]]
) -> None:
    homes = find_households(students, links)
    assert sorted(student for home in homes for student in home.students) == sorted(students)
    caregivers = [caregiver for home in homes for caregiver in home.caregivers]
    assert len(caregivers) == len(set(caregivers))
    of_student = {student: home for home in homes for student in home.students}
    assert all(caregiver in of_student[s].caregivers for s, caregiver in links if s in students)
    assert all(home.key == home.students[0] for home in homes)


@given(STUDENTS, LINKS, st.randoms(use_true_random=False))
def test_the_order_of_rows_plays_no_part(students: set[str], links: list[tuple[str, str]], chance: object) -> None:
    shuffled = list(links)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert find_households(students, links) == find_households(sorted(students, reverse=True), shuffled)


@given(STUDENTS, LINKS)
def test_a_household_never_falls_apart_without_a_missing_link(students: set[str], links: list[tuple[str, str]]) -> None:
    # Whoever shares a household is joined by links within it: leaving all links out leaves everyone alone.
    for home in find_households(students, links):
        if len(home.students) > 1:
            own = [(s, g) for s, g in links if s in home.students]
            assert len(find_households(home.students, own)) == 1
            assert len(find_households(home.students, [])) == len(home.students)
