import pytest

from homevisits.practices.check_inputs import Family, VisitKind
from homevisits.practices.hopes_and_dreams import check_first_visit_comes_first, next_visit_kind


@pytest.mark.parametrize(
    ("kind", "first_visit", "code"),
    [
        (VisitKind.FIRST, None, None),
        (VisitKind.SECOND, None, "second_before_first"),
        (VisitKind.FIRST, 5, "first_already_held"),
        (VisitKind.SECOND, 5, None),
    ],
)
def test_first_visit_is_required_before_second_and_allowed_once(
    kind: VisitKind, first_visit: int | None, code: str | None
) -> None:
    problems = check_first_visit_comes_first(kind, Family(1, 7, 3, first_visit_id=first_visit))
    assert [p.code for p in problems] == ([code] if code else [])


def test_next_visit_kind_is_always_allowed() -> None:
    for first_visit in (None, 5):
        family = Family(1, 7, 3, first_visit_id=first_visit)
        assert check_first_visit_comes_first(next_visit_kind(family), family) == []
