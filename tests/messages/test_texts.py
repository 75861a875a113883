"""Every text in every language keeps the house's rules; segments are counted as carriers count them."""

import pytest

from homevisits.messages import packs, texts
from homevisits.messages.texts import Segments, segments

SAMPLE = {
    "school": "Frida Kahlo Middle School",
    "people": "Mohammed Abdullahi-Ibrahim and Guadalupe Rodriguez-Hernandez",
    "day": "mar 13 oct 2026",
    "time": "12:45 p. m.",
}
ALL = [(language, name) for language in packs.languages() for name in packs.templates(language)]


@pytest.mark.parametrize(("language", "name"), ALL)
def test_a_text_keeps_the_rules_of_the_house(language: str, name: str) -> None:
    assert texts.faults(packs.source(language, name), SAMPLE) == []


@pytest.mark.parametrize(("language", "name"), ALL)
def test_a_text_travels_in_the_cheap_encoding(language: str, name: str) -> None:
    assert segments(packs.render(language, name, SAMPLE)).encoding == "GSM-7"


def test_english_and_spanish_have_the_same_texts_with_the_same_places() -> None:
    assert packs.templates("en") == packs.templates("es")
    for name in packs.templates("en"):
        assert texts.places(packs.source("en", name)) == texts.places(packs.source("es", name)), name


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("", Segments("GSM-7", 0, 0)),
        ("a" * 160, Segments("GSM-7", 1, 160)),
        ("a" * 161, Segments("GSM-7", 2, 161)),
        ("a" * 306, Segments("GSM-7", 2, 306)),
        ("a" * 307, Segments("GSM-7", 3, 307)),
        ("ñéÑü¿¡É", Segments("GSM-7", 1, 7)),
        ("€" * 80, Segments("GSM-7", 1, 160)),
        ("a" * 152 + "€" + "a" * 151, Segments("GSM-7", 2, 305)),
        ("a" * 152 + "€" + "a" * 152, Segments("GSM-7", 3, 306)),
        ("á" * 70, Segments("UCS-2", 1, 70)),
        ("á" * 71, Segments("UCS-2", 2, 71)),
        ("😀" * 35, Segments("UCS-2", 1, 70)),
        ("😀" * 36, Segments("UCS-2", 2, 72)),
    ],
    ids=[f"vector-{number}" for number in range(13)],
)
def test_segments_are_counted_as_carriers_count_them(text: str, counted: Segments) -> None:
    assert segments(text) == counted


def test_plain_letters_keep_what_every_phone_shows() -> None:
    assert texts.plain("¿Sí? Mañana, a las “6” — José… él") == '¿Si? Mañana, a las "6" - José... él'
    assert texts.plain("Вторник") == "Вторник"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Reply CANCEL to cancel", "asks_for_a_word"),
        ("Text YES to confirm", "asks_for_a_word"),
        ("Responda SÍ para confirmar", "asks_for_a_word"),
        ("We visit {child} soon", "names_too_much"),
        ("We come to {address}", "names_too_much"),
        ("Hello {nobody}", "unknown_places"),
        ("Hello {school} " * 14, "too_long"),
    ],
)
def test_a_text_that_breaks_a_rule_is_found_out(text: str, fault: str) -> None:
    assert fault in texts.faults(text, SAMPLE)


def test_a_half_filled_text_never_leaves() -> None:
    with pytest.raises(KeyError):
        packs.render("en", "visit_confirm", {"school": "Lincoln"})


def test_a_language_without_a_text_is_never_answered_in_english() -> None:
    assert not packs.has("so", "invitation")
    with pytest.raises(packs.NoSuchText):
        packs.render("so", "invitation", SAMPLE)
    with pytest.raises(packs.NoSuchText):
        packs.source("../en", "invitation")
