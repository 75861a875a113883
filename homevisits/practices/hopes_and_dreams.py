"""Practice 4: the first visit builds the relationship; a second visit needs a completed first."""

from homevisits.core.problems import Problem
from homevisits.practices.check_inputs import Family, VisitKind

PURE = True


def check_first_visit_comes_first(kind: VisitKind, family: Family) -> list[Problem]:
    """Require a completed first visit before a second one, and allow only one first visit."""
    if kind is VisitKind.SECOND and family.first_visit_id is None:
        return [Problem("second_before_first", "kind")]
    if kind is VisitKind.FIRST and family.first_visit_id is not None:
        return [Problem("first_already_held", "kind")]
    return []


def next_visit_kind(family: Family) -> VisitKind:
    """Return the kind of the family's next visit."""
    return VisitKind.FIRST if family.first_visit_id is None else VisitKind.SECOND
