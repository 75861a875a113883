"""The packs of texts in templates/texts/<language>/: what they say, and which words a speaker approved.

A language is sent when each of its texts is approved in the words and letters it has now: a family never gets half a
conversation, and words changed after the approval are not the approved ones. Anything else is a task for a person.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from homevisits import places
from homevisits.messages import texts

BASE = "en"
"""The language whose texts are the list of all there must be."""
LETTERS = ("plain", "accents")


class NoSuchText(LookupError):
    """There is no approved text of this name in this language. A person calls; it is never sent in another one."""


@dataclass(frozen=True)
class Approval:
    """Who approved a text, when, in which letters; ``words`` is the mark of what was approved."""

    by: str
    on: date
    letters: str
    words: str
    note: str


@dataclass(frozen=True)
class Text:
    """One text of a pack. Its state is `approved`, `changed` (since it was approved), `waiting` or `missing`."""

    name: str
    words: str
    state: str
    approval: Approval | None


@dataclass(frozen=True)
class Pack:
    """The texts of one language, and the letters they are sent in."""

    language: str
    name: str
    direction: str
    letters: str
    note: str
    texts: tuple[Text, ...]

    @property
    def ready(self) -> bool:
        """Whether it is sent."""
        return all(text.state == "approved" for text in self.texts)

    def text(self, name: str) -> Text | None:
        """The text of this name."""
        return next((text for text in self.texts if text.name == name), None)


def source(language: str, template: str) -> str:
    """The words of a text before its places are filled, approved or not."""
    found = pack(language).text(template) if language in languages() else None
    if found is None or found.state == "missing":
        raise NoSuchText(f"{language}/{template}")
    return found.words


def has(language: str, template: str) -> bool:
    """Whether the text may be sent in the language."""
    if language not in languages():
        return False
    held = pack(language)
    return held.ready and held.text(template) is not None


def render(language: str, template: str, params: Mapping[str, object]) -> str:
    """The text as it will read. Raises `NoSuchText`, or KeyError when a place has no value."""
    if not has(language, template):
        raise NoSuchText(f"{language}/{template}")
    return preview(language, template, params)


def preview(language: str, template: str, params: Mapping[str, object], letters: str | None = None) -> str:
    """How the text reads, approved or not; in other letters than the pack's when they are named."""
    filled = texts.fill(source(language, template), params)
    return texts.plain(filled) if (letters or pack(language).letters) == "plain" else filled


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """The languages that have any text, sorted."""
    return tuple(sorted(path.name for path in _folder().iterdir() if path.is_dir()))


def templates(language: str) -> tuple[str, ...]:
    """The names of the texts in `language`, sorted."""
    return tuple(text.name for text in pack(language).texts if text.state != "missing")


@lru_cache(maxsize=32)
def pack(language: str) -> Pack:
    """The pack of a language that has one. Read once a process."""
    folder = _folder() / language
    head = _read(folder / "pack.toml")
    written = {path.stem: path.read_text(encoding="utf-8").strip() for path in folder.glob("*.txt")}
    wanted = {path.stem for path in (_folder() / BASE).glob("*.txt")}
    letters = str(head.get("letters", "plain"))
    approvals = {name: Approval(**given) for name, given in _read(folder / "approvals.toml").items()}
    return Pack(
        language=language,
        name=str(head.get("name", language)),
        direction=str(head.get("direction", "ltr")),
        letters=letters,
        note=str(head.get("note", "")),
        texts=tuple(
            _text(name, written.get(name), letters, approvals.get(name)) for name in sorted(wanted | {*written})
        ),
    )


def approve(language: str, names: tuple[str, ...], by: str, on: date, note: str) -> None:
    """Write down that a speaker read these texts as they now are and approves them."""
    held = pack(language)
    known = {text.name: text.approval for text in held.texts if text.approval is not None}
    for name in names:
        known[name] = Approval(by, on, held.letters, mark(source(language, name), held.letters), note)
    lines = ["# Who approved which words. Written by `homevisits texts approve`; a text changed since is not approved."]
    for name, one in sorted(known.items()):
        lines += ["", f"[{name}]", f"by = {_quoted(one.by)}", f"on = {one.on.isoformat()}"]
        lines += [f'letters = "{one.letters}"', f'words = "{one.words}"', f"note = {_quoted(one.note)}"]
    (_folder() / language / "approvals.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    pack.cache_clear()


def mark(words: str, letters: str) -> str:
    """What tells these words in these letters from any others."""
    return hashlib.sha256(f"{letters}\n{words}".encode()).hexdigest()[:16]


def _text(name: str, words: str | None, letters: str, approval: Approval | None) -> Text:
    if words is None:
        return Text(name, "", "missing", approval)
    if approval is None:
        return Text(name, words, "waiting", None)
    return Text(name, words, "approved" if approval.words == mark(words, letters) else "changed", approval)


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _quoted(text: str) -> str:
    kept = "".join(character if character.isprintable() else " " for character in text)
    return '"' + kept.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _folder() -> Path:
    return places.templates() / "texts"
