"""Order of the providers' delivery statuses. A status never moves backwards. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

PURE = True

# Rank of each status. Unknown statuses are stored and ignored.
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
MIN_FINAL_RANK = 90  # a status with this rank or a higher rank is final
ARRIVED_STATUSES = frozenset({"delivered", "read"})
FINAL_STATUSES = tuple(sorted(status for status, rank in RANKS.items() if rank >= MIN_FINAL_RANK))


def rank(status: str | None) -> int:
    """Return the rank of `status`; 0 for None and unknown statuses."""
    return RANKS.get(status or "", 0)


def is_final(status: str | None) -> bool:
    """Whether `status` is final."""
    return rank(status) >= MIN_FINAL_RANK


def is_forward(current: str | None, reported: str) -> bool:
    """Whether `reported` is a forward change. After a final status, only delivered to read is."""
    if is_final(current):
        return current == "delivered" and reported == "read"
    return rank(reported) > rank(current)


def contradicts(current: str | None, reported: str) -> bool:
    """Whether two final statuses conflict, such as undelivered and delivered."""
    if not is_final(current) or not is_final(reported) or current == reported:
        return False
    return not {current or "", reported} <= ARRIVED_STATUSES
