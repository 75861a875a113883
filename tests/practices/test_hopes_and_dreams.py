"""Practice 4: hopes and dreams first."""

import pytest

from homevisits.practices.facts import Family, Kind
from homevisits.practices.hopes_and_dreams import next_kind, relationship_first


@pytest.mark.parametrize(
    ("kind", "first_visit", "code"),
    [
        (Kind.FIRST, None, None),
        (Kind.SECOND, None, "second_before_first"),
        (Kind.FIRST, 5, "first_already_held"),
        (Kind.SECOND, 5, None),
    ],
)
def test_a_first_comes_first_and_once(kind: Kind, first_visit: int | None, code: str | None) -> None:
    problems = relationship_first(kind, Family(1, 7, 3, first_visit_id=first_visit))
    assert [p.code for p in problems] == ([code] if code else [])


def test_what_comes_next_is_what_may_come_next() -> None:
    for first_visit in (None, 5):
        family = Family(1, 7, 3, first_visit_id=first_visit)
        assert relationship_first(next_kind(family), family) == []
