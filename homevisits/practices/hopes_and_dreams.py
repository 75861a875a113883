"""Practice 4: the first visit builds the relationship, nothing else. A second needs a completed first."""

from homevisits.core.problems import Problem
from homevisits.practices.facts import Family, Kind

PURE = True


def relationship_first(kind: Kind, family: Family) -> list[Problem]:
    """A first visit is first; a second, linked to learning, comes after a completed first."""
    if kind is Kind.SECOND and family.first_visit_id is None:
        return [Problem("second_before_first", "kind")]
    if kind is Kind.FIRST and family.first_visit_id is not None:
        return [Problem("first_already_held", "kind")]
    return []


def next_kind(family: Family) -> Kind:
    """The kind of visit that comes next for the family."""
    return Kind.FIRST if family.first_visit_id is None else Kind.SECOND
