"""What a family's text means, pure. The whole message counts, never a part: "please don't stop" is no STOP."""

import re
import unicodedata
from enum import StrEnum


class Meaning(StrEnum):
    """What a reply says. The four digits are asked for; words are understood too."""

    YES = "yes"
    OTHER_TIME = "other_time"
    NOT_NOW = "not_now"
    CALL_ME = "call_me"
    STOP = "stop"
    START = "start"
    HELP = "help"
    UNCLEAR = "unclear"


def _words(lines: str) -> frozenset[str]:
    return frozenset(word.strip() for word in lines.replace("\n", ",").split(",") if word.strip())


WORDS = {
    Meaning.STOP: _words(
        """stop, stopall, stop all, unsubscribe, cancel, end, quit, revoke, optout, opt out, stop texting me,
        please stop, please stop texting me, remove me, alto, basta, parar, pare, cancelar, no mas, no mas mensajes,
        detener, salir, baja, darme de baja, terminar"""
    ),
    Meaning.START: _words("start, unstop, comenzar, empezar, iniciar, reanudar"),
    Meaning.HELP: _words("help, info, ayuda, informacion"),
    Meaning.YES: _words(
        """1, uno, one, yes, y, yeah, yep, ok, okay, sure, yes please, si, si por favor, si gracias, claro,
        claro que si, de acuerdo, esta bien, vale, confirm, confirmo, confirmed"""
    ),
    Meaning.OTHER_TIME: _words(
        "2, dos, two, another time, other time, reschedule, otro dia, otra hora, otro momento, cambiar"
    ),
    Meaning.NOT_NOW: _words(
        "3, tres, three, no, not now, no thanks, no thank you, ahora no, ahorita no, no gracias, por ahora no"
    ),
    Meaning.CALL_ME: _words(
        """9, nueve, nine, call, call me, please call me, llameme, llamame, llamenme, por favor llameme,
        por favor llamenme"""
    ),
}
"""Whole messages and what they mean, simplified. Nobody is asked for a word: the digits are what we ask for."""
MEANINGS = {word: found for found, words in WORDS.items() for word in words}

# A tap on a bubble arrives as a sentence that quotes our text; what it quotes was never said by the family.
_TAPBACK = re.compile(
    r"^(?:liked|loved|disliked|laughed at|emphasized|questioned|removed an? \w+ from|reacted .{1,8} to|"
    r"le gustó|le encantó|no le gustó|se rió de|destacó|reaccionó .{1,8} a)\s+[\"“«].*[\"”»]?$",
    re.IGNORECASE | re.DOTALL,
)
_KEYCAP = re.compile("[\ufe0e\ufe0f\u20e3\u200d]")


def simplified(body: str) -> str:
    """`body` as words: compatible forms unified, case, accents and punctuation gone, one space between."""
    text = _KEYCAP.sub("", unicodedata.normalize("NFKC", body)).casefold()
    text = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    text = "".join(c if c.isalnum() else " " if unicodedata.category(c)[0] in "PZSC" else "" for c in text)
    return " ".join(text.split())


def is_tapback(body: str) -> bool:
    """Whether `body` is a phone's own sentence about a tap on a text of ours."""
    return bool(_TAPBACK.match(unicodedata.normalize("NFKC", body).strip()))


def meaning(body: str) -> Meaning:
    """What `body` says."""
    if is_tapback(body):
        return Meaning.UNCLEAR
    words = simplified(body)
    found = MEANINGS.get(words)
    if found is None and not words:
        return {"👍": Meaning.YES}.get(body.strip()[:1], Meaning.UNCLEAR)
    return found or Meaning.UNCLEAR
