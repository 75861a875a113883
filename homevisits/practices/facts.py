"""The plain facts a practice is asked about: frozen, made by queries, known to no table and no page."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

PURE = True


class Kind(StrEnum):
    """The first visit builds the relationship; a second is linked to learning."""

    FIRST = "first"
    SECOND = "second"


@dataclass(frozen=True)
class Certificate:
    """A training's result: valid from its first day to its last, both included (no last day: until withdrawn)."""

    id: int
    valid_from: date
    valid_until: date | None

    def covers(self, day: date) -> bool:
        """Whether it is valid on `day`."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


@dataclass(frozen=True)
class Person:
    """An educator who would go: whether they are opted in now, and every certificate they hold."""

    id: int
    name: str
    opt_in_id: int | None
    certificates: tuple[Certificate, ...] = ()

    def certificate_on(self, day: date) -> Certificate | None:
        """The certificate that covers `day` longest, if any does."""
        covering = [c for c in self.certificates if c.covers(day)]
        return max(covering, key=lambda c: (c.valid_until or date.max, c.id), default=None)


@dataclass(frozen=True)
class Family:
    """A family as the practices see it: no trait, no child, only its own word and how it came to be asked.

    ``yes_id`` is the row of the consent ledger that is a caregiver's yes *now* (None: never asked, not answered, "not
    now", withdrawn, or lapsed). ``yes_lapsed``: its answer is a yes that no longer counts. ``draw_entry_id`` or
    ``request_id`` says how it came to be asked. ``first_visit_id`` is its completed first visit.
    """

    id: int
    yes_id: int | None
    draw_entry_id: int | None = None
    request_id: int | None = None
    first_visit_id: int | None = None
    yes_lapsed: bool = False


@dataclass(frozen=True)
class Meeting:
    """A visit that is wanted: what kind, when, on which day of the family's calendar."""

    kind: Kind
    starts_at: datetime
    day: date


@dataclass(frozen=True)
class Attestation:
    """One person's word on a visit held: who went, from when to when, where, what kind."""

    by: int
    went: frozenset[int]
    started_at: datetime
    ended_at: datetime
    place: str
    kind: Kind


def ids(people: Collection[Person]) -> list[int]:
    """The ids of `people`, in their order."""
    return [person.id for person in people]
