"""How far along a carrier says a text is: pure. Only upwards; the first final word counts."""

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
"""How far along a status is. Words we do not know are kept where they arrive and change nothing."""
FINAL = 90
"""From here on nothing more is to be expected of the text."""
ARRIVED = frozenset({"delivered", "read"})
FINAL_WORDS = tuple(sorted(word for word, rank in RANKS.items() if rank >= FINAL))


def rank(status: str | None) -> int:
    """How far along `status` is; 0 for nothing, and for a word nobody knows."""
    return RANKS.get(status or "", 0)


def is_final(status: str | None) -> bool:
    """Whether `status` is a carrier's last word."""
    return rank(status) >= FINAL


def upward(have: str | None, told: str) -> bool:
    """Whether `told` is news to a text at `have`: further along, and after a final word only `read` of what arrived."""
    if is_final(have):
        return have == "delivered" and told == "read"
    return rank(told) > rank(have)


def contradicts(have: str | None, told: str) -> bool:
    """Whether two last words cannot both be true: delivered after all, say, of a text that was undelivered."""
    return is_final(have) and is_final(told) and have != told and not {have or "", told} <= ARRIVED
