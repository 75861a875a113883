"""Normalize and validate free text that staff write to families. Pure functions."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from homevisits.core.problems import Problem
from homevisits.messages.templates import lint, rendering
from homevisits.messages.templates.segments import count_segments

PURE = True

MAX_CHARACTERS = 1000  # limit of the form field; the limit of two segments per message is stricter
_NOT_OF_FREE_WORDS = frozenset({"empty", "half_a_choice", "other_digits", "control_characters", "too_long"})
"""Template rules that do not apply to free text, or that are reported with another message here."""
_NUMBER = re.compile(r"\+?\d[\d\s().-]{7,}\d")
_ENGLISH = frozenset(
    re.findall(
        r"\w+",
        """the a an and are at be can come do for from have i if in is it my of on our please see thank thanks that this
        to us we will with would you your""",
    )
)
_ENGLISH_ENOUGH = 0.3


@dataclass(frozen=True)
class ProtectedNames:
    """Personal data that a message to a phone must not contain: children's names and addresses."""

    children: tuple[tuple[str, str], ...]
    addresses: tuple[str, ...]


def normalize(typed: str) -> str:
    """Return `typed` on a single line in Unicode composed form."""
    return " ".join(unicodedata.normalize("NFC", typed).split())


def problems(body: str, language: str, letters: str, kept: ProtectedNames) -> list[Problem]:
    """Return all rules that `body` breaks. ``letters``: "plain" or "accents", the encoding to send in."""
    if not body:
        return [Problem("missing", "body")]
    broken = [
        Problem(f"written_{code}", "body")
        for code in lint.find_problems(body, body, language, letters)
        if code not in _NOT_OF_FREE_WORDS
    ]
    if rendering.placeholders(body):
        broken.append(Problem("written_loose_brace", "body"))
    parts = count_segments(in_sendable_letters(body, letters)).segments
    if parts > lint.MAX_SEGMENTS:
        broken.append(Problem("written_too_long", "body", {"parts": parts}))
    plain = _words(body)
    if any(
        _mentions(plain, f"{first} {family}") or _mentions(plain, f"{family} {first}")
        for first, family in kept.children
    ):
        broken.append(Problem("written_names_child", "body"))
    if any(_mentions(plain, address.partition(",")[0]) for address in kept.addresses):
        broken.append(Problem("written_says_address", "body"))
    return list(dict.fromkeys(broken))


def in_sendable_letters(body: str, letters: str) -> str:
    """Convert `body` to the letters its language is sent in."""
    return rendering.to_gsm7(body) if letters == "plain" else body


def find_phone_numbers(body: str) -> tuple[str, ...]:
    """Return the substrings of `body` that may be phone numbers, as typed."""
    return tuple(_NUMBER.findall(body))


def looks_english(body: str) -> bool:
    """Guess whether `body` is English from the number and share of common English function terms."""
    words = _words(body).split()
    matches = sum(word in _ENGLISH for word in words)
    return matches >= 2 and matches / len(words) >= _ENGLISH_ENOUGH


def searchable_names(names: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the children's names to search for. Single first names are allowed and left out."""
    return tuple((first, family) for first, family in names if first.strip() and family.strip())


def _mentions(plain: str, name: str) -> bool:
    searched = _words(name)
    return bool(searched) and f" {searched} " in f" {plain} "


def _words(text: str) -> str:
    bare = unicodedata.normalize("NFD", text.casefold())
    bare = "".join(letter for letter in bare if not unicodedata.combining(letter))
    return " ".join("".join(letter if letter.isalnum() else " " for letter in bare).split())
