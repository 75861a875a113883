"""Check templates against the writing rules and return codes. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

from homevisits.messages.templates import rendering
from homevisits.messages.templates.files import DISCREET_SUFFIX
from homevisits.messages.templates.segments import Segments, count_segments

MAX_SEGMENTS = 2
ANSWER_DIGITS = frozenset("1239")  # yes, another time, not now, call me

_NAMES = frozenset({"child", "student", "family", "caregiver", "parent", "guardian", "surname", "son", "daughter"})
_PLACES = frozenset({"address", "street", "place", "home", "zip", "city"})
_REASONS = frozenset({"reason", "why", "grade", "grades", "attendance", "behavior", "discipline"})
_STREET = re.compile(
    r"\b\d{1,5}\s+(?:[NSEW]\.?\s+)?(?:[^\W\d]+\s+){1,3}(?:st|street|ave|avenue|rd|road|blvd|dr|drive|ln|lane|ct|way)\b"
    r"|\b(?:calle|avenida)\s+(?:[^\W\d]+\s+){0,3}\d+",
    re.IGNORECASE,
)
_REPLY_VERBS = (
    r"\b(?:reply|text|answer|send|write|type|responda|responde|conteste|mande|escriba|envie|envíe"
    r"|jawaab|qor|teb|sau|trả lời|nhắn|أجيبوا|أجب|أرسلوا|أرسل|ردوا)\b"
)
_KEYWORDS = (
    r"yes|no|ok|okay|y|n|cancel|end|quit|unsubscribe|stopall|optout|opt out|revoke|unstop"
    r"|si|sí|cancelar|fin|terminar|haa|maya|yog|tsis|có|không|hủy|نعم|لا|إلغاء"
)
# Not allowed in the discreet wording, because other people may read the phone.
_MENTIONS_VISIT = re.compile(
    r"\b(?:visit\w*|homes?|house|household|casa|hogar|domicilio|booqa\w*|guri\w*|xyuas|thăm)\b|زيار|منزل|بيت",
    re.IGNORECASE,
)
_SEPARATORS = r"[\s\"“”'«»:]+"
_ASKS_FOR_KEYWORD = re.compile(
    rf"{_REPLY_VERBS}{_SEPARATORS}(?:(?:with|back|the|word|con|la|palabra|rau|với|ب|بكلمة){_SEPARATORS})*(?:{_KEYWORDS})\b",
    re.IGNORECASE,
)
# Opt-out and opt-in keywords of the mobile carriers. STOP, ALTO and START may be used.
_CAPITAL_KEYWORDS = re.compile(r"\b(?:YES|NO|CANCEL|END|QUIT|UNSUBSCRIBE|STOPALL|OPTOUT|REVOKE|UNSTOP)\b")

# "plain" sends these letters without their accents, which misspells words and changes verb tenses. é, ñ and ü are kept.
_DROPPED_ACCENTS = re.compile("[áíóúÁÍÓÚ]")

_LONG = {
    "school": "Txuj Ci HMong Language and Culture Upper Campus",
    "people": "Mohammed Abdullahi-Ibrahim and Guadalupe Rodriguez-Hernandez",
    "day": "Wed, Sep 30",
    "time": "12:45 p. m.",
    "partner": "Guadalupe-Esperanza",
    "site": "https://homevisits.saintpaulpublicschools.example.org",
    "visit": "1234567",
    "choices": "1. Guadalupe Rodriguez-Hernandez, Txuj Ci HMong Language and Culture Upper Campus, Wed, Sep 30; "
    "2. Mohammed Abdullahi-Ibrahim, Escuela Primaria José Martí y Pérez, Wed, Sep 30",
}
_SHORT = {
    **_LONG,
    "school": "Yinghua",
    "people": "Kaonou & Htoo",
    "day": "Fri, May 1",
    "time": "4:00 pm",
    "partner": "Htoo",
    "site": "https://hv.example.org",
    "visit": "1",
}
_ACCENTS = {
    **_LONG,
    "school": "Escuela Primaria José Martí y Pérez",
    "people": "Đặng Thị Ánh Nguyệt and Władysław Çelik",
    "partner": "Władysław",
}
# The longest school name in the Twin Cities with long names; short names; names with letters of many languages.
LONGEST_PARAMS = (_LONG, _SHORT, _ACCENTS)
# The longest date in the languages whose dates are longer than in English.
_LONGEST_DAYS: Mapping[str, str] = MappingProxyType(
    {"ar": "الأربعاء 30 سبتمبر", "es": "miércoles 30 de septiembre", "vi": "CN 27 thg 12"}
)


def find_problems(text: str, english: str, language: str, letters: str, name: str = "") -> list[str]:
    """Return the codes of the rules that `text`, a translation of `english`, breaks.

    name: of the template; empty for a text typed by staff. Discreet templates have an additional rule. Only templates
    are rejected for letters that are sent without their accents.
    """
    problems = [code for code, is_broken in _content_checks(text) if is_broken]
    if name.endswith(DISCREET_SUFFIX) and mentions_visit(text):
        problems.append("says_visit")
    names = rendering.placeholders(text)
    if names - rendering.placeholders(english):
        problems.append("unknown_places")
    elif measure_longest(text, language, letters).segments > MAX_SEGMENTS:
        problems.append("too_long")
    offered = _digits(english)
    # A translation may offer all four answers where the English text names only some of them.
    if _digits(text) != offered and not (offered and _digits(text) == ANSWER_DIGITS):
        problems.append("other_digits")
    if name and language == "es" and letters == "plain" and _DROPPED_ACCENTS.search(text):
        problems.append("drops_accents")
    return problems


def mentions_visit(text: str) -> bool:
    """Whether the template mentions a visit to the family's home."""
    return _MENTIONS_VISIT.search(_without_placeholders(text)) is not None


def _content_checks(text: str) -> list[tuple[str, bool]]:
    names = rendering.placeholders(text)
    return [
        ("empty", not text.strip()),
        ("names_too_much", bool(names & _NAMES)),
        ("says_address", bool(names & _PLACES) or _STREET.search(text) is not None),
        ("says_reason", bool(names & _REASONS)),
        ("asks_for_a_word", _ASKS_FOR_KEYWORD.search(text) is not None or _CAPITAL_KEYWORDS.search(text) is not None),
        ("half_a_choice", {"2", "3"} <= _digits(text) and _digits(text) != ANSWER_DIGITS),
        ("control_characters", any(unicodedata.category(character) == "Cc" for character in text)),
        ("loose_brace", "{" in (rest := _without_placeholders(text)) or "}" in rest),
    ]


def measure_longest(text: str, language: str, letters: str) -> Segments:
    """Return the segments of the template with its longest parameters."""
    counts = (measure(text, sample, language, letters) for sample in LONGEST_PARAMS)
    return max(counts, key=lambda count: (count.segments, count.characters))


def measure(text: str, sample: Mapping[str, str], language: str, letters: str) -> Segments:
    """Return the segments of the template filled with `sample`."""
    values = {**sample, **({"day": _LONGEST_DAYS[language]} if language in _LONGEST_DAYS else {})}
    filled = rendering.fill_placeholders(text, values)
    return count_segments(rendering.to_gsm7(filled) if letters == "plain" else filled)


def _digits(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"(?<!\w)[0-9](?!\w)", _without_placeholders(text)))


def _without_placeholders(text: str) -> str:
    return re.sub(r"\{[a-z_]+\}", "", text)
