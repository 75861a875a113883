"""What families write, and what it means. The whole message counts, never a part of it."""

import base64
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homevisits.inbox.parsing.intent import meaning, number, readable, simplified
from homevisits.inbox.parsing.keywords import MEANINGS, WORDS, Meaning


@pytest.mark.parametrize(
    ("body", "means"),
    [
        ("1", Meaning.YES),
        (" 1. ", Meaning.YES),
        ("1\ufe0f\u20e3", Meaning.YES),
        ("\uff11", Meaning.YES),
        ("Sí", Meaning.YES),
        ("si\u0301", Meaning.YES),
        ("SI!!", Meaning.YES),
        ("Ok", Meaning.YES),
        ("👍", Meaning.YES),
        ("👍🏽", Meaning.YES),
        ("2", Meaning.OTHER_TIME),
        ("Otro día", Meaning.OTHER_TIME),
        ("3", Meaning.NOT_NOW),
        ("No", Meaning.NOT_NOW),
        ("Ahora no.", Meaning.NOT_NOW),
        ("9", Meaning.CALL_ME),
        ("Llámeme", Meaning.CALL_ME),
        ("STOP", Meaning.STOP),
        ("Stop.", Meaning.STOP),
        ("stop all", Meaning.STOP),
        ("ALTO", Meaning.STOP),
        ("¡Basta!", Meaning.STOP),
        ("no más", Meaning.STOP),
        ("No mas", Meaning.STOP),
        ("CANCEL", Meaning.STOP),
        ("cancelar", Meaning.STOP),
        ("END", Meaning.STOP),
        ("START", Meaning.START),
        ("unstop", Meaning.START),
        ("help", Meaning.HELP),
        ("AYUDA", Meaning.HELP),
        ("12", Meaning.UNCLEAR),
        ("1 2", Meaning.UNCLEAR),
        ("4", Meaning.UNCLEAR),
        ("", Meaning.UNCLEAR),
        ("please don't stop", Meaning.UNCLEAR),
        ("We have to cancel the visit, sorry", Meaning.UNCLEAR),
        ("yes but only after 6", Meaning.UNCLEAR),
    ],
)
def test_a_reply_means(body: str, means: Meaning) -> None:
    assert meaning(body) is means


def test_every_legal_opt_out_word_is_one_and_means_nothing_else() -> None:
    for word in ("stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe", "stopall", "optout", "no mas"):
        assert meaning(word.upper()) is Meaning.STOP
    assert sum(len(words) for words in WORDS.values()) == len(MEANINGS)


@given(st.sampled_from(sorted(MEANINGS)), st.sampled_from(["", ".", "!", " ", "…", "\n"]))
def test_case_and_punctuation_do_not_change_a_meaning(word: str, mark: str) -> None:
    assert meaning(f"{mark}{word.upper()}{mark}") is MEANINGS[word]


@given(st.text())
def test_any_text_at_all_has_a_meaning(body: str) -> None:
    assert meaning(body) in Meaning
    assert simplified(simplified(body)) == simplified(body)


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
"""As people write it who do not read instructions."""
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
def test_what_says_stop_for_certain_is_a_stop_in_every_language_we_send(body: str) -> None:
    assert meaning(body) is Meaning.STOP
    for language in ("en", "es", "so", "hmn", "ar", "vi"):
        assert meaning(body.upper(), language) is Meaning.STOP


@pytest.mark.parametrize("body", ODD)
def test_a_stop_is_known_in_the_odd_forms_people_write_it_in(body: str) -> None:
    assert meaning(body) is Meaning.STOP


@pytest.mark.parametrize(("body", "means"), [("1\nSent from my iPhone", Meaning.YES), ("No\nTuesday", Meaning.UNCLEAR)])
def test_what_a_phone_signs_with_is_no_part_of_an_answer(body: str, means: Meaning) -> None:
    assert meaning(body) is means


@pytest.mark.parametrize("body", POLITE)
def test_what_asks_politely_for_another_way_is_for_a_person(body: str) -> None:
    assert meaning(body) is Meaning.POLITE_STOP


@pytest.mark.parametrize("body", NOT_AT_ALL)
def test_a_stop_word_within_other_words_stops_nothing(body: str) -> None:
    assert meaning(body) is Meaning.UNCLEAR


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
def test_a_wrong_number_says_so(body: str) -> None:
    assert meaning(body) is Meaning.WRONG_NUMBER


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
def test_a_machine_is_known_by_how_it_begins(body: str) -> None:
    assert meaning(body) is Meaning.ROBOT


@pytest.mark.parametrize(
    ("body", "language", "means"),
    [
        ("haa", "so", Meaning.YES),
        ("Haa, mahadsanid", "so", Meaning.YES),
        ("maya", "so", Meaning.NOT_NOW),
        ("Maya", "en", Meaning.UNCLEAR),
        ("i soo wac", "so", Meaning.CALL_ME),
        ("yog", "hmn", Meaning.YES),
        ("lwm lub sij hawm", "hmn", Meaning.OTHER_TIME),
        ("hu rau kuv", "en", Meaning.CALL_ME),
        ("Vâng", "vi", Meaning.YES),
        ("đồng ý", "vi", Meaning.YES),
        ("đúng", "vi", Meaning.YES),
        ("Có", "vi", Meaning.YES),
        ("co", "en", Meaning.UNCLEAR),
        ("Không", "vi", Meaning.NOT_NOW),
        ("نعم", "ar", Meaning.YES),
        ("naam", "ar", Meaning.YES),
        ("لا", "ar", Meaning.NOT_NOW),
        ("وقت آخر", "ar", Meaning.OTHER_TIME),
        ("١", "ar", Meaning.YES),
        ("۹", "ar", Meaning.CALL_ME),
        ("ابدأ", "ar", Meaning.START),
        ("bilow", "so", Meaning.START),
        ("trợ giúp", "vi", Meaning.HELP),
        ("Claro que sí", "en", Meaning.YES),
    ],
)
def test_words_of_every_language_we_send_are_understood(body: str, language: str, means: Meaning) -> None:
    assert meaning(body, language) is means


def test_a_long_text_packed_in_base64_is_unpacked_and_nothing_else_is() -> None:
    long = "Hola, somos la familia Pérez; ese día no podemos. ¿Puede ser el jueves por la tarde? Gracias."
    packed = base64.b64encode(long.encode()).decode()
    assert readable(packed) == long
    assert readable(packed[:76] + "\r\n" + packed[76:]) == long
    for plain in (
        "1",
        "STOP",
        "U1RPUA==",
        "a" * 64,
        "Nopodemosesediaperosieljuevesporlatardesiustedespueden1234567890",
        long,
    ):
        assert readable(plain) == plain


@pytest.mark.parametrize(
    ("body", "found"),
    [("1", 1), (" 2. ", 2), ("2\ufe0f\u20e3", 2), ("٢", 2), ("dos", 2), ("12", None), ("", None), ("two of us", None)],
)
def test_a_number_is_one_digit_of_any_script_or_its_word(body: str, found: int | None) -> None:
    assert number(body) == found


MARKS = st.sampled_from(["", ".", "!", " ", "…", "\n", "!!!", " 🛑", "🙏 ", "\u200b", "¡", "\ufe0f"])
ACCENTS = {"a": "á", "e": "é", "i": "í", "o": "ó", "u": "ú", "n": "ñ"}
UNRELATED = "bus car school tomorrow five teacher mother sister house kitchen blue Tuesday because visit coffee soon "
UNRELATED += "martes escuela cocina hermana porque azul cuando maestra buses guri dugsi xyuas nhà trường مدرسة بيت"


@given(st.sampled_from(sorted(WORDS[Meaning.STOP]) + CERTAIN), MARKS, MARKS, st.randoms(use_true_random=False))
def test_every_stop_phrase_stops_in_any_case_with_any_marks_and_accents(
    word: str, before: str, after: str, chance: Random
) -> None:
    odd = "".join(chance.choice([c.lower(), c.upper()]) for c in word)
    if word.isascii():
        odd = "".join(ACCENTS.get(c, c) if chance.random() < 0.3 else c for c in odd)
    assert meaning(f"{before}{odd}{after}") is Meaning.STOP


@given(
    st.sampled_from(sorted(WORDS[Meaning.STOP])),
    st.lists(st.sampled_from(UNRELATED.split()), min_size=1, max_size=6),
    st.lists(st.sampled_from(UNRELATED.split()), min_size=1, max_size=6),
    st.sampled_from(["", ",", ".", "-", "'"]),
)
def test_no_stop_word_within_a_longer_unrelated_message_stops(
    word: str, before: list[str], after: list[str], mark: str
) -> None:
    whole = f"{' '.join(before)} {word}{mark} {' '.join(after)}"
    assert meaning(whole) is not Meaning.STOP
    assert meaning(f"{' '.join(before)}{word}{' '.join(after)}") is not Meaning.STOP
