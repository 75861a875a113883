"""Draw algorithm, without a random number generator, so that an auditor can repeat it in any language. Pure.

The unit is the household. Its index child (smallest SHA-256 of `<seed>:<student id>`) determines its stratum,
`school|grade`. Places are allocated to strata by largest remainder. Within a stratum, the households with the smallest
SHA-256 of `<seed>:<household id>` are drawn.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

PURE = True


class Method(StrEnum):
    """Method of selection."""

    EVERYONE = "everyone"
    RANDOM = "random"
    STRATIFIED = "stratified"


SINGLE_STRATUM = "all"  # stratum of every household in a draw without strata


@dataclass(frozen=True, order=True)
class Child:
    """A child on the list. All ids are roster ids, so that an auditor can look them up."""

    household: str
    student: str
    school: str
    grade: str


@dataclass(frozen=True)
class Household:
    """A household on the list, with the index child that determines its stratum."""

    id: str
    index_child: str
    stratum: str


@dataclass(frozen=True)
class Place:
    """A household's rank in the invitation order. Households not drawn follow as replacements."""

    position: int
    household: str
    index_child: str
    stratum: str
    drawn: bool


@dataclass(frozen=True)
class Outcome:
    """Result of a draw. A repeated run must produce the same hashes."""

    places: tuple[Place, ...]
    shares: Mapping[str, tuple[int, int]]  # stratum -> households in it, places given to it
    roster_sha256: str
    list_sha256: str
    allocation_sha256: str
    order_sha256: str


def sha256(text: str) -> str:
    """Return the SHA-256 of `text` in UTF-8 as lower-case hex."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sort_key(seed: str, identifier: str) -> str:
    """Return the hash that orders students and households."""
    return sha256(f"{seed}:{identifier}")


def hash_roster(children: Iterable[Child]) -> str:
    """Hash the list of children, one per line and sorted, so that the order of the file does not matter."""
    return sha256("\n".join(f"{c.household}|{c.student}|{c.school}|{c.grade}" for c in sorted(set(children))))


def hash_households(households: Iterable[str]) -> str:
    """Hash the drawn household ids, one per line and sorted."""
    return sha256("\n".join(sorted(households)))


def hash_order(places: Iterable[Place]) -> str:
    """Hash the complete order, including households that were not drawn."""
    return sha256("\n".join(f"{p.position}|{p.household}|{p.stratum}|{'Y' if p.drawn else 'N'}" for p in places))


def hash_allocation(shares: Mapping[str, tuple[int, int]]) -> str:
    """Hash the size and the number of places of each stratum."""
    return sha256(json.dumps({name: list(pair) for name, pair in shares.items()}, sort_keys=True))


def group_into_households(children: Iterable[Child], seed: str, *, stratified: bool = True) -> tuple[Household, ...]:
    """Group `children` into households with index child and stratum, sorted by id."""
    groups: dict[str, list[Child]] = {}
    for child in set(children):
        groups.setdefault(child.household, []).append(child)
    households = []
    for name in sorted(groups):
        index = min(groups[name], key=lambda child: (sort_key(seed, child.student), child.student))
        stratum = f"{index.school}|{index.grade}" if stratified else SINGLE_STRATUM
        households.append(Household(name, index.student, stratum))
    return tuple(households)


def allocate_by_largest_remainder(weights: Mapping[str, float], total: int) -> dict[str, int]:
    """Allocate `total` places by weight (Hamilton method); ties go to the larger stratum, then to the first name."""
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
    population: Iterable[Household], seed: str, count: int
) -> tuple[tuple[Place, ...], dict[str, tuple[int, int]]]:
    """Select `sample_size` households; return all households in invitation order and the allocation."""
    strata: dict[str, list[Household]] = {}
    for household in population:
        strata.setdefault(household.stratum, []).append(household)
    sizes = {name: len(members) for name, members in strata.items()}
    shares = allocate_by_largest_remainder(sizes, min(count, sum(sizes.values())))
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


def run_draw(children: Iterable[Child], method: Method, seed: str, sample_size: int | None) -> Outcome:
    """Draw `sample_size` households of `children`, or all of them with `Method.EVERYONE`."""
    listed = tuple(children)
    population = group_into_households(listed, seed, stratified=method is Method.STRATIFIED)
    count = len(population) if method is Method.EVERYONE or sample_size is None else sample_size
    places, shares = select_households(population, seed, count)
    return Outcome(
        places=places,
        shares=shares,
        roster_sha256=hash_roster(listed),
        list_sha256=hash_households(place.household for place in places if place.drawn),
        allocation_sha256=hash_allocation(shares),
        order_sha256=hash_order(places),
    )
