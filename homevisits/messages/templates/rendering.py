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
    # Letters that Unicode does not decompose into a base letter and an accent.
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
    """A message to send, as planned by a feature.

    key: identifies the message among those with the same subject; a message planned twice is sent once.
    question: what a reply answers, such as "visit:17". zone, school_id: for quiet hours and quiet days; None: those of
    the installation. category: None for that of the template. body: text of a message that staff wrote, with the
    template "written". urgent_by: account that allowed sending outside texting hours, with urgent_reason.
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
    return _PLACEHOLDER.sub(lambda match: str(params[match[1]]), template).strip()


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
