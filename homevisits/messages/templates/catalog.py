"""Message templates by language, with the approvals of speakers of the language.

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
"""Seconds between checks for changed files."""


class NoSuchText(LookupError):
    """No approved template exists in the language. Another language is never used instead."""


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
    """Configure the district's folder ("": none), the wording and the base URL. Call once at start."""
    global _use
    _use = _Use(Path(folder) if folder else None, wording, site.rstrip("/"))
    forget()


def forget() -> None:
    """Discard the cache."""
    global _listed
    with _lock:
        _listed = None
        _read_before.clear()


def own_folder() -> Path | None:
    """Return the district's own folder."""
    return _use.folder


def source(language: str, template: str) -> str:
    """Return a template with its placeholders, approved or not."""
    found = pack(language).text(template) if language in languages() else None
    if found is None or found.state == "missing":
        raise NoSuchText(f"{language}/{template}")
    return found.words


def has(language: str, template: str) -> bool:
    """Whether the template is approved in the language."""
    if language not in languages():
        return False
    held = pack(language)
    found = held.text(_worded(template))
    return held.ready and found is not None and found.state == "approved"


def render(language: str, template: str, params: Mapping[str, object]) -> str:
    """Render an approved template. Raises `NoSuchText`, or KeyError for a missing parameter."""
    if not has(language, template):
        raise NoSuchText(f"{language}/{template}")
    return preview(language, _worded(template), params)


def preview(language: str, template: str, params: Mapping[str, object], letters: str | None = None) -> str:
    """How the text reads, approved or not; in other letters than the pack's when they are named."""
    filled = rendering.fill(source(language, template), {"site": _use.site, **params})
    return rendering.plain(filled) if (letters or pack(language).letters) == "plain" else filled


def languages() -> tuple[str, ...]:
    """Return the languages that have templates, sorted."""
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
    """Return the template names of `language`, sorted."""
    return tuple(text.name for text in pack(language).texts if text.state != "missing")


def pack(language: str) -> Pack:
    """Return the templates of a language, cached for at most `EVERY` seconds."""
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
    """Record a speaker's approval of the current text of templates.

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
    """Return the template name for the wording in use; not every template has a discreet form."""
    if _use.wording != "discreet" or pack(BASE).text(template + DISCREET) is None:
        return template
    return template + DISCREET


def _folders() -> list[Path]:
    return [folder for folder in (_use.folder, _folder()) if folder is not None]


def _folder() -> Path:
    return paths.templates() / "texts"
