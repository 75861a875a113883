"""What texts say: places filled, letters every phone shows, nothing sent that no speaker approved."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from homevisits.messages import packs, texts
from homevisits.messages.segments import segments

SAMPLE = {
    "school": "Frida Kahlo Middle School",
    "people": "Mohammed Abdullahi-Ibrahim and Guadalupe Rodriguez-Hernandez",
    "day": "mar 13 oct 2026",
    "time": "12:45 pm",
}
SENT = [(language, name) for language in ("en", "es") for name in packs.templates(language)]
AWAITED = ("ar", "hmn", "so", "vi")


@pytest.mark.parametrize(("language", "name"), SENT)
def test_a_text_travels_in_the_cheap_encoding(language: str, name: str) -> None:
    assert segments(packs.render(language, name, SAMPLE)).encoding == "GSM-7"


def test_english_and_spanish_have_the_same_texts_with_the_same_places() -> None:
    assert packs.templates("en") == packs.templates("es")
    for name in packs.templates("en"):
        assert texts.places(packs.source("en", name)) == texts.places(packs.source("es", name)), name


def test_plain_letters_keep_what_every_phone_shows() -> None:
    assert texts.plain("¿Sí? Mañana, a las “6” — José… él") == '¿Si? Mañana, a las "6" - José... él'
    assert texts.plain("Вторник") == "Вторник"
    assert texts.plain("Đặng Thị Ánh, Władysław, Işık, Nuʼman") == "Dang Thi Anh, Wladyslaw, Isik, Nu'man"


def test_an_accent_written_apart_is_the_same_letter() -> None:
    assert texts.plain("man\u0303ana, Jose\u0301, si\u0301") == "mañana, José, si"


def test_a_half_filled_text_never_leaves() -> None:
    with pytest.raises(KeyError):
        packs.render("en", "visit_confirm", {"school": "Lincoln"})


@pytest.mark.parametrize("language", AWAITED)
def test_a_pack_awaiting_approval_is_there_to_read_and_is_never_sent(language: str) -> None:
    held = packs.pack(language)
    assert {text.name for text in held.texts} == set(packs.templates("en"))
    assert {text.state for text in held.texts} == {"waiting"}
    assert not held.ready
    assert packs.preview(language, "invitation", SAMPLE)
    assert not packs.has(language, "invitation")
    with pytest.raises(packs.NoSuchText):
        packs.render(language, "invitation", SAMPLE)


def test_a_language_without_a_text_is_never_answered_in_english() -> None:
    assert not packs.has("kar", "invitation")
    with pytest.raises(packs.NoSuchText):
        packs.render("kar", "invitation", SAMPLE)
    for language, name in [("../en", "invitation"), ("en", "../es/invitation"), ("en", "nothing")]:
        assert not packs.has(language, name)
        with pytest.raises(packs.NoSuchText):
            packs.source(language, name)


@pytest.mark.parametrize("language", ["en", "es"])
def test_who_approved_a_text_and_when_is_on_record(language: str) -> None:
    assert packs.pack(language).ready
    for text in packs.pack(language).texts:
        assert text.approval is not None
        assert text.approval.by
        assert text.approval.words == packs.mark(text.words, packs.pack(language).letters)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two languages with two texts each, none approved."""
    for language in ("en", "es"):
        (tmp_path / language).mkdir()
        for name in ("hello", "bye"):
            (tmp_path / language / f"{name}.txt").write_text(f"Sí, {name} {{school}}\n", encoding="utf-8")
    monkeypatch.setattr(packs, "_folder", lambda: tmp_path)
    packs.forget()
    yield tmp_path
    packs.forget()


def approve(*names: str, note: str = "") -> None:
    packs.approve("es", names, 'Ana "la maestra" \\ Ruiz', date(2026, 10, 5), note)


def test_a_language_is_sent_when_each_of_its_texts_is_approved(folder: Path) -> None:
    approve("hello", note="Bien.\nMuy bien.")
    assert not packs.has("es", "hello")
    approve("bye")
    assert packs.has("es", "hello")
    assert packs.render("es", "hello", {"school": "Ñandú"}) == "Si, hello Ñandu"
    found = packs.pack("es").text("hello")
    assert found is not None
    assert found.approval is not None
    assert (found.approval.by, found.approval.on) == ('Ana "la maestra" \\ Ruiz', date(2026, 10, 5))
    assert found.approval.note == "Bien. Muy bien."


def test_words_changed_after_the_approval_are_not_the_approved_ones(folder: Path) -> None:
    approve("hello", "bye")
    (folder / "es" / "bye.txt").write_text("Otra cosa", encoding="utf-8")
    packs.forget()
    assert [text.state for text in packs.pack("es").texts] == ["changed", "approved"]
    assert not packs.has("es", "hello")


def test_the_letters_are_part_of_what_was_approved(folder: Path) -> None:
    approve("hello", "bye")
    (folder / "es" / "pack.toml").write_text('letters = "accents"\n', encoding="utf-8")
    packs.forget()
    assert {text.state for text in packs.pack("es").texts} == {"changed"}
    approve("hello", "bye")
    assert packs.render("es", "hello", {"school": "Ñandú"}) == "Sí, hello Ñandú"


def test_a_text_that_is_not_written_yet_holds_the_language_back(folder: Path) -> None:
    approve("hello", "bye")
    (folder / "en" / "third.txt").write_text("Hello", encoding="utf-8")
    packs.forget()
    assert packs.templates("es") == ("bye", "hello")
    assert {text.name: text.state for text in packs.pack("es").texts}["third"] == "missing"
    assert not packs.has("es", "hello")
