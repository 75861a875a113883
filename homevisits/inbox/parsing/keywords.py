"""Keywords per language that families reply with. Each matches a whole normalized message.

Messages ask for digits, but keywords are accepted too. 47 CFR 64.1200(a)(10) requires stop, quit, end, revoke,
opt out, cancel and unsubscribe to end messages; equivalents in the supported languages count the same.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

PURE = True


class Intent(StrEnum):
    """Intent of an incoming message, given as a digit or a keyword."""

    YES = "yes"
    OTHER_TIME = "other_time"
    NOT_NOW = "not_now"
    CALL_ME = "call_me"
    STOP = "stop"
    START = "start"
    HELP = "help"
    WRONG_NUMBER = "wrong_number"
    POLITE_STOP = "polite_stop"  # wants fewer messages or another channel: staff decide with the family
    PROBABLE_YES = "probable_yes"  # positive reaction to a question: shown, never counted as a yes
    TAPBACK = "tapback"  # any other reaction to a message
    ROBOT = "robot"  # automatic reply
    PICTURE = "picture"  # picture without text
    UNCLEAR = "unclear"


def _words(lines: str) -> frozenset[str]:
    return frozenset(word.strip() for word in lines.replace("\n", ",").split(",") if word.strip())


_BY_LANGUAGE: Mapping[Intent, Mapping[str, str]] = {
    Intent.STOP: {
        "en": """stop, stopall, stop all, unsubscribe, unsub, cancel, end, quit, revoke, optout, opt out, stop it,
            stop this, stop them, stop stop, stop stop stop, remove me, remove, unsubscribe me, leave me alone,
            stopp, stoop, stop me, stop now, unsuscribe, unsubcribe, unsubscribed, cancel all, end all, reply stop,
            stop to end, stop to stop, stop to opt out""",
        "es": """alto, basta, ya basta, basta ya, parar, pare, paren, para ya, cancelar, cancele, cancelen, no mas,
            ya no mas, detener, detengan, detenganse, salir, baja, de baja, darme de baja, dar de baja,
            denme de baja, terminar, fin, suprimir, dejenme en paz, dejeme en paz, nomas, ya nomas, no molestar,
            desuscribir, desuscribirme, cancelar suscripcion, cancelar todo""",
        "so": """jooji, jooji fariimaha, fariimaha jooji, jooji farriimaha, farriimaha jooji, iga jooji,
            iga jooji fariimaha, iga jooji farriimaha, joojiya, joojiya fariimaha, iga joojiya fariimaha, fadlan jooji,
            fadlan jooji fariimaha, ha ii soo dirin, ha ii soo dirin fariimo, ha ii soo dirin fariin,
            fariimo dambe ha ii soo dirin, ma rabo fariimo, ma rabo fariimaha, ma rabo fariimo dambe""",
        "hmn": """tsum, nres, nres xa ntawv, tsum xa ntawv, txhob xa, txhob xa ntawv, txhob xa ntawv lawm,
            txhob xa ntawv rau kuv, txhob xa ntawv rau kuv lawm, txhob xa ntawv tuaj, txhob xa ntawv tuaj lawm,
            thov txhob xa ntawv, thov txhob xa ntawv rau kuv, thov txhob xa ntawv rau kuv lawm, thov txhob xa,
            txhob xa text, txhob text kuv, txhob text kuv lawm""",
        "vi": """ngung, ngung lai, ngung nhan tin, ngung gui tin, ngung gui tin nhan, xin ngung nhan tin,
            lam on ngung nhan tin, dung lai, dung nhan tin, dung nhan tin nua, xin dung nhan tin,
            xin dung nhan tin nua, lam on dung nhan tin, lam on dung nhan tin nua, dung gui tin, dung gui tin nhan,
            dung gui tin nhan nua, dung nhan tin cho toi, dung nhan tin cho toi nua, huy, huy dang ky, huy bo,
            khong nhan tin nua, khong nhan tin nhan nua, toi khong muon nhan tin nhan,
            toi khong muon nhan tin nhan nua""",
        "ar": """توقف, توقفوا, اوقف, اوقفوا, ايقاف, قف, كفي, الغاء, الغاء الاشتراك, اوقف الرسايل, اوقفوا الرسايل,
            ايقاف الرسايل, وقف الرسايل, من فضلك توقف, من فضلكم توقفوا, لا ترسل, لا ترسلوا, لا ترسل لي, لا ترسلوا لي,
            لا ترسل رسايل, لا ترسلوا رسايل, لا ترسلوا لي رسايل, لا ترسل لي رسايل, لا مزيد من الرسايل, لا اريد رسايل,
            لا اريد الرسايل, لا اريد المزيد من الرسايل, توقفوا عن ارسال الرسايل, توقف عن ارسال الرسايل""",
    },
    Intent.START: {
        "en": "start, unstop, start again, resume, subscribe",
        "es": "comenzar, empezar, iniciar, reanudar",
        "so": "bilow, bilaw",
        "hmn": "pib, pib dua",
        "vi": "bat dau, bat dau lai",
        "ar": "استيناف",
    },
    Intent.HELP: {
        "en": "help, info, help me",
        "es": "ayuda, informacion, ayudeme",
        "so": "caawi, caawimo, caawimaad, i caawi",
        "hmn": "pab, pab kuv, kev pab",
        "vi": "tro giup, giup, giup do, giup toi",
        "ar": "مساعده, ساعدوني, ساعدني",
    },
    Intent.YES: {
        "en": """1, one, yes, y, yeah, yep, ok, okay, sure, yes please, yes thank you, yes thanks, confirm, confirmed,
            sounds good, that works, works for me, see you then""",
        "es": """uno, si, si por favor, si gracias, claro, claro que si, de acuerdo, esta bien, vale, confirmo,
            confirmado, perfecto, muy bien, por supuesto""",
        "so": "haa, haye, haa mahadsanid, waan ogolahay, waa hagaag, waayahay",
        "hmn": "yog, yog lawm, tau, tau kawg, tau lawm, aws, ua tau, pom zoo",
        "vi": "vang, da vang, dong y, co, da, duoc, duoc roi, toi dong y",
        "ar": "نعم, ايوه, اي نعم, تمام, موافق, موافقه, حسنا, طيب, اكيد, naam, na3am, aywa",
    },
    Intent.OTHER_TIME: {
        "en": "2, two, another time, other time, reschedule, different time, another day",
        "es": "dos, otro dia, otra hora, otro momento, cambiar, otra fecha",
        "so": "waqti kale, maalin kale, wakhti kale",
        "hmn": "lwm lub sij hawm, lwm hnub, lwm zaus",
        "vi": "luc khac, gio khac, ngay khac, doi gio, doi ngay",
        "ar": "وقت اخر, موعد اخر, يوم اخر",
    },
    Intent.NOT_NOW: {
        "en": "3, three, no, nope, not now, no thanks, no thank you, not right now, not at this time",
        "es": "tres, ahora no, ahorita no, no gracias, por ahora no, no por ahora",
        "so": "maya, hadda maya, maya mahadsanid",
        "hmn": "tsis yog tam sim no, tsis yog, tsis xav, tsis tau tam sim no, tsis ua li",
        "vi": "khong, khong cam on, chua phai bay gio, khong phai bay gio, de sau",
        "ar": "لا, لا شكرا, ليس الان, مش الان",
    },
    Intent.CALL_ME: {
        "en": "9, nine, call, call me, please call me, please call, call me please",
        "es": """nueve, llameme, llamame, llamenme, por favor llameme, por favor llamenme, llameme por favor,
            llamenme por favor""",
        "so": "i soo wac, fadlan i soo wac, ii soo wac, iso wac",
        "hmn": "hu rau kuv, thov hu rau kuv, hu kuv",
        "vi": "goi cho toi, xin goi cho toi, hay goi cho toi, goi toi",
        "ar": "اتصل بي, اتصلوا بي, من فضلك اتصل بي, الرجاء الاتصال بي, كلموني",
    },
    Intent.WRONG_NUMBER: {
        "en": "wrong number, wrong person, you have the wrong number, you have the wrong person",
        "es": """numero equivocado, numero incorrecto, equivocado, equivocada, persona equivocada, se equivoco,
            se equivoco de numero, se equivocaron de numero, tiene el numero equivocado""",
        "so": "lambar khaldan, lambarka waa khaldan yahay, nambar khaldan, waa nambar khaldan, waa lambar khaldan",
        "hmn": "yuam tus xov tooj, xov tooj yuam kev, tus xov tooj tsis yog, yuam kev xov tooj",
        "vi": "sai so, nham so, nham so roi, sai so roi, quy vi nham so roi",
        "ar": "رقم خطا, الرقم خطا, رقم غلط, الرقم غلط, رقم خاطي, الرقم خاطي",
    },
}
"""Keywords in normalized form: Arabic without diacritics (ئ as ي), ى as ي, ة as ه; Latin unaccented."""

KEYWORDS_BY_INTENT: Mapping[Intent, frozenset[str]] = MappingProxyType(
    {found: frozenset().union(*map(_words, per.values())) for found, per in _BY_LANGUAGE.items()}
)
INTENTS_BY_LANGUAGE: Mapping[str, Intent] = MappingProxyType(
    {word: found for found, words in KEYWORDS_BY_INTENT.items() for word in words}
)

EXACT: Mapping[str, Intent] = MappingProxyType(
    {"dừng": Intent.STOP, "đừng": Intent.STOP, "đúng": Intent.YES, "ابدأ": Intent.START, "ابدأوا": Intent.START}
)
"""Keywords that depend on accents: Vietnamese "stop", "don't", "right"; Arabic "begin" or "never"."""
AMBIGUOUS = frozenset({"dung", "ابدا"})
"""The same keywords without accents. They are ambiguous, so staff read them."""
ONLY_IN = MappingProxyType({"maya": "so", "co": "vi", "da": "vi", "tau": "hmn", "pib": "hmn"})
"""Keywords with other meanings in other languages: they match only for phones of this language."""
NUMBERS: Mapping[str, int] = MappingProxyType({"uno": 1, "one": 1, "dos": 2, "two": 2, "tres": 3, "three": 3})
