"""What texts say: places filled, letters every phone shows, nothing sent that no speaker approved."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from homevisits.messages import message_types
from homevisits.messages.templates import catalog, files, lint, rendering
from homevisits.messages.templates.segments import count_segments

SAMPLE = {
    "school": "Frida Kahlo Middle School",
    "people": "Mohammed Abdullahi-Ibrahim and Guadalupe Rodriguez-Hernandez",
    "day": "mar 13 oct 2026",
    "time": "12:45 pm",
    "partner": "Guadalupe",
    "visit": 17,
    "choices": "1 Lincoln, 2 Cedar",
}
SENT = [(language, name) for language in ("en", "es") for name in catalog.list_templates(language)]
OF_FAMILIES = {name for name in catalog.list_templates("en") if not name.startswith(("staff_", "canned_"))}
AWAITED = ("ar", "hmn", "so", "vi")


@pytest.mark.parametrize(("language", "name"), SENT)
def test_a_text_travels_in_the_cheap_encoding(language: str, name: str) -> None:
    assert count_segments(catalog.render(language, name, SAMPLE)).encoding == "GSM-7"


def test_english_and_spanish_have_the_same_texts_with_the_same_places() -> None:
    assert catalog.list_templates("en") == catalog.list_templates("es")
    for name in catalog.list_templates("en"):
        assert rendering.placeholders(catalog.get_template("en", name)) == rendering.placeholders(
            catalog.get_template("es", name)
        ), name


def test_plain_letters_keep_what_every_phone_shows() -> None:
    assert rendering.to_gsm7("¿Sí? Mañana, a las “6” — José… él") == '¿Si? Mañana, a las "6" - José... él'
    assert rendering.to_gsm7("Вторник") == "Вторник"
    assert rendering.to_gsm7("Đặng Thị Ánh, Władysław, Işık, Nuʼman") == "Dang Thi Anh, Wladyslaw, Isik, Nu'man"


def test_an_accent_written_apart_is_the_same_letter() -> None:
    assert rendering.to_gsm7("man\u0303ana, Jose\u0301, si\u0301") == "mañana, José, si"


def test_a_half_filled_text_never_leaves() -> None:
    with pytest.raises(KeyError):
        catalog.render("en", "visit_confirm", {"school": "Lincoln"})


@pytest.mark.parametrize("language", AWAITED)
def test_a_pack_awaiting_approval_is_there_to_read_and_is_never_sent(language: str) -> None:
    held = catalog.load_pack(language)
    required = {message_type.name for message_type in message_types.all_types() if message_type.required}
    assert "invitation" in required
    assert {text.name for text in held.templates if text.state == "waiting"} >= required
    assert {text.state for text in held.templates if text.is_required} == {"waiting"}
    assert not held.is_ready
    assert catalog.preview(language, "invitation", SAMPLE)
    assert not catalog.is_approved(language, "invitation")
    with pytest.raises(catalog.TemplateNotFound):
        catalog.render(language, "invitation", SAMPLE)


def test_a_language_without_a_text_is_never_answered_in_english() -> None:
    assert not catalog.is_approved("kar", "invitation")
    with pytest.raises(catalog.TemplateNotFound):
        catalog.render("kar", "invitation", SAMPLE)
    for language, name in [("../en", "invitation"), ("en", "../es/invitation"), ("en", "nothing")]:
        assert not catalog.is_approved(language, name)
        with pytest.raises(catalog.TemplateNotFound):
            catalog.get_template(language, name)


@pytest.mark.parametrize("language", ["en", "es"])
def test_who_approved_a_text_and_when_is_on_record(language: str) -> None:
    assert catalog.load_pack(language).is_ready
    for text in catalog.load_pack(language).templates:
        assert text.approval is not None
        assert text.approval.by
        assert text.approval.words == files.text_hash(text.text, catalog.load_pack(language).letters)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two languages with two texts each, none approved."""
    product = tmp_path / "product"
    for language in ("en", "es"):
        (product / language).mkdir(parents=True)
        for name in ("hello", "bye"):
            (product / language / f"{name}.txt").write_text(f"Sí, {name} {{school}}\n", encoding="utf-8")
    monkeypatch.setattr(catalog, "_builtin_folder", lambda: product)
    catalog.configure()
    yield product
    monkeypatch.undo()
    catalog.configure()


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Path:
    """A district's own folder, in use and empty."""
    made = tmp_path / "own"
    made.mkdir()
    catalog.configure(made)
    return made


def approve(*names: str, note: str = "") -> None:
    catalog.approve("es", names, 'Ana "la maestra" \\ Ruiz', date(2026, 10, 5), note)


def test_a_language_is_sent_when_each_of_its_texts_is_approved(folder: Path) -> None:
    approve("hello", note="Bien.\nMuy bien.")
    assert not catalog.is_approved("es", "hello")
    approve("bye")
    assert catalog.is_approved("es", "hello")
    assert catalog.render("es", "hello", {"school": "Ñandú"}) == "Si, hello Ñandu"
    found = catalog.load_pack("es").find_template("hello")
    assert found is not None
    assert found.approval is not None
    assert (found.approval.by, found.approval.on) == ('Ana "la maestra" \\ Ruiz', date(2026, 10, 5))
    assert found.approval.note == "Bien. Muy bien."


def test_words_changed_after_the_approval_are_not_the_approved_ones(folder: Path) -> None:
    approve("hello", "bye")
    (folder / "es" / "bye.txt").write_text("Otra cosa", encoding="utf-8")
    catalog.clear_cache()
    assert [text.state for text in catalog.load_pack("es").templates] == ["changed", "approved"]
    assert not catalog.is_approved("es", "hello")


def test_the_letters_are_part_of_what_was_approved(folder: Path) -> None:
    approve("hello", "bye")
    (folder / "es" / "pack.toml").write_text('letters = "accents"\n', encoding="utf-8")
    catalog.clear_cache()
    assert {text.state for text in catalog.load_pack("es").templates} == {"changed"}
    approve("hello", "bye")
    assert catalog.render("es", "hello", {"school": "Ñandú"}) == "Sí, hello Ñandú"


def test_a_text_that_is_not_written_yet_holds_the_language_back(folder: Path) -> None:
    approve("hello", "bye")
    (folder / "en" / "third.txt").write_text("Hello", encoding="utf-8")
    catalog.clear_cache()
    assert catalog.list_templates("es") == ("bye", "hello")
    assert {text.name: text.state for text in catalog.load_pack("es").templates}["third"] == "missing"
    assert not catalog.is_approved("es", "hello")


def test_a_new_text_that_no_conversation_needs_holds_nothing_back(folder: Path) -> None:
    approve("hello", "bye")
    for name in ("visit_thanks", "canned_hello", "staff_asked", "which"):
        (folder / "en" / f"{name}.txt").write_text("Hello", encoding="utf-8")
    catalog.clear_cache()
    assert catalog.is_approved("es", "hello")
    assert not catalog.is_approved("es", "visit_thanks")


def test_a_process_sees_within_seconds_what_another_one_approved(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    approve("hello", "bye")
    assert catalog.is_approved("es", "hello")
    moment = catalog.time.monotonic()
    monkeypatch.setattr(catalog.time, "monotonic", lambda: moment + catalog.CHECK_INTERVAL_SECONDS + 0.1)
    (folder / "es" / "bye.txt").write_text("Otra cosa", encoding="utf-8")
    assert not catalog.is_approved("es", "hello")


def test_files_that_stay_as_they_are_are_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = catalog.load_pack("es")
    moment = catalog.time.monotonic()
    monkeypatch.setattr(catalog.time, "monotonic", lambda: moment + catalog.CHECK_INTERVAL_SECONDS + 0.1)
    assert catalog.load_pack("es") is held


def test_an_approval_that_cannot_be_read_approves_nothing(folder: Path) -> None:
    approve("hello", "bye")
    for said in ("[hello", "[hello]\nby = 1\n", "\xff"):
        (folder / "es" / "approvals.toml").write_text(said, encoding="latin-1")
        catalog.clear_cache()
        assert not catalog.is_approved("es", "hello")


def test_a_district_s_own_words_stand_before_the_product_s(folder: Path, own: Path) -> None:
    catalog.approve("es", ("hello", "bye"), "Ana", date(2026, 10, 5), "")
    (own / "es" / "hello.txt").write_text("Buenas, {school}", encoding="utf-8")
    catalog.clear_cache()
    assert not catalog.is_approved("es", "hello")
    catalog.approve("es", ("hello",), "Ana", date(2026, 10, 6), "")
    assert catalog.render("es", "hello", {"school": "Cedar"}) == "Buenas, Cedar"
    assert catalog.load_pack("es").find_template("hello").is_own  # type: ignore[union-attr]
    assert not (folder / "es" / "approvals.toml").exists()


def test_an_upgrade_neither_changes_nor_stops_what_a_district_approved(folder: Path, own: Path) -> None:
    catalog.approve("es", ("hello", "bye"), "Ana", date(2026, 10, 5), "")
    (folder / "es" / "hello.txt").write_text("Palabras nuevas", encoding="utf-8")
    (folder / "es" / "pack.toml").write_text('letters = "accents"', encoding="utf-8")
    catalog.clear_cache()
    assert catalog.is_approved("es", "hello")
    assert catalog.render("es", "hello", {"school": "Cedar"}) == "Si, hello Cedar"


def test_what_the_product_s_speaker_approved_is_sent_where_the_district_says_nothing(folder: Path, own: Path) -> None:
    catalog.configure()
    approve("hello", "bye")
    catalog.configure(own)
    assert catalog.is_approved("es", "hello")
    assert not catalog.load_pack("es").find_template("hello").is_own  # type: ignore[union-attr]


def test_a_language_only_the_district_has_is_sent_when_it_approved_it(folder: Path, own: Path) -> None:
    (own / "kar").mkdir()
    for name in ("hello", "bye"):
        (own / "kar" / f"{name}.txt").write_text(f"Kar {name}", encoding="utf-8")
    catalog.clear_cache()
    assert catalog.list_languages() == ("en", "es", "kar")
    catalog.approve("kar", ("hello", "bye"), "Htoo", date(2026, 10, 5), "")
    assert catalog.render("kar", "hello", {}) == "Kar hello"


def test_a_folder_that_is_away_for_a_moment_leaves_the_product_s_texts(folder: Path, own: Path) -> None:
    catalog.approve("es", ("hello", "bye"), "Ana", date(2026, 10, 5), "")
    own.rename(own.with_name("away"))
    catalog.clear_cache()
    assert catalog.list_languages() == ("en", "es")
    assert not catalog.is_approved("es", "hello")


def test_the_discreet_wording_needs_its_own_approvals(folder: Path) -> None:
    approve("hello", "bye")
    for language in ("en", "es"):
        (folder / language / "hello.discreet.txt").write_text("Psst", encoding="utf-8")
    catalog.configure()
    assert catalog.render("es", "hello", {"school": "Cedar"}) == "Si, hello Cedar"
    catalog.configure(wording="discreet")
    assert not catalog.is_approved("es", "hello")
    approve("hello.discreet")
    assert catalog.render("es", "hello", {"school": "Cedar"}) == "Psst"
    assert catalog.render("es", "bye", {"school": "Cedar"}) == "Si, bye Cedar"


def test_in_the_discreet_wording_no_text_to_a_family_says_visit_or_home() -> None:
    catalog.configure(wording="discreet")
    try:
        for language in ("en", "es"):
            assert catalog.load_pack(language).is_ready
            for name in OF_FAMILIES | {"canned_your_place"}:
                said = catalog.render(language, name, SAMPLE)
                assert not lint.mentions_visit(said), (language, name)
    finally:
        catalog.configure()


def test_a_text_to_staff_links_to_the_visit_and_names_no_family() -> None:
    catalog.configure(site="https://visits.example.org/")
    try:
        said = catalog.render("en", "staff_reminder", SAMPLE)
    finally:
        catalog.configure()
    assert "https://visits.example.org/visits/17" in said
    for language in ("en", "es"):
        for name in catalog.list_templates(language):
            if name.startswith("staff_") and name != "staff_reply":
                places = rendering.placeholders(catalog.get_template(language, name))
                assert places == {"partner", "day", "time", "school", "site", "visit"}
