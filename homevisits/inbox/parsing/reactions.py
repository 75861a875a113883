"""Parse iMessage and Android reactions (Liked “…”) that phones send as messages. Pure."""

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum

PURE = True


class Reaction(StrEnum):
    """Type of a reaction. A positive reaction may mean yes, so staff ask; others are ignored."""

    LIKED = "liked"
    OTHER = "other"


_THUMB = (
    r"(?:👍|❤|💙|💚|💛|🧡|💜|🖤|🤍|♥|🥰|😍|🙏|👌|✅|💯|🎉|😊|🙂|😀|😄|😁|☺|🙌|👏)[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]*"
)
_EMOJI = r"[^\w\s\"“”«»„]{1,12}"
_THING = (
    r"(?:an?|the|your|una?|la|el|su|une?|l['’])?\s*(?:image|photo|picture|video|movie|attachment|message|audio|link|"
    r"imagen|foto|vídeo|archivo|mensaje|adjunto|vidéo|pièce jointe)"
)
_QUOTE = rf"\s*:?\s*(?:[\"“”«„'‘’].*|{_THING}[.!]?)"
_LIKED = (
    r"liked|loved|le gustó|me gustó|le ha gustado|le gusta|indicó que le gusta|le encantó|le encanta|me encantó|"
    r"a aimé|a adoré|đã thích|đã yêu thích|أعجبه|أعجبها|أحب|أحبت"
)
_OTHERS = (
    r"disliked|laughed at|emphasi[sz]ed|questioned|no le gustó|no me gustó|no le gusta|se rio de|se rió de|se rió con|"
    r"le dio risa|destacó|enfatizó|remarcó|exclamó ante|cuestionó|preguntó por|puso en duda|n['’]a pas aimé|a ri de|"
    r"a ri à|a souligné|s['’]interroge sur|a mis en question|đã không thích|đã cười|đã nhấn mạnh|đã hỏi về|لم يعجبه"
)
_REMOVED = (
    r"removed (?:an? |the )?[\w ’']{1,24} from|removed " + _EMOJI + r" from|"
    r"(?:eliminó|quitó|ha quitado|borró) (?:un |una |el |la |su )?[\w ]{1,24} (?:de|en|a|del)|"
    r"a (?:supprimé|retiré|enlevé) [\w '’]{1,24} (?:de|à|sur)|đã gỡ [\w ]{1,24} khỏi"
)
_REACTED = (
    r"reacted (?:with )?{0} to|{0} to|reaccionó (?:con )?{0} a|{0} a|ha reaccionado con {0} a|"
    r"a réagi (?:avec |par )?{0} à|a ajouté {0} à|{0} à|đã bày tỏ {0} với|added {0} to|añadió {0} a|agregó {0} a"
)
_HEART = (
    r"a ajouté un (?:cœur|coeur|pouce levé|j['’]aime) à|added a (?:heart|thumbs up|like) to|"
    r"(?:añadió|agregó|puso) un (?:corazón|me gusta|pulgar arriba) a"
)


def _sentence(start: str) -> re.Pattern[str]:
    return re.compile(rf"^[\u200a-\u200f\u2060\ufeff]*(?:{start}){_QUOTE}$", re.IGNORECASE | re.DOTALL)


_REMOVES = _sentence(_REMOVED)
_LIKES = _sentence(f"{_LIKED}|{_HEART}|{_REACTED.format(_THUMB)}")
_ANY = _sentence(f"{_OTHERS}|{_REACTED.format(_EMOJI)}|a ajouté [\\w '’]{{1,24}} à|added an? [\\w ]{{1,24}} to")


def parse_reaction(body: str) -> Reaction | None:
    """Return the reaction that `body` reports, or None if a person wrote it."""
    text = " ".join(unicodedata.normalize("NFC", body).split())
    text = re.sub(r"[\u200a-\u200f\u2060\ufeff]", "", text).strip()
    if _REMOVES.match(text):
        return Reaction.OTHER
    if _LIKES.match(text):
        return Reaction.LIKED
    return Reaction.OTHER if _ANY.match(text) else None


_QUOTING = re.compile(r"[^\"“”«»„]{1,60}[\"“«„](?P<quoted>.{12,}?)(?:…|\.\.\.)?[\"”»“]?$", re.DOTALL)


def quotes_message(body: str, sent: Iterable[str]) -> bool:
    """Detect reactions in any language: a short text plus a message of ours (`sent`) in quotation marks."""
    match = _QUOTING.match(unicodedata.normalize("NFC", body).strip())
    if match is None:
        return False
    quoted = _plain(match["quoted"])
    return any(_plain(text).startswith(quoted) for text in sent)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split()).strip(' .…"“”«»')
