"""Order of the providers' delivery statuses. A status never moves backwards. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

PURE = True

RANKS: Mapping[str, int] = MappingProxyType(
    {
        "accepted": 10,
        "scheduled": 10,
        "queued": 20,
        "sending": 30,
        "sent": 40,
        "delivered": 90,
        "undelivered": 90,
        "failed": 90,
        "canceled": 90,
        "read": 95,
    }
)
"""Rank of each status. Unknown statuses are stored and ignored."""
MIN_FINAL_RANK = 90
"""Rank from which a status is final."""
ARRIVED_STATUSES = frozenset({"delivered", "read"})
FINAL_STATUSES = tuple(sorted(word for word, rank in RANKS.items() if rank >= MIN_FINAL_RANK))


def rank(status: str | None) -> int:
    """Return the rank of `status`; 0 for None and unknown statuses."""
    return RANKS.get(status or "", 0)


def is_final(status: str | None) -> bool:
    """Whether `status` is final."""
    return rank(status) >= MIN_FINAL_RANK


def is_forward(have: str | None, told: str) -> bool:
    """Whether `told` is a forward change from `have`; after a final status only delivered to read."""
    if is_final(have):
        return have == "delivered" and told == "read"
    return rank(told) > rank(have)


def contradicts(have: str | None, told: str) -> bool:
    """Whether two final statuses conflict, such as undelivered and delivered."""
    return is_final(have) and is_final(told) and have != told and not {have or "", told} <= ARRIVED_STATUSES
