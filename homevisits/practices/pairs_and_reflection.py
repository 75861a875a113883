"""Practice 5: in pairs, with reflection. Never solo; nothing written while the visit runs; both reflect afterwards."""

from collections.abc import Collection, Sequence
from datetime import datetime

from homevisits.core.problems import Problem
from homevisits.practices.facts import Attestation

PURE = True

PAIR = 2
"""Two distinct adults, always. A policy may ask for more, never for fewer."""


def two_adults(people: Sequence[int], team_size: int = PAIR) -> list[Problem]:
    """At least two distinct people go."""
    if len(set(people)) < len(people):
        return [Problem("same_person_twice", "partner")]
    if len(people) < max(team_size, PAIR):
        return [Problem("never_alone", "partner")]
    return []


def nothing_written_during(starts_at: datetime, checked_out_at: datetime | None, now: datetime) -> list[Problem]:
    """Between the visit's planned start and the check-out there is nowhere to write: eyes are on the family."""
    if starts_at <= now and (checked_out_at is None or now < checked_out_at):
        return [Problem("visit_is_running", None)]
    return []


def went_together(attested: Attestation, team: Collection[int]) -> list[Problem]:
    """A visit is attested by one who went, with another of the same team: one person alone is no such visit."""
    problems = two_adults(sorted(attested.went))
    if attested.by not in attested.went or not attested.went <= set(team):
        problems.append(Problem("only_the_pair_attests", "went"))
    if attested.ended_at <= attested.started_at:
        problems.append(Problem("ends_before_it_starts", "ended"))
    return problems


def both_agree(first: Attestation, second: Attestation) -> list[Problem]:
    """Two different people of the pair say the same of who went, when, where and what kind."""
    if first.by == second.by:
        return [Problem("attested_by_one", None)]
    same = (first.went, first.started_at, first.ended_at, first.place, first.kind) == (
        second.went,
        second.started_at,
        second.ended_at,
        second.place,
        second.kind,
    )
    return [] if same else [Problem("accounts_differ", None)]


def reflections_due(went: Collection[int], reflected: Collection[int]) -> frozenset[int]:
    """Those who went and have not yet written what they learned and what they will do."""
    return frozenset(went) - frozenset(reflected)
