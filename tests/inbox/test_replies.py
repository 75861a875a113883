"""What families write, and what it means. The whole message counts, never a part of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homevisits.inbox.replies import MEANINGS, WORDS, Meaning, meaning, simplified


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
