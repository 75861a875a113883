"""Fill templates and convert text to GSM-7 characters. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from homevisits.messages.templates.segments import is_gsm7

PURE = True

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
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
    "ʼ": "'",
    "ʻ": "'",
    # Letters that are no other letter with an accent
    "đ": "d",
    "Đ": "D",
    "ł": "l",
    "Ł": "L",
    "ı": "i",
    "œ": "oe",
    "Œ": "OE",
    "ð": "d",
    "þ": "th",
}


@dataclass(frozen=True)
class PlannedMessage:
    """A text that should leave: to whom, in which words, from when, until when it is still of use.

    ``key`` names it among the texts about one thing: planned twice, it is sent once. ``question`` is what a reply to it
    answers ("visit:17"). ``zone`` and ``school_id`` say whose hours and quiet days count (None: the installation's);
    ``category`` is the template's own where it is None. A text that a person typed has the
    template "written" and its ``body``;
    ``urgent_by`` is the account that lets it leave outside the hours, with its reason.
    """

    key: str
    to: str
    language: str
    template: str
    params: Mapping[str, object]
    not_before: datetime
    expires_at: datetime
    question: str | None = None
    zone: str | None = None
    school_id: int | None = None
    category: str | None = None
    body: str | None = None
    urgent_by: int | None = None
    urgent_reason: str | None = None
    written_by: int | None = None


def placeholders(template: str) -> frozenset[str]:
    """Return the placeholder names of `template`."""
    return frozenset(_PLACEHOLDER.findall(template))


def fill_placeholders(template: str, params: Mapping[str, object]) -> str:
    """Fill the placeholders of `template`. Raises KeyError if a value is missing."""
    return _PLACEHOLDER.sub(lambda found: str(params[found[1]]), template).strip()


def to_gsm7(text: str) -> str:
    """Convert `text` to GSM-7: drop accents that it lacks; keep ñ é ü ¿ ¡."""
    text = unicodedata.normalize("NFC", text)
    if is_gsm7(text):
        return text
    out = []
    for character in text:
        character = _TYPOGRAPHY.get(character, character)
        if is_gsm7(character):
            out.append(character)
            continue
        bare = "".join(c for c in unicodedata.normalize("NFD", character) if not unicodedata.combining(c))
        out.append(bare if bare and is_gsm7(bare) else character)
    return "".join(out)
