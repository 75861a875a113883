"""The draw, pure: no random generator, so that any auditor repeats it in any language.

The unit is the household. Its index child (smallest SHA-256 of ``<seed>:<student id>``) says its stratum, school|grade.
The places are shared among the strata by largest remainder; in a stratum the smallest ``<seed>:<household id>`` go in.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

PURE = True


class Method(StrEnum):
    """Who is asked: all of them, or a fair part of them."""

    EVERYONE = "everyone"
    RANDOM = "random"
    STRATIFIED = "stratified"


SINGLE_STRATUM = "all"
"""The one stratum of a draw that has no strata."""


@dataclass(frozen=True, order=True)
class Child:
    """A child on the list drawn from. The ids are the roster's own, so that an auditor finds them there."""

    household: str
    student: str
    school: str
    grade: str


@dataclass(frozen=True)
class Household:
    """A household on the list drawn from, with the child that says its stratum."""

    id: str
    index_child: str
    stratum: str


@dataclass(frozen=True)
class Place:
    """A household's place in the order of asking. Those not drawn stand behind, as replacements in their stratum."""

    position: int
    household: str
    index_child: str
    stratum: str
    drawn: bool


@dataclass(frozen=True)
class Outcome:
    """What a draw came to. The hashes are what a public record shows and a later run must reach."""

    places: tuple[Place, ...]
    shares: Mapping[str, tuple[int, int]]  # stratum -> households in it, places given to it
    roster_sha256: str
    list_sha256: str
    allocation_sha256: str
    order_sha256: str


def sha256(text: str) -> str:
    """SHA-256 of `text` in UTF-8, as lower-case hex."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sort_key(seed: str, identifier: str) -> str:
    """What sorts a student or a household in a draw."""
    return sha256(f"{seed}:{identifier}")


def hash_roster(children: Iterable[Child]) -> str:
    """The hash of the list drawn from: one line a child, sorted, so that the file's order does not matter."""
    return sha256("\n".join(f"{c.household}|{c.student}|{c.school}|{c.grade}" for c in sorted(set(children))))


def hash_households(households: Iterable[str]) -> str:
    """The hash of the households drawn, sorted, one a line."""
    return sha256("\n".join(sorted(households)))


def hash_order(places: Iterable[Place]) -> str:
    """The hash of the whole order, drawn and behind."""
    return sha256("\n".join(f"{p.position}|{p.household}|{p.stratum}|{'Y' if p.drawn else 'N'}" for p in places))


def hash_allocation(shares: Mapping[str, tuple[int, int]]) -> str:
    """The hash of how many households each stratum has and gives."""
    return sha256(json.dumps({name: list(pair) for name, pair in shares.items()}, sort_keys=True))


def group_into_households(children: Iterable[Child], seed: str, *, stratified: bool = True) -> tuple[Household, ...]:
    """The households of `children`, each with its index child and stratum, sorted by id."""
    groups: dict[str, list[Child]] = {}
    for child in set(children):
        groups.setdefault(child.household, []).append(child)
    found = []
    for name in sorted(groups):
        index = min(groups[name], key=lambda child: (sort_key(seed, child.student), child.student))
        stratum = f"{index.school}|{index.grade}" if stratified else SINGLE_STRATUM
        found.append(Household(name, index.student, stratum))
    return tuple(found)


def allocate_by_largest_remainder(weights: Mapping[str, float], total: int) -> dict[str, int]:
    """Share `total` places by weight (Hamilton). Ties go to the larger stratum, then to the first name."""
    exact = {name: Fraction(weight) for name, weight in weights.items()}
    whole = sum(exact.values(), Fraction(0))
    if not whole:
        return dict.fromkeys(weights, 0)
    quotas = {name: exact[name] * total / whole for name in exact}
    shares = {name: int(quota) for name, quota in quotas.items()}
    left = total - sum(shares.values())
    by_remainder = sorted(quotas, key=lambda name: (shares[name] - quotas[name], -exact[name], name))
    for name in by_remainder[:left]:
        shares[name] += 1
    return shares


def select_households(
    population: Iterable[Household], seed: str, wanted: int
) -> tuple[tuple[Place, ...], dict[str, tuple[int, int]]]:
    """The order of asking and the allocation: `wanted` of `population` drawn, all others behind them."""
    strata: dict[str, list[Household]] = {}
    for household in population:
        strata.setdefault(household.stratum, []).append(household)
    sizes = {name: len(members) for name, members in strata.items()}
    shares = allocate_by_largest_remainder(sizes, min(wanted, sum(sizes.values())))
    chosen: set[str] = set()
    for name, members in strata.items():
        members.sort(key=lambda household: (sort_key(seed, household.id), household.id))
        chosen.update(household.id for household in members[: shares[name]])
    everyone = [household for members in strata.values() for household in members]
    everyone.sort(key=lambda h: (h.id not in chosen, sort_key(seed, h.id), h.id))
    places = tuple(
        Place(position, h.id, h.index_child, h.stratum, h.id in chosen) for position, h in enumerate(everyone, start=1)
    )
    return places, {name: (sizes[name], shares[name]) for name in sorted(sizes)}


def run_draw(children: Iterable[Child], method: Method, seed: str, wanted: int | None) -> Outcome:
    """Draw from `children`. `wanted` households, or all of them with ``Method.EVERYONE``."""
    listed = tuple(children)
    population = group_into_households(listed, seed, stratified=method is Method.STRATIFIED)
    count = len(population) if method is Method.EVERYONE or wanted is None else wanted
    places, shares = select_households(population, seed, count)
    return Outcome(
        places=places,
        shares=shares,
        roster_sha256=hash_roster(listed),
        list_sha256=hash_households(place.household for place in places if place.drawn),
        allocation_sha256=hash_allocation(shares),
        order_sha256=hash_order(places),
    )
