"""What a family's text means, pure. The whole message counts, never a part: "please don't stop" is no STOP."""

import base64
import binascii
import re
import unicodedata

from homevisits.inbox.parsing import phrases
from homevisits.inbox.parsing.keywords import AMBIGUOUS, EXACT, INTENTS_BY_LANGUAGE, NUMBERS, ONLY_IN, WORDS, Intent
from homevisits.inbox.parsing.reactions import Reaction, parse_reaction

PURE = True
MAX_PARSED_LENGTH = 200
"""A longer text is a letter: a person reads it, no pattern does."""
_KEYCAP = re.compile("[\ufe0e\ufe0f\u20e3\u200d]")
_TATWEEL = "\u0640"
_LETTERS = str.maketrans({"đ": "d", "ى": "ي", "ة": "ه", "ı": "i", "ł": "l", _TATWEEL: None})
_SHORTEST_BASE64 = 60
_THUMBS = ("👍", "👌")
_STOP_SIGN = "🛑"
_LETTER_BY_LETTER = re.compile(r"[^\W\d_](?: [^\W\d_]){2,}")
_SENT_FROM = re.compile(r"\s*\n\s*(?:sent from|get outlook|enviado desde|enviado de)\b[^\n]{1,60}\s*$", re.IGNORECASE)
"""What a phone or a mail program signs with."""
_SIGNED = re.compile(r"\s*(?:\n|[-–—~])\s*[-–—~]?\s*(?:[A-ZÁÉÍÓÚÑ][\w'’-]*\.?\s*){1,3}$")
"""A name on a line of its own, or behind a dash."""
_ONLY_A_STOP = frozenset({"stop", "stopall", "stop all", "unsubscribe", "opt out", "optout", "alto", "no mas"})
"""Words that mean nothing else, also with a name behind them; "cancel" and a day is about a visit."""


def normalize(body: str) -> str:
    """`body` as words: compatible forms unified, case, accents and punctuation gone, one space between."""
    text = "".join(c for c in unicodedata.normalize("NFD", _spelled(body)) if not unicodedata.combining(c))
    return " ".join(unicodedata.normalize("NFC", text).translate(_LETTERS).split())


def _spelled(body: str) -> str:
    """The words with their accents: case and punctuation gone, digits of every script as ours."""
    text = _KEYCAP.sub("", unicodedata.normalize("NFKC", body)).casefold()
    # Folding may take a letter apart; together again, what accents are is one thing.
    text = unicodedata.normalize("NFKC", text)
    return " ".join("".join(map(_letter, text)).split())


def _letter(c: str) -> str:
    if c.isdecimal():
        return str(unicodedata.decimal(c))
    if c.isalnum() or unicodedata.combining(c):
        return c
    return " " if unicodedata.category(c)[0] in "PZSC" and unicodedata.category(c) != "Cf" else ""


def decode_body(body: str) -> str:
    """`body`, taken out of base64 where a carrier packed a long text so (known of Twilio's MMS).

    Only what is long, has no space in it and comes out as words: anything else is what the family wrote.
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


def is_reaction(body: str) -> bool:
    """Whether `body` is a phone's own sentence about a tap on a text of ours."""
    return parse_reaction(body) is not None


def parse_number(body: str) -> int | None:
    """The one number `body` consists of, in digits of any script or as a word; None: it says something else."""
    words = normalize(_SENT_FROM.sub("", body))
    return int(words) if words.isdecimal() and len(words) == 1 else NUMBERS.get(words)


def parse_intent(body: str, language: str | None = None) -> Intent:
    """What `body` says. ``language``: the family's, where some words answer only in their own language."""
    tapped = parse_reaction(body)
    if tapped is not None:
        return Intent.PROBABLE_YES if tapped is Reaction.LIKED else Intent.TAPBACK
    body = _SENT_FROM.sub("", body)
    spelled, words = _spelled(body), normalize(body)
    if not words:
        if body.strip().startswith(_STOP_SIGN):
            return Intent.STOP
        return Intent.YES if body.strip().startswith(_THUMBS) else Intent.UNCLEAR
    if _LETTER_BY_LETTER.fullmatch(words) and words.replace(" ", "") in WORDS[Intent.STOP]:
        return Intent.STOP
    found = EXACT.get(spelled) or (None if words in AMBIGUOUS else INTENTS_BY_LANGUAGE.get(words))
    if found is not None:
        return found if language is None or ONLY_IN.get(words, language) == language else Intent.UNCLEAR
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
    return next((found for found, said in asked if said(words)), Intent.UNCLEAR)
