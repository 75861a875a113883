"""The texts in templates/texts/<language>/: which languages have which text, and what it says filled in."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from homevisits import places
from homevisits.messages import texts


class NoSuchText(LookupError):
    """There is no text of this name in this language. A person calls instead; it is never sent in another language."""


@lru_cache(maxsize=512)
def source(language: str, template: str) -> str:
    """The words of a text before its places are filled."""
    if not (language.isalpha() and template.replace("_", "").isalnum()):
        raise NoSuchText(f"{language}/{template}")
    path = _folder() / language / f"{template}.txt"
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise NoSuchText(f"{language}/{template}") from None


def has(language: str, template: str) -> bool:
    """Whether the text exists in the language."""
    try:
        source(language, template)
    except NoSuchText:
        return False
    return True


def render(language: str, template: str, params: Mapping[str, object]) -> str:
    """The text as it will read. Raises `NoSuchText`, or KeyError when a place has no value."""
    return texts.plain(texts.fill(source(language, template), params))


def languages() -> tuple[str, ...]:
    """The languages that have any text, sorted."""
    return tuple(sorted(path.name for path in _folder().iterdir() if path.is_dir()))


def templates(language: str) -> tuple[str, ...]:
    """The names of the texts in `language`, sorted."""
    return tuple(sorted(path.stem for path in (_folder() / language).glob("*.txt")))


def _folder() -> Path:
    return places.templates() / "texts"
