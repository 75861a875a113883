"""The Spanish catalog is complete, current and consistent with the sources."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po

from homevisits.app import load_translations
from homevisits.core import paths
from homevisits.web.problem_wording import SENTENCES

ROOT = Path(__file__).parents[2]
SPANISH = ROOT / "homevisits" / "translations" / "es" / "LC_MESSAGES" / "messages.po"
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%%|</?\w[^>]*>")
SAME_IN_BOTH = {"demo", "outlook", "hmong", "karen", "washington"}
"""Names and short forms that are the same in both languages."""


def _extract_messages() -> Catalog:
    """Return the messages that pybabel would extract, with the same configuration."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
    method_map = [(rule["pattern"], rule["method"]) for rule in rules]
    catalog = Catalog(locale="es")
    for name in sorted({rule["pattern"].split("/")[0] for rule in rules}):
        inside = [
            (pattern.removeprefix(f"{name}/"), method) for pattern, method in method_map if pattern.startswith(name)
        ]
        folder = paths.templates() if name == "templates" else ROOT / name
        for filename, line, ids, _comments, context in extract_from_dir(
            folder,
            inside,
            options_map={pattern: {"silent": "false"} for pattern, method in inside if method == "jinja2"},
            keywords={**DEFAULT_KEYWORDS, "_l": None},
        ):
            catalog.add(ids, locations=[(f"{name}/{filename}", line)], context=context)
    return catalog


@pytest.fixture(scope="module")
def source_catalog() -> Catalog:
    return _extract_messages()


@pytest.fixture(scope="module")
def spanish() -> Catalog:
    with SPANISH.open("rb") as source:
        return read_po(source, locale="es")


def _sentences(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)


def _plural_forms(words: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [words or ""] if isinstance(words, str) or words is None else list(words)


def _first_form(message: Message) -> str:
    return _plural_forms(message.id)[0]


def test_sources_contain_known_messages(source_catalog: Catalog) -> None:
    ids = {_first_form(message) for message in _sentences(source_catalog)}
    assert len(ids) > 900
    assert {"My families", "We met", "Home visitor", "%(num)d minute", SENTENCES["missing"]} <= ids


def test_every_message_is_translated(source_catalog: Catalog, spanish: Catalog) -> None:
    known = {_first_form(message): message for message in _sentences(spanish)}
    missing = [
        f"{message.locations[0][0]}: {_first_form(message)}"
        for message in _sentences(source_catalog)
        if _first_form(message) not in known
        or len(_plural_forms(known[_first_form(message)].string)) != len(_plural_forms(message.id))
        or not all(form.strip() for form in _plural_forms(known[_first_form(message)].string))
    ]
    assert missing == []


def test_catalog_has_no_obsolete_messages(source_catalog: Catalog, spanish: Catalog) -> None:
    ids = {_first_form(message) for message in _sentences(source_catalog)}
    assert [_first_form(message) for message in _sentences(spanish) if _first_form(message) not in ids] == []
    assert not spanish.obsolete


def test_no_translation_is_fuzzy(spanish: Catalog) -> None:
    assert not spanish.fuzzy
    assert [_first_form(message) for message in spanish if message.fuzzy] == []


def test_translations_have_the_same_placeholders_and_tags(spanish: Catalog) -> None:
    mismatches = []
    for message in _sentences(spanish):
        for english, words in zip(_plural_forms(message.id), _plural_forms(message.string), strict=True):
            if sorted(PLACEHOLDER.findall(english)) != sorted(PLACEHOLDER.findall(words)):
                mismatches.append((english, words))
    assert mismatches == []


def test_translations_begin_and_end_like_the_english(spanish: Catalog) -> None:
    mismatches = []
    for message in _sentences(spanish):
        for english, words in zip(_plural_forms(message.id), _plural_forms(message.string), strict=True):
            ends = all(english.endswith(mark) == words.endswith(mark) for mark in ".?!:")
            opens = ("?" in words) == ("¿" in words) and ("!" in words) == ("¡" in words)
            if not ends or not opens or words != words.strip():
                mismatches.append((english, words))
    assert mismatches == []


def test_no_translation_equals_the_english(spanish: Catalog) -> None:
    unchanged = [
        english
        for message in _sentences(spanish)
        for english, words in zip(_plural_forms(message.id), _plural_forms(message.string), strict=True)
        if english == words and (long := re.findall(r"[^\W\d_]{4,}", PLACEHOLDER.sub("", english)))
        if long[0].lower() not in SAME_IN_BOTH
    ]
    assert unchanged == []


def test_translations_address_people_as_usted(spanish: Catalog) -> None:
    informal = re.compile(r"\b(tú|tu|tus|ti|contigo|puedes|tienes|eres|elige|escribe tu|haz|vosotros)\b", re.IGNORECASE)
    sentences = [form for message in _sentences(spanish) for form in _plural_forms(message.string)]
    assert [words for words in sentences if informal.search(words)] == []


def test_every_problem_has_a_sentence_in_both_languages() -> None:
    words = load_translations("es")
    for code, sentence in SENTENCES.items():
        assert sentence, code
        assert words.gettext(sentence) != sentence, code


def test_compiled_catalog_has_plurals() -> None:
    words = load_translations("es")
    assert words.gettext("We met") == "Nos reunimos"
    assert words.ngettext("%(num)d family", "%(num)d families", 1) == "%(num)d familia"
    assert words.ngettext("%(num)d family", "%(num)d families", 0) == "%(num)d familias"
    assert load_translations("en").gettext("We met") == "We met"
