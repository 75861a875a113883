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

BASE_LANGUAGE = "en"  # the language that defines the complete list of templates
DISCREET_SUFFIX = ".discreet"  # of templates for phones that other people may read
STAFF_LANGUAGES = tuple(UI_LANGUAGES)  # staff get messages in the languages of the pages


@dataclass(frozen=True)
class Approval:
    """Approval of a template by a speaker of the language. The fields are the keys in approvals.toml."""

    by: str
    on: date
    letters: str
    text_hash: str  # hash of the approved text, see `text_hash`
    note: str


@dataclass(frozen=True)
class Template:
    """A template of a language. `state`: approved, changed (since its approval), waiting or missing."""

    name: str
    text: str
    state: str
    approval: Approval | None
    is_required: bool = True  # the language is not used until this template is approved
    is_own: bool = False  # the text is from the district's folder


@dataclass(frozen=True)
class LanguagePack:
    """The templates of a language. `letters`: "plain" (GSM-7) or "accents" (all letters)."""

    language: str
    name: str
    direction: str
    letters: str
    note: str
    templates: tuple[Template, ...]

    @cached_property
    def is_ready(self) -> bool:
        """Whether all required templates are approved."""
        return all(template.state == "approved" for template in self.templates if template.is_required)

    def find_template(self, name: str) -> Template | None:
        """Return the template with this name."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> Mapping[str, Template]:
        return {template.name: template for template in self.templates}


def read_pack(folders: Sequence[Path], own: Path | None, language: str, wording: str) -> LanguagePack:
    """Read the templates of `language`. `folders`: by precedence. `own`: the district's folder, one of them."""
    head: dict[str, Any] = {}
    texts: dict[str, tuple[str, bool]] = {}
    for folder in reversed(folders):
        head |= _read_toml(folder / language / "pack.toml")
        for path in (folder / language).glob("*.txt"):
            texts[path.stem] = (path.read_text(encoding="utf-8").strip(), folder == own)
    approvals = [read_approvals(folder / language) for folder in folders]
    letters = str(head.get("letters", "plain"))
    base = {path.stem for folder in folders for path in (folder / BASE_LANGUAGE).glob("*.txt")}
    templates = []
    for name in sorted({*texts, *(name for name in base if _is_expected(name, language, wording))}):
        text, is_own = texts.get(name, (None, False))
        state, approval = _approval_state(text, letters, [by_name[name] for by_name in approvals if name in by_name])
        templates.append(
            Template(
                name=name,
                text=text or "",
                state=state,
                approval=approval,
                is_required=_is_required(name, base, wording),
                is_own=is_own,
            )
        )
    return LanguagePack(
        language=language,
        name=str(head.get("name", language)),
        direction=str(head.get("direction", "ltr")),
        letters=letters,
        note=str(head.get("note", "")),
        templates=tuple(templates),
    )


def fingerprint(folders: Sequence[Path], language: str) -> tuple[tuple[str, int, int], ...]:
    """Return a fingerprint of a language's files, to detect changes."""
    stamps = []
    for folder in folders:
        with suppress(FileNotFoundError), os.scandir(folder / language) as entries:
            for entry in entries:
                stat = entry.stat()
                stamps.append((entry.path, stat.st_mtime_ns, stat.st_size))
    return tuple(sorted(stamps))


def read_approvals(folder: Path) -> dict[str, Approval]:
    """Return the approvals in a language's folder, by template."""
    try:
        return {name: Approval(**values) for name, values in _read_toml(folder / "approvals.toml").items()}
    except TypeError:  # malformed, edited by hand: no approvals
        return {}


def write_approvals(folder: Path, approvals: Mapping[str, Approval]) -> None:
    """Write the approvals atomically."""
    lines = [
        "# Written by `homevisits texts approve`. An approval is valid for one text: a changed text needs a new one."
    ]
    for name, approval in sorted(approvals.items()):
        header = f"[{_toml_string(name)}]" if "." in name else f"[{name}]"
        lines += ["", header, f"by = {_toml_string(approval.by)}", f"on = {approval.on.isoformat()}"]
        lines += [
            f'letters = "{approval.letters}"',
            f'text_hash = "{approval.text_hash}"',
            f"note = {_toml_string(approval.note)}",
        ]
    new_file = folder / ".approvals.toml.new"
    new_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    new_file.replace(folder / "approvals.toml")


def text_hash(text: str, letters: str) -> str:
    """Return the hash by which an approval refers to a text and its letters."""
    return hashlib.sha256(f"{letters}\n{text}".encode()).hexdigest()[:16]


def _is_expected(name: str, language: str, wording: str) -> bool:
    """Whether a template of the base language should exist in `language` too."""
    message_type = _message_type(name)
    if message_type is not None and message_type.audience == "staff":
        return language in STAFF_LANGUAGES
    return wording == "discreet" or not name.endswith(DISCREET_SUFFIX)


def _is_required(name: str, base: set[str], wording: str) -> bool:
    """Whether the language needs the template, with the wording in use."""
    message_type = _message_type(name)
    if name not in base or (message_type is not None and not message_type.required):
        return False
    if wording == "discreet":
        return name.endswith(DISCREET_SUFFIX) or name + DISCREET_SUFFIX not in base
    return not name.endswith(DISCREET_SUFFIX)


def _message_type(name: str) -> MessageType | None:
    return message_types.find(name.removesuffix(DISCREET_SUFFIX))


def _approval_state(text: str | None, letters: str, approvals: Sequence[Approval]) -> tuple[str, Approval | None]:
    if text is None:
        return "missing", None
    for approval in approvals:
        if approval.text_hash == text_hash(text, letters):
            return "approved", approval
    return ("changed", approvals[0]) if approvals else ("waiting", None)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):  # incompletely saved: ignore until it is valid
        return {}


def _toml_string(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
