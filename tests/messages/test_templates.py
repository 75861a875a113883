"""Template catalog: rendering, GSM-7 letters, approvals, templates of a district, discreet wording."""

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
APPROVED_TEMPLATES = [(language, name) for language in ("en", "es") for name in catalog.list_templates(language)]
FAMILY_TEMPLATES = {name for name in catalog.list_templates("en") if not name.startswith(("staff_", "canned_"))}
UNAPPROVED_LANGUAGES = ("ar", "hmn", "so", "vi")


@pytest.mark.parametrize(("language", "name"), APPROVED_TEMPLATES)
def test_template_renders_in_gsm7(language: str, name: str) -> None:
    assert count_segments(catalog.render(language, name, SAMPLE)).encoding == "GSM-7"


def test_english_and_spanish_have_the_same_templates_and_placeholders() -> None:
    assert catalog.list_templates("en") == catalog.list_templates("es")
    for name in catalog.list_templates("en"):
        assert rendering.placeholders(catalog.get_template("en", name)) == rendering.placeholders(
            catalog.get_template("es", name)
        ), name


def test_to_gsm7_replaces_only_letters_with_a_gsm7_equivalent() -> None:
    assert rendering.to_gsm7("¿Sí? Mañana, a las “6” — José… él") == '¿Si? Mañana, a las "6" - José... él'
    assert rendering.to_gsm7("Вторник") == "Вторник"
    assert rendering.to_gsm7("Đặng Thị Ánh, Władysław, Işık, Nuʼman") == "Dang Thi Anh, Wladyslaw, Isik, Nu'man"


def test_to_gsm7_composes_combining_accents() -> None:
    assert rendering.to_gsm7("man\u0303ana, Jose\u0301, si\u0301") == "mañana, José, si"


def test_missing_placeholder_value_raises_key_error() -> None:
    with pytest.raises(KeyError):
        catalog.render("en", "visit_confirm", {"school": "Lincoln"})


@pytest.mark.parametrize("language", UNAPPROVED_LANGUAGES)
def test_unapproved_language_can_be_previewed_but_not_sent(language: str) -> None:
    pack = catalog.load_pack(language)
    required = {message_type.name for message_type in message_types.all_types() if message_type.required}
    assert "invitation" in required
    assert {template.name for template in pack.templates if template.state == "waiting"} >= required
    assert {template.state for template in pack.templates if template.is_required} == {"waiting"}
    assert not pack.is_ready
    assert catalog.preview(language, "invitation", SAMPLE)
    assert not catalog.is_approved(language, "invitation")
    with pytest.raises(catalog.TemplateNotFound):
        catalog.render(language, "invitation", SAMPLE)


def test_missing_template_has_no_fallback_to_english() -> None:
    assert not catalog.is_approved("kar", "invitation")
    with pytest.raises(catalog.TemplateNotFound):
        catalog.render("kar", "invitation", SAMPLE)
    for language, name in [("../en", "invitation"), ("en", "../es/invitation"), ("en", "nothing")]:
        assert not catalog.is_approved(language, name)
        with pytest.raises(catalog.TemplateNotFound):
            catalog.get_template(language, name)


@pytest.mark.parametrize("language", ["en", "es"])
def test_approval_records_approver_and_text_hash(language: str) -> None:
    assert catalog.load_pack(language).is_ready
    for template in catalog.load_pack(language).templates:
        assert template.approval is not None
        assert template.approval.by
        assert template.approval.text_hash == files.text_hash(template.text, catalog.load_pack(language).letters)


@pytest.fixture
def builtin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two languages with two templates each, not approved."""
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
def district_folder(builtin_folder: Path, tmp_path: Path) -> Path:
    """Folder for templates of the district, in use and empty."""
    folder = tmp_path / "own"
    folder.mkdir()
    catalog.configure(folder)
    return folder


def approve(*names: str, note: str = "") -> None:
    catalog.approve("es", names, 'Ana "la maestra" \\ Ruiz', date(2026, 10, 5), note)


def test_language_is_in_use_once_all_its_templates_are_approved(builtin_folder: Path) -> None:
    approve("hello", note="Bien.\nMuy bien.")
    assert not catalog.is_approved("es", "hello")
    approve("bye")
    assert catalog.is_approved("es", "hello")
    assert catalog.render("es", "hello", {"school": "Ñandú"}) == "Si, hello Ñandu"
    template = catalog.load_pack("es").find_template("hello")
    assert template is not None
    assert template.approval is not None
    assert (template.approval.by, template.approval.on) == ('Ana "la maestra" \\ Ruiz', date(2026, 10, 5))
    assert template.approval.note == "Bien. Muy bien."


def test_change_after_approval_withdraws_the_approval(builtin_folder: Path) -> None:
    approve("hello", "bye")
    (builtin_folder / "es" / "bye.txt").write_text("Otra cosa", encoding="utf-8")
    catalog.clear_cache()
    assert [template.state for template in catalog.load_pack("es").templates] == ["changed", "approved"]
    assert not catalog.is_approved("es", "hello")


def test_change_of_letters_withdraws_the_approvals(builtin_folder: Path) -> None:
    approve("hello", "bye")
    (builtin_folder / "es" / "pack.toml").write_text('letters = "accents"\n', encoding="utf-8")
    catalog.clear_cache()
    assert {template.state for template in catalog.load_pack("es").templates} == {"changed"}
    approve("hello", "bye")
    assert catalog.render("es", "hello", {"school": "Ñandú"}) == "Sí, hello Ñandú"


def test_missing_required_template_blocks_the_language(builtin_folder: Path) -> None:
    approve("hello", "bye")
    (builtin_folder / "en" / "third.txt").write_text("Hello", encoding="utf-8")
    catalog.clear_cache()
    assert catalog.list_templates("es") == ("bye", "hello")
    assert {template.name: template.state for template in catalog.load_pack("es").templates}["third"] == "missing"
    assert not catalog.is_approved("es", "hello")


def test_missing_optional_template_does_not_block_the_language(builtin_folder: Path) -> None:
    approve("hello", "bye")
    for name in ("visit_thanks", "canned_hello", "staff_asked", "which"):
        (builtin_folder / "en" / f"{name}.txt").write_text("Hello", encoding="utf-8")
    catalog.clear_cache()
    assert catalog.is_approved("es", "hello")
    assert not catalog.is_approved("es", "visit_thanks")


def test_change_by_another_process_is_noticed_within_seconds(
    builtin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve("hello", "bye")
    assert catalog.is_approved("es", "hello")
    moment = catalog.time.monotonic()
    monkeypatch.setattr(catalog.time, "monotonic", lambda: moment + catalog.CHECK_INTERVAL_SECONDS + 0.1)
    (builtin_folder / "es" / "bye.txt").write_text("Otra cosa", encoding="utf-8")
    assert not catalog.is_approved("es", "hello")


def test_unchanged_files_are_not_read_again(builtin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = catalog.load_pack("es")
    moment = catalog.time.monotonic()
    monkeypatch.setattr(catalog.time, "monotonic", lambda: moment + catalog.CHECK_INTERVAL_SECONDS + 0.1)
    assert catalog.load_pack("es") is pack


def test_unreadable_approvals_file_approves_nothing(builtin_folder: Path) -> None:
    approve("hello", "bye")
    for content in ("[hello", "[hello]\nby = 1\n", "\xff"):
        (builtin_folder / "es" / "approvals.toml").write_text(content, encoding="latin-1")
        catalog.clear_cache()
        assert not catalog.is_approved("es", "hello")


def test_template_of_the_district_overrides_the_builtin_template(builtin_folder: Path, district_folder: Path) -> None:
    catalog.approve("es", ("hello", "bye"), "Ana", date(2026, 10, 5), "")
    (district_folder / "es" / "hello.txt").write_text("Buenas, {school}", encoding="utf-8")
    catalog.clear_cache()
    assert not catalog.is_approved("es", "hello")
    catalog.approve("es", ("hello",), "Ana", date(2026, 10, 6), "")
    assert catalog.render("es", "hello", {"school": "Cedar"}) == "Buenas, Cedar"
    assert catalog.load_pack("es").find_template("hello").is_own  # type: ignore[union-attr]
    assert not (builtin_folder / "es" / "approvals.toml").exists()


def test_upgrade_does_not_change_templates_a_district_approved(builtin_folder: Path, district_folder: Path) -> None:
    catalog.approve("es", ("hello", "bye"), "Ana", date(2026, 10, 5), "")
    (builtin_folder / "es" / "hello.txt").write_text("Palabras nuevas", encoding="utf-8")
    (builtin_folder / "es" / "pack.toml").write_text('letters = "accents"', encoding="utf-8")
    catalog.clear_cache()
    assert catalog.is_approved("es", "hello")
    assert catalog.render("es", "hello", {"school": "Cedar"}) == "Si, hello Cedar"


def test_builtin_approval_holds_if_the_district_has_no_template(builtin_folder: Path, district_folder: Path) -> None:
    catalog.configure()
    approve("hello", "bye")
    catalog.configure(district_folder)
    assert catalog.is_approved("es", "hello")
    assert not catalog.load_pack("es").find_template("hello").is_own  # type: ignore[union-attr]


def test_language_added_by_the_district_is_in_use_once_approved(builtin_folder: Path, district_folder: Path) -> None:
    (district_folder / "kar").mkdir()
    for name in ("hello", "bye"):
        (district_folder / "kar" / f"{name}.txt").write_text(f"Kar {name}", encoding="utf-8")
    catalog.clear_cache()
    assert catalog.list_languages() == ("en", "es", "kar")
    catalog.approve("kar", ("hello", "bye"), "Htoo", date(2026, 10, 5), "")
    assert catalog.render("kar", "hello", {}) == "Kar hello"


def test_missing_district_folder_leaves_the_builtin_templates(builtin_folder: Path, district_folder: Path) -> None:
    catalog.approve("es", ("hello", "bye"), "Ana", date(2026, 10, 5), "")
    district_folder.rename(district_folder.with_name("away"))
    catalog.clear_cache()
    assert catalog.list_languages() == ("en", "es")
    assert not catalog.is_approved("es", "hello")


def test_discreet_wording_needs_its_own_approvals(builtin_folder: Path) -> None:
    approve("hello", "bye")
    for language in ("en", "es"):
        (builtin_folder / language / "hello.discreet.txt").write_text("Psst", encoding="utf-8")
    catalog.configure()
    assert catalog.render("es", "hello", {"school": "Cedar"}) == "Si, hello Cedar"
    catalog.configure(wording="discreet")
    assert not catalog.is_approved("es", "hello")
    approve("hello.discreet")
    assert catalog.render("es", "hello", {"school": "Cedar"}) == "Psst"
    assert catalog.render("es", "bye", {"school": "Cedar"}) == "Si, bye Cedar"


def test_discreet_family_templates_do_not_mention_the_visit() -> None:
    catalog.configure(wording="discreet")
    try:
        for language in ("en", "es"):
            assert catalog.load_pack(language).is_ready
            for name in FAMILY_TEMPLATES | {"canned_your_place"}:
                text = catalog.render(language, name, SAMPLE)
                assert not lint.mentions_visit(text), (language, name)
    finally:
        catalog.configure()


def test_staff_template_links_to_the_visit_and_names_no_family() -> None:
    catalog.configure(site="https://visits.example.org/")
    try:
        text = catalog.render("en", "staff_reminder", SAMPLE)
    finally:
        catalog.configure()
    assert "https://visits.example.org/visits/17" in text
    for language in ("en", "es"):
        for name in catalog.list_templates(language):
            if name.startswith("staff_") and name != "staff_reply":
                placeholders = rendering.placeholders(catalog.get_template(language, name))
                assert placeholders == {"partner", "day", "time", "school", "site", "visit"}
