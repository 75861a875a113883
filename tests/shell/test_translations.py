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
ALIKE = {"demo", "outlook", "hmong", "karen", "washington"}
"""Names and short forms that are the same in both languages."""


def _found() -> Catalog:
    """Return the messages that pybabel would extract, with the same configuration."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
    method_map = [(rule["pattern"], rule["method"]) for rule in rules]
    found = Catalog(locale="es")
    for name in sorted({rule["pattern"].split("/")[0] for rule in rules}):
        inside = [(pattern.removeprefix(f"{name}/"), how) for pattern, how in method_map if pattern.startswith(name)]
        folder = paths.templates() if name == "templates" else ROOT / name
        for filename, line, ids, _comments, context in extract_from_dir(
            folder,
            inside,
            options_map={pattern: {"silent": "false"} for pattern, how in inside if how == "jinja2"},
            keywords={**DEFAULT_KEYWORDS, "_l": None},
        ):
            found.add(ids, locations=[(f"{name}/{filename}", line)], context=context)
    return found


@pytest.fixture(scope="module")
def found() -> Catalog:
    return _found()


@pytest.fixture(scope="module")
def spanish() -> Catalog:
    with SPANISH.open("rb") as source:
        return read_po(source, locale="es")


def _sentences(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)


def _forms(words: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [words or ""] if isinstance(words, str) or words is None else list(words)


def _first(message: Message) -> str:
    return _forms(message.id)[0]


def test_sources_contain_known_messages(found: Catalog) -> None:
    ids = {_first(message) for message in _sentences(found)}
    assert len(ids) > 900
    assert {"My families", "We met", "Home visitor", "%(num)d minute", SENTENCES["missing"]} <= ids


def test_every_message_is_translated(found: Catalog, spanish: Catalog) -> None:
    known = {_first(message): message for message in _sentences(spanish)}
    missing = [
        f"{message.locations[0][0]}: {_first(message)}"
        for message in _sentences(found)
        if _first(message) not in known
        or len(_forms(known[_first(message)].string)) != len(_forms(message.id))
        or not all(form.strip() for form in _forms(known[_first(message)].string))
    ]
    assert missing == []


def test_catalog_has_no_obsolete_messages(found: Catalog, spanish: Catalog) -> None:
    ids = {_first(message) for message in _sentences(found)}
    assert [_first(message) for message in _sentences(spanish) if _first(message) not in ids] == []
    assert not spanish.obsolete


def test_no_translation_is_fuzzy(spanish: Catalog) -> None:
    assert not spanish.fuzzy
    assert [_first(message) for message in spanish if message.fuzzy] == []


def test_translations_have_the_same_placeholders_and_tags(spanish: Catalog) -> None:
    wrong = []
    for message in _sentences(spanish):
        for english, words in zip(_forms(message.id), _forms(message.string), strict=True):
            if sorted(PLACEHOLDER.findall(english)) != sorted(PLACEHOLDER.findall(words)):
                wrong.append((english, words))
    assert wrong == []


def test_translations_begin_and_end_like_the_english(spanish: Catalog) -> None:
    wrong = []
    for message in _sentences(spanish):
        for english, words in zip(_forms(message.id), _forms(message.string), strict=True):
            ends = all(english.endswith(mark) == words.endswith(mark) for mark in ".?!:")
            opens = ("?" in words) == ("¿" in words) and ("!" in words) == ("¡" in words)
            if not ends or not opens or words != words.strip():
                wrong.append((english, words))
    assert wrong == []


def test_no_translation_equals_the_english(spanish: Catalog) -> None:
    alike = [
        english
        for message in _sentences(spanish)
        for english, words in zip(_forms(message.id), _forms(message.string), strict=True)
        if english == words and (long := re.findall(r"[^\W\d_]{4,}", PLACEHOLDER.sub("", english)))
        if long[0].lower() not in ALIKE
    ]
    assert alike == []


def test_translations_address_people_as_usted(spanish: Catalog) -> None:
    familiar = re.compile(r"\b(tú|tu|tus|ti|contigo|puedes|tienes|eres|elige|escribe tu|haz|vosotros)\b", re.IGNORECASE)
    said = [form for message in _sentences(spanish) for form in _forms(message.string)]
    assert [words for words in said if familiar.search(words)] == []


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
