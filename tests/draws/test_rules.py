"""Compare draws with the results of an independent program, and test their general rules."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homevisits.draws.rules import (
    Child,
    Household,
    Method,
    allocate_by_largest_remainder,
    group_into_households,
    hash_allocation,
    hash_households,
    run_draw,
    select_households,
    sha256,
    sort_key,
)


@pytest.fixture(scope="module")
def reference(shared: Path) -> Any:
    return json.loads((shared / "data" / "reference.json").read_text(encoding="utf-8"))["draws"]


def test_allocation_equals_hamilton_reference(reference: Any) -> None:
    for example in reference["hamilton_examples"]:
        # The strata of the example are in the order of their names.
        names = [f"{number:02d}" for number in range(len(example["weights"]))]
        shares = allocate_by_largest_remainder(dict(zip(names, example["weights"], strict=True)), example["total"])
        assert [shares[name] for name in names] == example["shares"], example


def test_hashes_are_lower_case_hex_of_utf8(reference: Any) -> None:
    for text, expected in reference["hash_examples"].items():
        assert sha256(text) == expected


def test_draw_of_649_pupils_equals_reference(reference: Any, shared: Path) -> None:
    expected = reference["uci-student-por"]
    with (shared / "data" / "uci-student-por" / "student-por.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    population = [
        Household(f"P{number:04d}", f"P{number:04d}", f"{row['school']}|{row['sex']}")
        for number, row in enumerate(rows, start=1)
    ]
    places, shares = select_households(population, expected["seed"], expected["n"])
    assert {name: list(pair) for name, pair in shares.items()} == expected["allocation"]
    assert hash_households(place.household for place in places if place.drawn) == expected["selected_sha256"]


def test_draw_of_589_households_equals_reference(reference: Any, shared: Path) -> None:
    expected = reference["district-1k"]["households_by_index_child"]
    with (shared / "data" / "district-1k" / "program" / "draw.csv").open(encoding="utf-8", newline="") as file:
        population = [
            Household(row["household_id"], row["index_student_number"], row["stratum"]) for row in csv.DictReader(file)
        ]
    places, shares = select_households(population, expected["seed"], expected["m"])
    drawn = [place.household for place in places if place.drawn]
    assert sorted(drawn)[:10] == expected["first_ten_sorted"]
    assert hash_households(drawn) == expected["selected_sha256"]
    assert hash_allocation(shares) == expected["allocation_sha256"]


def test_draw_of_1000_students_equals_reference(reference: Any, shared: Path) -> None:
    expected = reference["district-1k"]["students_by_school_grade"]
    with (shared / "data" / "district-1k" / "truth" / "analysis_students.csv").open(encoding="utf-8") as file:
        population = [
            Household(row["student_number"], row["student_number"], f"{row['school']}|{row['grade']}")
            for row in csv.DictReader(file)
        ]
    places, _shares = select_households(population, expected["seed"], expected["n"])
    assert hash_households(place.household for place in places if place.drawn) == expected["selected_sha256"]


def test_index_child_has_the_smallest_hash(shared: Path) -> None:
    with (shared / "data" / "district-1k" / "program" / "draw.csv").open(encoding="utf-8", newline="") as file:
        index = {row["household_id"]: row["index_student_number"] for row in csv.DictReader(file)}
    with (shared / "data" / "district-1k" / "truth" / "households.csv").open(encoding="utf-8", newline="") as file:
        children = [Child(row["household_id"], row["student_number"], "s", "g") for row in csv.DictReader(file)]
    households = group_into_households(children, "dev-2026")
    assert {household.id: household.index_child for household in households} == index


children = st.lists(
    st.builds(
        Child,
        household=st.sampled_from([f"H{n}" for n in range(12)]),
        student=st.integers(0, 40).map(lambda n: f"S{n}"),
        school=st.sampled_from(["A", "B"]),
        grade=st.sampled_from(["KG", "01", "02"]),
    ),
    unique_by=lambda child: child.student,
    max_size=40,
)


@given(children, st.sampled_from(Method), st.text(max_size=8), st.integers(0, 15), st.randoms())
def test_draw_does_not_depend_on_roster_order(
    listed: list[Child], method: Method, seed: str, sample_size: int, random_source: Any
) -> None:
    first = run_draw(listed, method, seed, sample_size)
    shuffled = list(listed)
    random_source.shuffle(shuffled)
    assert run_draw(shuffled, method, seed, sample_size) == first


@given(children, st.sampled_from(Method), st.text(max_size=8), st.integers(0, 15))
def test_each_household_has_a_position_and_the_wanted_number_is_drawn(
    listed: list[Child], method: Method, seed: str, sample_size: int
) -> None:
    outcome = run_draw(listed, method, seed, sample_size)
    names = {child.household for child in listed}
    assert sorted(place.household for place in outcome.places) == sorted(names)
    assert [place.position for place in outcome.places] == list(range(1, len(names) + 1))
    expected = len(names) if method is Method.EVERYONE else min(sample_size, len(names))
    assert sum(place.drawn for place in outcome.places) == expected
    drawn_by_stratum = Counter(place.stratum for place in outcome.places if place.drawn)
    assert all(drawn_by_stratum[name] == share <= size for name, (size, share) in outcome.shares.items())


def test_drawn_households_come_first_ordered_by_hash() -> None:
    listed = [Child(f"H{n}", f"S{n}", "A", f"{n % 3}") for n in range(30)]
    places = run_draw(listed, Method.STRATIFIED, "seed", 10).places
    assert [place.drawn for place in places] == [True] * 10 + [False] * 20
    hashes = [sort_key("seed", place.household) for place in places]
    assert hashes[:10] == sorted(hashes[:10])
    assert hashes[10:] == sorted(hashes[10:])
