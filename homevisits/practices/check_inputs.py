"""Frozen values that the practice checks take; queries build them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

PURE = True


class VisitKind(StrEnum):
    """Kind of visit: the first builds the relationship, the second supports learning."""

    FIRST = "first"
    SECOND = "second"


@dataclass(frozen=True)
class Certificate:
    """A training certificate, valid from `valid_from` to `valid_until` inclusive (None: until it is revoked)."""

    id: int
    valid_from: date
    valid_until: date | None

    def is_valid_on(self, day: date) -> bool:
        """Return whether the certificate is valid on `day`."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


@dataclass(frozen=True)
class Person:
    """An educator: the current opt-in, if any, and all certificates."""

    id: int
    name: str
    opt_in_id: int | None
    certificates: tuple[Certificate, ...] = ()

    def certificate_on(self, day: date) -> Certificate | None:
        """Return the certificate valid on `day` that expires last, or None."""
        covering = [certificate for certificate in self.certificates if certificate.is_valid_on(day)]
        return max(covering, key=lambda c: (c.valid_until or date.max, c.id), default=None)


@dataclass(frozen=True)
class Family:
    """A family's consent and how it was selected. Traits and children are left out on purpose.

    yes_id: consent ledger row with a current yes (None: not asked, no answer, "not now", withdrawn or lapsed).
    yes_lapsed: the last answer is a yes that no longer counts.
    draw_entry_id, request_id: the draw that selected the family, or the family's own request.
    first_visit_id: the completed first visit.
    """

    id: int
    yes_id: int | None
    draw_entry_id: int | None = None
    request_id: int | None = None
    first_visit_id: int | None = None
    yes_lapsed: bool = False


@dataclass(frozen=True)
class PlannedVisit:
    """A visit to be booked. `day` is the local date at the school."""

    kind: VisitKind
    starts_at: datetime
    day: date


@dataclass(frozen=True)
class Attestation:
    """One educator's report of a visit. `by` and `went` are educator ids."""

    by: int
    went: frozenset[int]
    started_at: datetime
    ended_at: datetime
    place: str
    kind: VisitKind


def person_ids(people: Collection[Person]) -> list[int]:
    """Return the ids of `people` in the same order."""
    return [person.id for person in people]
