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
GSM7_EXTENDED = frozenset("\f^{}\\[~]|€")
"""Extension characters, which count as two septets each."""

_IN_GSM7 = GSM7 | GSM7_EXTENDED
_SEGMENT_BITS = 1120
"""Bits per segment: 140 octets."""
_HEADER_BITS = 48
"""Bits of the header in each segment of a concatenated message."""


@dataclass(frozen=True)
class Segments:
    """A text's encoding, the parts it is billed as, and its length: places in GSM-7, what a reader counts in UCS-2."""

    encoding: str
    segments: int
    characters: int

    def cost(self, dollars: Decimal) -> Decimal:
        """What it costs when one part costs `dollars`."""
        return self.segments * dollars


def count_segments(text: str) -> Segments:
    """Count the parts of `text` without smart encoding. No character is ever cut in two; an empty text is one part."""
    if is_gsm7(text):
        places = [2 if character in GSM7_EXTENDED else 1 for character in text]
        return Segments("GSM-7", _count_parts(7 * each for each in places), sum(places))
    # A pair of surrogates that reached us apart is one code point, as it is to a phone.
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    pieces = list(graphemes.split_graphemes(whole))
    return Segments(
        "UCS-2", _count_parts(8 * len(each.encode("utf-16-le", "surrogatepass")) for each in pieces), len(pieces)
    )


def is_gsm7(text: str) -> bool:
    """Whether `text` can be encoded in GSM-7."""
    return _IN_GSM7.issuperset(text)


def _count_parts(sizes: Iterable[int]) -> int:
    """Fill parts in order. When a second part is needed the first gives up room for its header, from its end."""
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
