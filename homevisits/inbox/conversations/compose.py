"""Words that a person types for a family, pure: made one line, held to the house's rules, and what to warn of."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from homevisits.core.problems import Problem
from homevisits.messages.templates import lint, rendering
from homevisits.messages.templates.segments import segments

PURE = True

MAX_SEGMENTS = 1000
"""Letters a form takes; the rule is two parts, which is less."""
_NOT_OF_FREE_WORDS = frozenset({"empty", "half_a_choice", "other_digits", "control_characters", "too_long"})
"""Rules about a question's digits ("Tuesday, 2 or 3?" is none), and those that are said in other words here."""
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
    """What a text must not say of the families of a phone: their children's names, and where they live."""

    children: tuple[tuple[str, str], ...]
    addresses: tuple[str, ...]


def normalize(typed: str) -> str:
    """`typed` on one line, each letter one sign."""
    return " ".join(unicodedata.normalize("NFC", typed).split())


def problems(body: str, language: str, letters: str, kept: ProtectedNames) -> list[Problem]:
    """Every rule `body` breaks. ``letters``: "plain" or "accents", as it would be sent."""
    if not body:
        return [Problem("missing", "body")]
    found = [
        Problem(f"written_{code}", "body")
        for code in lint.faults(body, body, language, letters)
        if code not in _NOT_OF_FREE_WORDS
    ]
    if rendering.places(body):
        found.append(Problem("written_loose_brace", "body"))
    parts = segments(in_sendable_letters(body, letters)).segments
    if parts > lint.MAX_SEGMENTS:
        found.append(Problem("written_too_long", "body", {"parts": parts}))
    plain = _words(body)
    if any(
        _mentions(plain, f"{given} {family}") or _mentions(plain, f"{family} {given}")
        for given, family in kept.children
    ):
        found.append(Problem("written_names_child", "body"))
    if any(_mentions(plain, address.partition(",")[0]) for address in kept.addresses):
        found.append(Problem("written_says_address", "body"))
    return list(dict.fromkeys(found))


def in_sendable_letters(body: str, letters: str) -> str:
    """`body` in the letters its language is sent in."""
    return rendering.plain(body) if letters == "plain" else body


def find_phone_numbers(body: str) -> tuple[str, ...]:
    """What may be a telephone number in `body`, as it was typed."""
    return tuple(_NUMBER.findall(body))


def looks_english(body: str) -> bool:
    """Whether `body` reads like English: two of its small words, and many of them."""
    words = _words(body).split()
    found = sum(word in _ENGLISH for word in words)
    return found >= 2 and found / len(words) >= _ENGLISH_ENOUGH


def names_to_look_for(names: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Children's names worth looking for; a name of one word is a first name, which may be said."""
    return tuple((given, family) for given, family in names if given.strip() and family.strip())


def _mentions(plain: str, name: str) -> bool:
    wanted = _words(name)
    return bool(wanted) and f" {wanted} " in f" {plain} "


def _words(text: str) -> str:
    bare = unicodedata.normalize("NFD", text.casefold())
    bare = "".join(letter for letter in bare if not unicodedata.combining(letter))
    return " ".join("".join(letter if letter.isalnum() else " " for letter in bare).split())
