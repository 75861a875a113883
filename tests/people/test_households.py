from hypothesis import given
from hypothesis import strategies as st

from homevisits.people.importing.households import find_households

STUDENTS = st.sets(st.integers(0, 30).map("s{:02}".format), max_size=20)
LINKS = st.lists(
    st.tuples(st.integers(0, 30).map("s{:02}".format), st.integers(0, 15).map("g{:02}".format)), max_size=60
)


def test_siblings_with_a_shared_caregiver_are_one_household() -> None:
    (household,) = find_households(["b", "a"], [("a", "mother"), ("b", "mother"), ("b", "father")])
    assert (household.key, household.students, household.caregivers) == ("a", ("a", "b"), ("father", "mother"))


def test_chain_of_shared_caregivers_is_one_household() -> None:
    links = [(f"s{n:05}", f"g{m}") for n in range(5000) for m in (n, n + 1)]
    (household,) = find_households([student for student, _ in links], links)
    assert len(household.students) == 5000


def test_student_who_shares_caregivers_with_two_households_joins_them() -> None:
    # "c" is linked to the household of "b" first, so its place changes when that household joins "a".
    (household,) = find_households(["a", "b", "c"], [("a", "y"), ("b", "x"), ("c", "x"), ("c", "y")])
    assert (household.key, household.students, household.caregivers) == ("a", ("a", "b", "c"), ("x", "y"))


def test_child_without_caregiver_is_a_separate_household() -> None:
    assert [household.students for household in find_households(["a", "b"], [("a", "g")])] == [("a",), ("b",)]


@given(STUDENTS, LINKS)
def test_students_and_caregivers_are_in_exactly_one_household(students: set[str], links: list[tuple[str, str]]) -> None:
    households = find_households(students, links)
    assert sorted(student for household in households for student in household.students) == sorted(students)
    caregivers = [caregiver for household in households for caregiver in household.caregivers]
    assert len(caregivers) == len(set(caregivers))
    household_of = {student: household for household in households for student in household.students}
    assert all(caregiver in household_of[s].caregivers for s, caregiver in links if s in students)
    assert all(household.key == household.students[0] for household in households)


@given(STUDENTS, LINKS, st.randoms(use_true_random=False))
def test_row_order_does_not_change_households(
    students: set[str], links: list[tuple[str, str]], random_source: object
) -> None:
    shuffled = list(links)
    random_source.shuffle(shuffled)  # type: ignore[attr-defined]
    assert find_households(students, links) == find_households(sorted(students, reverse=True), shuffled)


@given(STUDENTS, LINKS)
def test_household_is_connected_by_its_own_links(students: set[str], links: list[tuple[str, str]]) -> None:
    # The links within a household connect all of its students; without links, every student is alone.
    for household in find_households(students, links):
        if len(household.students) > 1:
            household_links = [(s, g) for s, g in links if s in household.students]
            assert len(find_households(household.students, household_links)) == 1
            assert len(find_households(household.students, [])) == len(household.students)
