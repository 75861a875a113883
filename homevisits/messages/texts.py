"""What a text says, pure: templates filled, segments counted as carriers count them, the house's rules checked."""

import re
import string
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENDED = frozenset("\f^{}\\[~]|€")

MAX_SEGMENTS = 2

_PLACE = re.compile(r"\{([a-z_]+)\}")
_ASKS_FOR_A_WORD = re.compile(
    r"\b(?:reply|text|answer|send|responda|conteste|mande|escriba|envie|envíe)\W+(?:with\W+|con\W+)?"
    r"(?:cancel|yes|no|end|quit|si|sí|cancelar)\b",
    re.IGNORECASE,
)
_FORBIDDEN_PLACES = frozenset({"child", "student", "address", "street", "reason", "family"})

_TYPOGRAPHY = {
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "–": "-",
    "—": "-",
    "…": "...",
    "\u00a0": " ",
    "\u202f": " ",
}
_KEPT = frozenset("ñÑüÜéÉ¿¡")


@dataclass(frozen=True)
class PlannedText:
    """A text that should leave: to whom, in which words, from when, until when it is still of use.

    ``key`` names it among the texts about one thing: planned twice, it is sent once. ``asks`` is what a reply to it
    answers ("visit:17").
    """

    key: str
    to: str
    language: str
    template: str
    params: Mapping[str, object]
    not_before: datetime
    expires_at: datetime
    asks: str | None = None


@dataclass(frozen=True)
class Segments:
    """How a text travels: its encoding, the parts it is billed as, and its length in characters of that encoding."""

    encoding: str
    segments: int
    characters: int


def segments(text: str) -> Segments:
    """Count the segments of `text`: 160/153 in GSM-7, 70/67 in UCS-2; a character is never cut in two."""
    if all(character in GSM7 or character in GSM7_EXTENDED for character in text):
        return Segments("GSM-7", _parts([2 if c in GSM7_EXTENDED else 1 for c in text], 160, 153), _length(text))
    widths = [len(character.encode("utf-16-le")) // 2 for character in text]
    return Segments("UCS-2", _parts(widths, 70, 67), sum(widths))


def _length(text: str) -> int:
    return sum(2 if character in GSM7_EXTENDED else 1 for character in text)


def _parts(widths: list[int], single: int, multiple: int) -> int:
    if sum(widths) <= single:
        return 1 if widths else 0
    parts, used = 1, 0
    for width in widths:
        if used + width > multiple:
            parts, used = parts + 1, 0
        used += width
    return parts


def places(template: str) -> frozenset[str]:
    """The names of the places to be filled in `template`."""
    return frozenset(_PLACE.findall(template))


def fill(template: str, params: Mapping[str, object]) -> str:
    """`template` with its places filled. Raises KeyError when one is missing: a half-filled text never leaves."""
    return _PLACE.sub(lambda found: str(params[found[1]]), template).strip()


def plain(text: str) -> str:
    """`text` in letters every phone shows in the cheap encoding: accents GSM-7 lacks are dropped, ñ é ü ¿ ¡ stay."""
    out = []
    for character in text:
        character = _TYPOGRAPHY.get(character, character)
        if all(c in GSM7 or c in GSM7_EXTENDED for c in character) or character in _KEPT:
            out.append(character)
            continue
        bare = "".join(c for c in unicodedata.normalize("NFD", character) if not unicodedata.combining(c))
        out.append(bare if bare and all(c in GSM7 for c in bare) else character)
    return "".join(out)


def faults(template: str, sample: Mapping[str, object]) -> list[str]:
    """What is wrong with a text by the house's rules, as codes: empty when it may be sent."""
    found = []
    if places(template) & _FORBIDDEN_PLACES:
        found.append("names_too_much")
    if _ASKS_FOR_A_WORD.search(template):
        found.append("asks_for_a_word")
    if any(kind == "Cc" for kind in map(unicodedata.category, template.strip()) if kind) and "\n" not in template:
        found.append("control_characters")
    unknown = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None} - set(sample)
    if unknown:
        found.append("unknown_places")
    elif segments(plain(fill(template, sample))).segments > MAX_SEGMENTS:
        found.append("too_long")
    return found
