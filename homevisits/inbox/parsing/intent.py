"""Classify incoming messages by their full text: "please don't stop" is not an opt-out. Pure."""

import base64
import binascii
import re
import unicodedata

from homevisits.inbox.parsing import phrases
from homevisits.inbox.parsing.keywords import (
    AMBIGUOUS,
    EXACT,
    INTENTS_BY_LANGUAGE,
    KEYWORDS_BY_INTENT,
    NUMBERS,
    ONLY_IN,
    Intent,
)
from homevisits.inbox.parsing.reactions import Reaction, parse_reaction

PURE = True
MAX_PARSED_LENGTH = 200
"""Longer messages are left to staff, unless they are an automatic reply."""
_KEYCAP = re.compile("[\ufe0e\ufe0f\u20e3\u200d]")
_TATWEEL = "\u0640"
_LETTERS = str.maketrans({"đ": "d", "ى": "ي", "ة": "ه", "ı": "i", "ł": "l", _TATWEEL: None})
_SHORTEST_BASE64 = 60
_THUMBS = ("👍", "👌")
_STOP_SIGN = "🛑"
_LETTER_BY_LETTER = re.compile(r"[^\W\d_](?: [^\W\d_]){2,}")
_SENT_FROM = re.compile(r"\s*\n\s*(?:sent from|get outlook|enviado desde|enviado de)\b[^\n]{1,60}\s*$", re.IGNORECASE)
"""Signatures of phones and mail programs."""
_SIGNED = re.compile(r"\s*(?:\n|[-–—~])\s*[-–—~]?\s*(?:[A-ZÁÉÍÓÚÑ][\w'’-]*\.?\s*){1,3}$")
"""A signature: a name on its own line or after a dash."""
_ONLY_A_STOP = frozenset({"stop", "stopall", "stop all", "unsubscribe", "opt out", "optout", "alto", "no mas"})
"""Opt-out keywords that also match before a signature; "cancel" and a day refers to a visit."""


def normalize(body: str) -> str:
    """Normalize `body`: NFKC, lower case, no accents or punctuation, single spaces."""
    text = "".join(c for c in unicodedata.normalize("NFD", _spelled(body)) if not unicodedata.combining(c))
    return " ".join(unicodedata.normalize("NFC", text).translate(_LETTERS).split())


def _spelled(body: str) -> str:
    """Normalize `body` but keep accents: lower case, no punctuation, ASCII digits."""
    text = _KEYCAP.sub("", unicodedata.normalize("NFKC", body)).casefold()
    # Case folding can decompose letters; compose again for a single form of accents.
    text = unicodedata.normalize("NFKC", text)
    return " ".join("".join(map(_letter, text)).split())


def _letter(c: str) -> str:
    if c.isdecimal():
        return str(unicodedata.decimal(c))
    if c.isalnum() or unicodedata.combining(c):
        return c
    return " " if unicodedata.category(c)[0] in "PZSC" and unicodedata.category(c) != "Cf" else ""


def decode_body(body: str) -> str:
    """Decode `body` if the provider sent it as base64 (known from long Twilio MMS).

    Only decodes long messages without spaces whose result is readable text.
    """
    packed = "".join(body.split("\n")).replace("\r", "").strip()
    if len(packed) < _SHORTEST_BASE64 or len(packed) % 4 or any(c.isspace() for c in packed):
        return body
    try:
        text = base64.b64decode(packed, validate=True).decode()
    except (binascii.Error, ValueError):
        return body
    words = sum(c.isalnum() or c.isspace() or unicodedata.category(c)[0] == "P" for c in text)
    return text if words * 2 > len(text) and " " in text.strip() else body


def parse_number(body: str) -> int | None:
    """Parse `body` as a single number, in digits of any script or spelled out; otherwise return None."""
    words = normalize(_SENT_FROM.sub("", body))
    return int(words) if words.isdecimal() and len(words) == 1 else NUMBERS.get(words)


def parse_intent(body: str, language: str | None = None) -> Intent:
    """Classify `body`. ``language``: the family's, for keywords limited to one language."""
    reaction = parse_reaction(body)
    if reaction is not None:
        return Intent.PROBABLE_YES if reaction is Reaction.LIKED else Intent.TAPBACK
    body = _SENT_FROM.sub("", body)
    spelled, words = _spelled(body), normalize(body)
    if not words:
        if body.strip().startswith(_STOP_SIGN):
            return Intent.STOP
        return Intent.YES if body.strip().startswith(_THUMBS) else Intent.UNCLEAR
    if _LETTER_BY_LETTER.fullmatch(words) and words.replace(" ", "") in KEYWORDS_BY_INTENT[Intent.STOP]:
        return Intent.STOP
    intent = EXACT.get(spelled) or (None if words in AMBIGUOUS else INTENTS_BY_LANGUAGE.get(words))
    if intent is not None:
        return intent if language is None or ONLY_IN.get(words, language) == language else Intent.UNCLEAR
    if normalize(_SIGNED.sub("", body)) in _ONLY_A_STOP:
        return Intent.STOP
    return _sentence(words)


def _sentence(words: str) -> Intent:
    if len(words) > MAX_PARSED_LENGTH:
        return Intent.ROBOT if phrases.is_automatic_reply(words) else Intent.UNCLEAR
    asked = (
        (Intent.ROBOT, phrases.is_automatic_reply),
        (Intent.STOP, phrases.is_opt_out),
        (Intent.WRONG_NUMBER, phrases.is_wrong_number),
        (Intent.POLITE_STOP, phrases.is_possible_opt_out),
    )
    return next((intent for intent, matches in asked if matches(words)), Intent.UNCLEAR)
