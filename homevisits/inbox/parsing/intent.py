"""What a family's text means, pure. The whole message counts, never a part: "please don't stop" is no STOP."""

import base64
import binascii
import re
import unicodedata

from homevisits.inbox.parsing import phrases
from homevisits.inbox.parsing.keywords import EITHER, EXACT, MEANINGS, NUMBERS, ONLY_IN, WORDS, Meaning
from homevisits.inbox.parsing.reactions import Tap, tap

PURE = True
LONGEST_SENTENCE = 200
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


def simplified(body: str) -> str:
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


def readable(body: str) -> str:
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


def is_tapback(body: str) -> bool:
    """Whether `body` is a phone's own sentence about a tap on a text of ours."""
    return tap(body) is not None


def number(body: str) -> int | None:
    """The one number `body` consists of, in digits of any script or as a word; None: it says something else."""
    words = simplified(_SENT_FROM.sub("", body))
    return int(words) if words.isdecimal() and len(words) == 1 else NUMBERS.get(words)


def meaning(body: str, language: str | None = None) -> Meaning:
    """What `body` says. ``language``: the family's, where some words answer only in their own language."""
    tapped = tap(body)
    if tapped is not None:
        return Meaning.PROBABLE_YES if tapped is Tap.LIKED else Meaning.TAPBACK
    body = _SENT_FROM.sub("", body)
    spelled, words = _spelled(body), simplified(body)
    if not words:
        if body.strip().startswith(_STOP_SIGN):
            return Meaning.STOP
        return Meaning.YES if body.strip().startswith(_THUMBS) else Meaning.UNCLEAR
    if _LETTER_BY_LETTER.fullmatch(words) and words.replace(" ", "") in WORDS[Meaning.STOP]:
        return Meaning.STOP
    found = EXACT.get(spelled) or (None if words in EITHER else MEANINGS.get(words))
    if found is not None:
        return found if language is None or ONLY_IN.get(words, language) == language else Meaning.UNCLEAR
    if simplified(_SIGNED.sub("", body)) in _ONLY_A_STOP:
        return Meaning.STOP
    return _sentence(words)


def _sentence(words: str) -> Meaning:
    if len(words) > LONGEST_SENTENCE:
        return Meaning.ROBOT if phrases.by_a_machine(words) else Meaning.UNCLEAR
    asked = (
        (Meaning.ROBOT, phrases.by_a_machine),
        (Meaning.STOP, phrases.ends_texting),
        (Meaning.WRONG_NUMBER, phrases.wrong_number),
        (Meaning.POLITE_STOP, phrases.would_rather_not),
    )
    return next((found for found, said in asked if said(words)), Meaning.UNCLEAR)
