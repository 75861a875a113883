"""Encoding, segments and length of a message, as in Twilio's segment calculator. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from homevisits.messages.templates import graphemes

PURE = True

GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENDED = frozenset("\f^{}\\[~]|€")  # extension characters count as two septets each

_IN_GSM7 = GSM7 | GSM7_EXTENDED
_SEGMENT_BITS = 1120  # 140 octets
_HEADER_BITS = 48  # in each segment of a concatenated message


@dataclass(frozen=True)
class Segments:
    """Encoding, number of segments and length of a message: septets in GSM-7, grapheme clusters in UCS-2."""

    encoding: str
    segments: int
    characters: int

    def cost(self, segment_price: Decimal) -> Decimal:
        """Return the cost of the message."""
        return self.segments * segment_price


def count_segments(text: str) -> Segments:
    """Count the segments of `text` without smart encoding. Never cuts a character; an empty text has one segment."""
    if is_gsm7(text):
        septets = [2 if character in GSM7_EXTENDED else 1 for character in text]
        return Segments("GSM-7", _count_parts(7 * size for size in septets), sum(septets))
    # Join surrogate pairs that are separate in `text`, because a phone shows them as one character.
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    clusters = list(graphemes.split_graphemes(joined))
    return Segments(
        "UCS-2",
        _count_parts(8 * len(cluster.encode("utf-16-le", "surrogatepass")) for cluster in clusters),
        len(clusters),
    )


def is_gsm7(text: str) -> bool:
    """Whether `text` can be encoded in GSM-7."""
    return _IN_GSM7.issuperset(text)


def _count_parts(sizes: Iterable[int]) -> int:
    """Fill segments in order. If a second is needed, the end of the first moves there to make room for the header."""
    parts: list[list[int]] = [[]]
    free = _SEGMENT_BITS
    for size in sizes:
        if free < size:
            over = _remove_overflow(parts[0]) if len(parts) == 1 else []
            parts.append(over)
            free = _SEGMENT_BITS - _HEADER_BITS - sum(over)
        parts[-1].append(size)
        free -= size
    return len(parts)


def _remove_overflow(first: list[int]) -> list[int]:
    over: list[int] = []
    while sum(first) > _SEGMENT_BITS - _HEADER_BITS:
        over.insert(0, first.pop())
    return over
