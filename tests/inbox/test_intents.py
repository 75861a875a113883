"""Intent of incoming messages. The whole message must match, never a part of it."""

import base64
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homevisits.inbox.parsing.intent import decode_body, normalize, parse_intent, parse_number
from homevisits.inbox.parsing.keywords import INTENTS_BY_LANGUAGE, KEYWORDS_BY_INTENT, Intent


@pytest.mark.parametrize(
    ("body", "means"),
    [
        ("1", Intent.YES),
        (" 1. ", Intent.YES),
        ("1\ufe0f\u20e3", Intent.YES),
        ("\uff11", Intent.YES),
        ("Sí", Intent.YES),
        ("si\u0301", Intent.YES),
        ("SI!!", Intent.YES),
        ("Ok", Intent.YES),
        ("👍", Intent.YES),
        ("👍🏽", Intent.YES),
        ("2", Intent.OTHER_TIME),
        ("Otro día", Intent.OTHER_TIME),
        ("3", Intent.NOT_NOW),
        ("No", Intent.NOT_NOW),
        ("Ahora no.", Intent.NOT_NOW),
        ("9", Intent.CALL_ME),
        ("Llámeme", Intent.CALL_ME),
        ("🛑", Intent.STOP),
        ("STOP", Intent.STOP),
        ("Stop.", Intent.STOP),
        ("stop all", Intent.STOP),
        ("ALTO", Intent.STOP),
        ("¡Basta!", Intent.STOP),
        ("no más", Intent.STOP),
        ("No mas", Intent.STOP),
        ("CANCEL", Intent.STOP),
        ("cancelar", Intent.STOP),
        ("END", Intent.STOP),
        ("START", Intent.START),
        ("unstop", Intent.START),
        ("help", Intent.HELP),
        ("AYUDA", Intent.HELP),
        ("12", Intent.UNCLEAR),
        ("1 2", Intent.UNCLEAR),
        ("4", Intent.UNCLEAR),
        ("", Intent.UNCLEAR),
        ("please don't stop", Intent.UNCLEAR),
        ("We have to cancel the visit, sorry", Intent.UNCLEAR),
        ("yes but only after 6", Intent.UNCLEAR),
    ],
)
def test_reply_has_the_expected_intent(body: str, means: Intent) -> None:
    assert parse_intent(body) is means


def test_every_required_opt_out_keyword_means_stop() -> None:
    for word in ("stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe", "stopall", "optout", "no mas"):
        assert parse_intent(word.upper()) is Intent.STOP
    assert sum(len(words) for words in KEYWORDS_BY_INTENT.values()) == len(INTENTS_BY_LANGUAGE)


@given(st.sampled_from(sorted(INTENTS_BY_LANGUAGE)), st.sampled_from(["", ".", "!", " ", "…", "\n"]))
def test_case_and_punctuation_do_not_change_the_intent(word: str, mark: str) -> None:
    assert parse_intent(f"{mark}{word.upper()}{mark}") is INTENTS_BY_LANGUAGE[word]


@given(st.text())
def test_any_text_has_an_intent(body: str) -> None:
    assert parse_intent(body) in Intent
    assert normalize(normalize(body)) == normalize(body)


CERTAIN = [
    "please stop texting me",
    "Stop texting me please",
    "PLEASE STOP TEXTING THIS NUMBER!!!",
    "can you please stop sending me texts",
    "stop sending these messages",
    "stop messaging",
    "no more texts",
    "No more text messages, please",
    "Don't text me",
    "do not contact me again",
    "don’t send me any more messages",
    "take me off your list",
    "Remove my number",
    "remove me from this list please",
    "I want to opt out",
    "I don't want any more texts",
    "unsubscribe me",
    "lose my number",
    "I revoke my consent",
    "opt out of these texts",
    "STOP PLEASE",
    "Stop, thank you.",
    "🛑 stop 🛑",
    "no me manden mas mensajes",
    "Por favor no me manden más mensajes.",
    "Ya no me envíen mensajes",
    "no quiero más mensajes",
    "No quiero recibir mensajes, gracias",
    "quiten mi numero",
    "Quítenme de su lista",
    "Borre mi número por favor",
    "dejen de mandarme mensajes",
    "deje de escribirme",
    "ya no más mensajes",
    "no me escriban más",
    "quiero darme de baja",
    "basta de mensajes",
    "déjenme en paz",
    "jooji",
    "Fadlan jooji fariimaha",
    "Ha ii soo dirin fariimo!",
    "txhob xa ntawv rau kuv",
    "Thov txhob xa ntawv rau kuv lawm",
    "tsum",
    "dừng",
    "Dừng lại",
    "Ngừng nhắn tin",
    "xin đừng nhắn tin nữa",
    "hủy",
    "HUỶ ĐĂNG KÝ",
    "توقف",
    "أوقفوا الرسائل",
    "إلغاء الاشتراك",
    "لا ترسلوا رسائل",
    "كفى",
    "إيقاف",
]
ODD = [
    "S T O P",
    "s.t.o.p.",
    "STOPP",
    "🛑",
    "🛑🛑🛑",
    "Stop\n\nSent from my iPhone",
    "Alto\nEnviado desde mi iPhone",
    "STOP - Maria Lopez",
    "Stop\nMaria",
    "Reply STOP",
    "STOP to end",
    "Stop me",
    "unsuscribe",
    "Unsubcribe",
    "cancel all",
    "nomás",
    "No molestar",
    "Para de mandarme mensajes",
    "Cancele los mensajes",
    "stop this number",
    "I want to stop receiving these messages",
    "I no longer wish to receive texts",
    "no longer wish to receive your texts",
    "I do not consent",
    "I withdraw my consent",
]
"""Stop messages as people write them without reading the instructions."""
POLITE = [
    "I'd rather you call me instead of texting",
    "too many texts",
    "Please stop texting me after 9 pm, I work nights",
    "could you text less often",
    "I prefer a call",
    "I would rather talk by phone than text",
    "these messages are annoying",
    "prefiero que me llamen en vez de mensajes",
    "son demasiados mensajes",
    "Mejor llámenme, no mensajes",
    "please don't text me during school hours",
]
NOT_AT_ALL = [
    "don't stop by before 5",
    "the bus stop",
    "please don't stop",
    "Can you stop by at 5 instead",
    "We will meet you at the stop sign",
    "what time will you stop by?",
    "We have to cancel the visit, sorry",
    "cancel Tuesday, Thursday is fine",
    "the end of the day is better",
    "I quit my job so any day works",
    "no más tarde de las 5",
    "la parada del autobús, alto",
    "basta con que vengan a las 5",
    "mi hijo sale a las 3, no antes",
    "keep texting me, don't stop",
    "dung",
    "أبدا",
    "cancel\nTuesday",
    "cancel - Tuesday",
    "stop - can you come later",
    "A B C",
    "I want to stop",
]


@pytest.mark.parametrize("body", CERTAIN)
def test_certain_stop_phrases_mean_stop_in_every_language(body: str) -> None:
    assert parse_intent(body) is Intent.STOP
    for language in ("en", "es", "so", "hmn", "ar", "vi"):
        assert parse_intent(body.upper(), language) is Intent.STOP


@pytest.mark.parametrize("body", ODD)
def test_misspelled_and_decorated_stop_is_recognized(body: str) -> None:
    assert parse_intent(body) is Intent.STOP


@pytest.mark.parametrize(("body", "means"), [("1\nSent from my iPhone", Intent.YES), ("No\nTuesday", Intent.UNCLEAR)])
def test_signature_is_ignored(body: str, means: Intent) -> None:
    assert parse_intent(body) is means


@pytest.mark.parametrize("body", POLITE)
def test_polite_request_for_another_way_is_a_polite_stop(body: str) -> None:
    assert parse_intent(body) is Intent.POLITE_STOP


@pytest.mark.parametrize("body", NOT_AT_ALL)
def test_stop_keyword_within_a_sentence_is_not_a_stop(body: str) -> None:
    assert parse_intent(body) is Intent.UNCLEAR


@pytest.mark.parametrize(
    "body",
    [
        "wrong number",
        "Sorry, wrong number!",
        "You have the wrong person",
        "this is the wrong number, please stop",
        "I don't have any kids at that school",
        "Número equivocado",
        "disculpe, número equivocado",
        "Se equivocó de número",
        "No tengo hijos",
        "waa nambar khaldan",
        "nhầm số rồi",
        "الرقم خطأ",
    ],
)
def test_wrong_number_is_recognized(body: str) -> None:
    assert parse_intent(body) is Intent.WRONG_NUMBER


@pytest.mark.parametrize(
    "body",
    [
        "Auto-reply: thank you for your message.",
        "Automatic reply: I am away until Monday",
        "This is an automated message. This number is not monitored.",
        "I'm out of the office until Jan 5",
        "I’m driving with Focus turned on. I’ll see your message when I get where I’m going.",
        "I’m not receiving notifications. If this is urgent, reply “urgent” to send a notification through.",
        "Respuesta automática: estoy de vacaciones",
        "Este es un mensaje automático",
        "Free Msg: Unable to send message - Message Blocking is active.",
    ],
)
def test_automatic_reply_is_recognized_by_its_beginning(body: str) -> None:
    assert parse_intent(body) is Intent.ROBOT


@pytest.mark.parametrize(
    ("body", "language", "means"),
    [
        ("haa", "so", Intent.YES),
        ("Haa, mahadsanid", "so", Intent.YES),
        ("maya", "so", Intent.NOT_NOW),
        ("Maya", "en", Intent.UNCLEAR),
        ("i soo wac", "so", Intent.CALL_ME),
        ("yog", "hmn", Intent.YES),
        ("lwm lub sij hawm", "hmn", Intent.OTHER_TIME),
        ("hu rau kuv", "en", Intent.CALL_ME),
        ("Vâng", "vi", Intent.YES),
        ("đồng ý", "vi", Intent.YES),
        ("đúng", "vi", Intent.YES),
        ("Có", "vi", Intent.YES),
        ("co", "en", Intent.UNCLEAR),
        ("Không", "vi", Intent.NOT_NOW),
        ("نعم", "ar", Intent.YES),
        ("naam", "ar", Intent.YES),
        ("لا", "ar", Intent.NOT_NOW),
        ("وقت آخر", "ar", Intent.OTHER_TIME),
        ("١", "ar", Intent.YES),
        ("۹", "ar", Intent.CALL_ME),
        ("ابدأ", "ar", Intent.START),
        ("bilow", "so", Intent.START),
        ("trợ giúp", "vi", Intent.HELP),
        ("Claro que sí", "en", Intent.YES),
    ],
)
def test_keywords_of_every_message_language_are_recognized(body: str, language: str, means: Intent) -> None:
    assert parse_intent(body, language) is means


def test_only_a_long_base64_body_is_decoded() -> None:
    long = "Hola, somos la familia Pérez; ese día no podemos. ¿Puede ser el jueves por la tarde? Gracias."
    packed = base64.b64encode(long.encode()).decode()
    assert decode_body(packed) == long
    assert decode_body(packed[:76] + "\r\n" + packed[76:]) == long
    for plain in (
        "1",
        "STOP",
        "U1RPUA==",
        "a" * 64,
        "😀" * 64,
        "-" * 128,
        "Nopodemosesediaperosieljuevesporlatardesiustedespueden1234567890",
        long,
    ):
        assert decode_body(plain) == plain


@pytest.mark.parametrize(
    ("body", "found"),
    [("1", 1), (" 2. ", 2), ("2\ufe0f\u20e3", 2), ("٢", 2), ("dos", 2), ("12", None), ("", None), ("two of us", None)],
)
def test_number_is_a_single_digit_in_any_script_or_its_name(body: str, found: int | None) -> None:
    assert parse_number(body) == found


MARKS = st.sampled_from(["", ".", "!", " ", "…", "\n", "!!!", " 🛑", "🙏 ", "\u200b", "¡", "\ufe0f"])
ACCENTS = {"a": "á", "e": "é", "i": "í", "o": "ó", "u": "ú", "n": "ñ"}
UNRELATED = "bus car school tomorrow five teacher mother sister house kitchen blue Tuesday because visit coffee soon "
UNRELATED += "martes escuela cocina hermana porque azul cuando maestra buses guri dugsi xyuas nhà trường مدرسة بيت"


@given(
    st.sampled_from(sorted(KEYWORDS_BY_INTENT[Intent.STOP]) + CERTAIN), MARKS, MARKS, st.randoms(use_true_random=False)
)
def test_stop_phrase_is_recognized_with_any_case_marks_and_accents(
    word: str, before: str, after: str, random_source: Random
) -> None:
    varied = "".join(random_source.choice([c.lower(), c.upper()]) for c in word)
    if word.isascii():
        varied = "".join(ACCENTS.get(c, c) if random_source.random() < 0.3 else c for c in varied)
    assert parse_intent(f"{before}{varied}{after}") is Intent.STOP


@given(
    st.sampled_from(sorted(KEYWORDS_BY_INTENT[Intent.STOP])),
    st.lists(st.sampled_from(UNRELATED.split()), min_size=1, max_size=6),
    st.lists(st.sampled_from(UNRELATED.split()), min_size=1, max_size=6),
    st.sampled_from(["", ",", ".", "-", "'"]),
)
def test_stop_keyword_within_an_unrelated_message_is_not_a_stop(
    word: str, before: list[str], after: list[str], mark: str
) -> None:
    message = f"{' '.join(before)} {word}{mark} {' '.join(after)}"
    assert parse_intent(message) is not Intent.STOP
    assert parse_intent(f"{' '.join(before)}{word}{' '.join(after)}") is not Intent.STOP


def test_long_message_is_unclear_unless_it_is_an_automatic_reply() -> None:
    filler = " tell the school about our week" * 10
    assert parse_intent("Yes please" + filler) is Intent.UNCLEAR
    assert parse_intent("I am driving right now" + filler) is Intent.ROBOT
