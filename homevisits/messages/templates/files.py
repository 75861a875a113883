"""Read and write template files. The district's folder overrides the built-in one."""

import hashlib
import os
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from homevisits.core.languages import UI_LANGUAGES
from homevisits.messages import message_types
from homevisits.messages.message_types import MessageType

BASE_LANGUAGE = "en"
"""The language that defines the complete list of templates."""
DISCREET_SUFFIX = ".discreet"
"""The end of a text's name when it is worded for a phone that others read, too."""
STAFF_LANGUAGES = tuple(UI_LANGUAGES)  # staff get messages in the languages of the pages


@dataclass(frozen=True)
class Approval:
    """Who approved a text, when, in which letters; ``words`` is the mark of what was approved."""

    by: str
    on: date
    letters: str
    words: str
    note: str


@dataclass(frozen=True)
class Template:
    """One text of a pack. Its state is `approved`, `changed` (since it was approved), `waiting` or `missing`.

    ``needed``: the language is not sent without it. ``own``: the words are the district's.
    """

    name: str
    words: str
    state: str
    approval: Approval | None
    needed: bool = True
    own: bool = False


@dataclass(frozen=True)
class LanguagePack:
    """The texts of one language, and the letters they are sent in."""

    language: str
    name: str
    direction: str
    letters: str
    note: str
    texts: tuple[Template, ...]

    @cached_property
    def ready(self) -> bool:
        """Whether the template is approved."""
        return all(text.state == "approved" for text in self.texts if text.needed)

    def text(self, name: str) -> Template | None:
        """The text of this name."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> Mapping[str, Template]:
        return {text.name: text for text in self.texts}


def read_pack(folders: Sequence[Path], own: Path | None, language: str, wording: str) -> LanguagePack:
    """The pack of `language` as its files are now; `folders` in the order they count, `own` one of them or None."""
    head: dict[str, Any] = {}
    written: dict[str, tuple[str, bool]] = {}
    for folder in reversed(folders):
        head |= _read_toml(folder / language / "pack.toml")
        for path in (folder / language).glob("*.txt"):
            written[path.stem] = (path.read_text(encoding="utf-8").strip(), folder == own)
    signed = [read_approvals(folder / language) for folder in folders]
    letters = str(head.get("letters", "plain"))
    base = {path.stem for folder in folders for path in (folder / BASE_LANGUAGE).glob("*.txt")}
    found = []
    for name in sorted({*written, *(each for each in base if _is_expected(each, language, wording))}):
        words, is_own = written.get(name, (None, False))
        state, approval = _approval_state(words, letters, [each[name] for each in signed if name in each])
        found.append(Template(name, words or "", state, approval, _is_required(name, base, wording), is_own))
    return LanguagePack(
        language=language,
        name=str(head.get("name", language)),
        direction=str(head.get("direction", "ltr")),
        letters=letters,
        note=str(head.get("note", "")),
        texts=tuple(found),
    )


def fingerprint(folders: Sequence[Path], language: str) -> tuple[tuple[str, int, int], ...]:
    """Return a fingerprint of a language's files, to detect changes."""
    found = []
    for folder in folders:
        with suppress(FileNotFoundError), os.scandir(folder / language) as entries:
            for entry in entries:
                stat = entry.stat()
                found.append((entry.path, stat.st_mtime_ns, stat.st_size))
    return tuple(sorted(found))


def read_approvals(folder: Path) -> dict[str, Approval]:
    """Return the approvals in a language's folder, by template."""
    try:
        return {name: Approval(**given) for name, given in _read_toml(folder / "approvals.toml").items()}
    except TypeError:  # malformed, edited by hand: no approvals
        return {}


def write_approvals(folder: Path, known: Mapping[str, Approval]) -> None:
    """Write the approvals atomically."""
    lines = ["# Who approved which words. Written by `homevisits texts approve`; a text changed since is not approved."]
    for name, one in sorted(known.items()):
        header = f"[{_toml_string(name)}]" if "." in name else f"[{name}]"
        lines += ["", header, f"by = {_toml_string(one.by)}", f"on = {one.on.isoformat()}"]
        lines += [f'letters = "{one.letters}"', f'words = "{one.words}"', f"note = {_toml_string(one.note)}"]
    fresh = folder / ".approvals.toml.new"
    fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")
    fresh.replace(folder / "approvals.toml")


def text_hash(words: str, letters: str) -> str:
    """Return a hash of a text and its alphabet."""
    return hashlib.sha256(f"{letters}\n{words}".encode()).hexdigest()[:16]


def _is_expected(name: str, language: str, wording: str) -> bool:
    """Whether a text that English has is missing in a language that has it not."""
    message_type = _message_type(name)
    if message_type is not None and message_type.audience == "staff":
        return language in STAFF_LANGUAGES
    return wording == "discreet" or not name.endswith(DISCREET_SUFFIX)


def _is_required(name: str, base: set[str], wording: str) -> bool:
    """Whether a conversation needs the text, in the wording in use."""
    message_type = _message_type(name)
    if name not in base or (message_type is not None and not message_type.required):
        return False
    if wording == "discreet":
        return name.endswith(DISCREET_SUFFIX) or name + DISCREET_SUFFIX not in base
    return not name.endswith(DISCREET_SUFFIX)


def _message_type(name: str) -> MessageType | None:
    return message_types.find(name.removesuffix(DISCREET_SUFFIX))


def _approval_state(words: str | None, letters: str, signed: Sequence[Approval]) -> tuple[str, Approval | None]:
    if words is None:
        return "missing", None
    for approval in signed:
        if approval.words == text_hash(words, letters):
            return "approved", approval
    return ("changed", signed[0]) if signed else ("waiting", None)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):  # incompletely saved: ignore until it is valid
        return {}


def _toml_string(text: str) -> str:
    kept = "".join(character if character.isprintable() else " " for character in text)
    return '"' + kept.replace("\\", "\\\\").replace('"', '\\"') + '"'
