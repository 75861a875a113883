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
from homevisits.messages.templates.files import BASE_LANGUAGE, DISCREET_SUFFIX, Approval, LanguagePack, text_hash

LETTERS = ("plain", "accents")
CHECK_INTERVAL_SECONDS = 2.0
"""Seconds between checks for changed files."""


class TemplateNotFound(LookupError):
    """No approved template exists in the language. Another language is never used instead."""


@dataclass(frozen=True)
class _Configuration:
    """How this installation uses the packs: its own folder, plain or discreet wording, and its address for links."""

    folder: Path | None = None
    wording: str = "plain"
    site: str = ""


_configuration = _Configuration()
_lock = threading.Lock()
_pack_cache: dict[str, tuple[float, object, LanguagePack]] = {}
_language_cache: tuple[float, tuple[str, ...]] | None = None


def configure(folder: str | Path = "", wording: str = "plain", site: str = "") -> None:
    """Configure the district's folder ("": none), the wording and the base URL. Call once at start."""
    global _configuration
    _configuration = _Configuration(Path(folder) if folder else None, wording, site.rstrip("/"))
    clear_cache()


def clear_cache() -> None:
    """Discard the cache."""
    global _language_cache
    with _lock:
        _language_cache = None
        _pack_cache.clear()


def district_folder() -> Path | None:
    """Return the district's own folder."""
    return _configuration.folder


def get_template(language: str, template: str) -> str:
    """Return a template with its placeholders, approved or not."""
    found = load_pack(language).text(template) if language in list_languages() else None
    if found is None or found.state == "missing":
        raise TemplateNotFound(f"{language}/{template}")
    return found.words


def is_approved(language: str, template: str) -> bool:
    """Whether the template is approved in the language."""
    if language not in list_languages():
        return False
    held = load_pack(language)
    found = held.text(_name_in_wording(template))
    return held.ready and found is not None and found.state == "approved"


def render(language: str, template: str, params: Mapping[str, object]) -> str:
    """Render an approved template. Raises `TemplateNotFound`, or KeyError for a missing parameter."""
    if not is_approved(language, template):
        raise TemplateNotFound(f"{language}/{template}")
    return preview(language, _name_in_wording(template), params)


def preview(language: str, template: str, params: Mapping[str, object], letters: str | None = None) -> str:
    """How the text reads, approved or not; in other letters than the pack's when they are named."""
    filled = rendering.fill_placeholders(get_template(language, template), {"site": _configuration.site, **params})
    return rendering.to_gsm7(filled) if (letters or load_pack(language).letters) == "plain" else filled


def list_languages() -> tuple[str, ...]:
    """Return the languages that have templates, sorted."""
    global _language_cache
    known, at = _language_cache, time.monotonic()
    if known is not None and at - known[0] < CHECK_INTERVAL_SECONDS:
        return known[1]
    found: set[str] = set()
    for folder in _folders():
        # A district's folder that is away for a moment leaves the product's texts, each as approved as it is.
        with suppress(FileNotFoundError):
            found |= {path.name for path in folder.iterdir() if path.is_dir() and path.name[0].isalpha()}
    _language_cache = (at, tuple(sorted(found)))
    return _language_cache[1]


def list_templates(language: str) -> tuple[str, ...]:
    """Return the template names of `language`, sorted."""
    return tuple(text.name for text in load_pack(language).texts if text.state != "missing")


def load_pack(language: str) -> LanguagePack:
    """Return the templates of a language, cached for at most `EVERY` seconds."""
    known, at = _pack_cache.get(language), time.monotonic()
    if known is not None and at - known[0] < CHECK_INTERVAL_SECONDS:
        return known[2]
    with _lock:
        folders, now_used = _folders(), _configuration
        stamp = (now_used, files.fingerprint(folders, language), files.fingerprint(folders, BASE_LANGUAGE))
        if known is not None and known[1] == stamp:
            made = known[2]
        else:
            made = files.read_pack(folders, now_used.folder, language, now_used.wording)
        _pack_cache[language] = (at, stamp, made)
    return made


def approve(language: str, names: tuple[str, ...], by: str, on: date, note: str) -> None:
    """Record a speaker's approval of the current text of templates.

    With a folder of the district's own the words are kept there beside the approval: what was approved is what is
    sent, whatever later versions of the product say.
    """
    held, folder = load_pack(language), (_configuration.folder or _builtin_folder()) / language
    folder.mkdir(exist_ok=True)
    known = files.read_approvals(folder)
    for name in names:
        words = get_template(language, name)
        known[name] = Approval(by, on, held.letters, text_hash(words, held.letters), note)
        if _configuration.folder is not None:
            (folder / f"{name}.txt").write_text(words + "\n", encoding="utf-8")
    if _configuration.folder is not None and not (folder / "pack.toml").exists():
        (folder / "pack.toml").write_text(f'letters = "{held.letters}"\n', encoding="utf-8")
    files.write_approvals(folder, known)
    clear_cache()


def _name_in_wording(template: str) -> str:
    """Return the template name for the wording in use; not every template has a discreet form."""
    if _configuration.wording != "discreet" or load_pack(BASE_LANGUAGE).text(template + DISCREET_SUFFIX) is None:
        return template
    return template + DISCREET_SUFFIX


def _folders() -> list[Path]:
    return [folder for folder in (_configuration.folder, _builtin_folder()) if folder is not None]


def _builtin_folder() -> Path:
    return paths.templates() / "texts"
