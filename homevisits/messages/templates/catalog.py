"""The packs of texts, a folder for each language: what they say, and which words a speaker approved.

A language is sent when each of the texts that a conversation needs is approved in the words and letters it has now: a
family never gets half a conversation, and words changed after the approval are not the approved ones. Anything else is
a task for a person. A district's own folder stands before the product's, text by text, and no upgrade touches it. The
files are looked at again every few seconds, so no process sends words that were changed or taken back meanwhile.
"""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from homevisits.core import paths
from homevisits.messages.templates import files, rendering
from homevisits.messages.templates.files import BASE, DISCREET, Approval, Pack, mark

LETTERS = ("plain", "accents")
EVERY = 2.0
"""Seconds between two looks at the files."""


class NoSuchText(LookupError):
    """There is no approved text of this name in this language. A person calls; it is never sent in another one."""


@dataclass(frozen=True)
class _Use:
    """How this installation uses the packs: its own folder, plain or discreet wording, and its address for links."""

    folder: Path | None = None
    wording: str = "plain"
    site: str = ""


_use = _Use()
_lock = threading.Lock()
_read_before: dict[str, tuple[float, object, Pack]] = {}
_listed: tuple[float, tuple[str, ...]] | None = None


def use(folder: str | Path = "", wording: str = "plain", site: str = "") -> None:
    """Say once, when a process starts: the district's own folder ("": none), the wording, the address for links."""
    global _use
    _use = _Use(Path(folder) if folder else None, wording, site.rstrip("/"))
    forget()


def forget() -> None:
    """Read every file again at the next question."""
    global _listed
    with _lock:
        _listed = None
        _read_before.clear()


def own_folder() -> Path | None:
    """The district's own folder."""
    return _use.folder


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
    found = held.text(_worded(template))
    return held.ready and found is not None and found.state == "approved"


def render(language: str, template: str, params: Mapping[str, object]) -> str:
    """The text as it will read, in the installation's wording. Raises `NoSuchText`, or KeyError for an empty place."""
    if not has(language, template):
        raise NoSuchText(f"{language}/{template}")
    return preview(language, _worded(template), params)


def preview(language: str, template: str, params: Mapping[str, object], letters: str | None = None) -> str:
    """How the text reads, approved or not; in other letters than the pack's when they are named."""
    filled = rendering.fill(source(language, template), {"site": _use.site, **params})
    return rendering.plain(filled) if (letters or pack(language).letters) == "plain" else filled


def languages() -> tuple[str, ...]:
    """The languages that have any text, sorted."""
    global _listed
    known, at = _listed, time.monotonic()
    if known is not None and at - known[0] < EVERY:
        return known[1]
    found: set[str] = set()
    for folder in _folders():
        # A district's folder that is away for a moment leaves the product's texts, each as approved as it is.
        with suppress(FileNotFoundError):
            found |= {path.name for path in folder.iterdir() if path.is_dir() and path.name[0].isalpha()}
    _listed = (at, tuple(sorted(found)))
    return _listed[1]


def templates(language: str) -> tuple[str, ...]:
    """The names of the texts in `language`, sorted."""
    return tuple(text.name for text in pack(language).texts if text.state != "missing")


def pack(language: str) -> Pack:
    """The pack of a language that has one, as its files are now (or were at most `EVERY` seconds ago)."""
    known, at = _read_before.get(language), time.monotonic()
    if known is not None and at - known[0] < EVERY:
        return known[2]
    with _lock:
        folders, now_used = _folders(), _use
        stamp = (now_used, files.stamps(folders, language), files.stamps(folders, BASE))
        if known is not None and known[1] == stamp:
            made = known[2]
        else:
            made = files.read(folders, now_used.folder, language, now_used.wording)
        _read_before[language] = (at, stamp, made)
    return made


def approve(language: str, names: tuple[str, ...], by: str, on: date, note: str) -> None:
    """Write down that a speaker read these texts as they now are and approves them.

    With a folder of the district's own the words are kept there beside the approval: what was approved is what is
    sent, whatever later versions of the product say.
    """
    held, folder = pack(language), (_use.folder or _folder()) / language
    folder.mkdir(exist_ok=True)
    known = files.approvals(folder)
    for name in names:
        words = source(language, name)
        known[name] = Approval(by, on, held.letters, mark(words, held.letters), note)
        if _use.folder is not None:
            (folder / f"{name}.txt").write_text(words + "\n", encoding="utf-8")
    if _use.folder is not None and not (folder / "pack.toml").exists():
        (folder / "pack.toml").write_text(f'letters = "{held.letters}"\n', encoding="utf-8")
    files.write_approvals(folder, known)
    forget()


def _worded(template: str) -> str:
    """The name of the text in the wording in use: a text that says nothing of a visit has no discreet form."""
    if _use.wording != "discreet" or pack(BASE).text(template + DISCREET) is None:
        return template
    return template + DISCREET


def _folders() -> list[Path]:
    return [folder for folder in (_use.folder, _folder()) if folder is not None]


def _folder() -> Path:
    return paths.templates() / "texts"
