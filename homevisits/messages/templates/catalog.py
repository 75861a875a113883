"""Message templates by language, with the approvals of speakers of the language.

A language is used when every required template is approved with its current text and letters, so that no family gets
only part of a conversation. Otherwise staff must call. Each template in the district's own folder overrides the
built-in one, and upgrades do not change that folder. The files are checked for changes every few seconds, so that every
process uses changed texts and withdrawn approvals.
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
CHECK_INTERVAL_SECONDS = 2.0  # between checks for changed files


class TemplateNotFound(LookupError):
    """No approved template exists in the language. Another language is never used instead."""


@dataclass(frozen=True)
class _Configuration:
    """Settings of the installation: the district's folder, plain or discreet wording, base URL of links."""

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
    entry = load_pack(language).find_template(template) if language in list_languages() else None
    if entry is None or entry.state == "missing":
        raise TemplateNotFound(f"{language}/{template}")
    return entry.text


def is_approved(language: str, template: str) -> bool:
    """Whether the template and all required templates of the language are approved."""
    if language not in list_languages():
        return False
    pack = load_pack(language)
    entry = pack.find_template(_name_in_wording(template))
    return pack.is_ready and entry is not None and entry.state == "approved"


def render(language: str, template: str, params: Mapping[str, object]) -> str:
    """Render an approved template. Raises `TemplateNotFound`, or KeyError for a missing parameter."""
    if not is_approved(language, template):
        raise TemplateNotFound(f"{language}/{template}")
    return preview(language, _name_in_wording(template), params)


def preview(language: str, template: str, params: Mapping[str, object], letters: str | None = None) -> str:
    """Render a template, approved or not. `letters`: "plain" or "accents" instead of the language's own."""
    filled = rendering.fill_placeholders(get_template(language, template), {"site": _configuration.site, **params})
    return rendering.to_gsm7(filled) if (letters or load_pack(language).letters) == "plain" else filled


def list_languages() -> tuple[str, ...]:
    """Return the languages that have templates, sorted."""
    global _language_cache
    cached, now = _language_cache, time.monotonic()
    if cached is not None and now - cached[0] < CHECK_INTERVAL_SECONDS:
        return cached[1]
    languages: set[str] = set()
    for folder in _folders():
        # If the district's folder is unavailable, the built-in templates are used.
        with suppress(FileNotFoundError):
            languages |= {path.name for path in folder.iterdir() if path.is_dir() and path.name[0].isalpha()}
    _language_cache = (now, tuple(sorted(languages)))
    return _language_cache[1]


def list_templates(language: str) -> tuple[str, ...]:
    """Return the template names of `language`, sorted."""
    return tuple(template.name for template in load_pack(language).templates if template.state != "missing")


def load_pack(language: str) -> LanguagePack:
    """Return the templates of a language, cached for `CHECK_INTERVAL_SECONDS`."""
    cached, now = _pack_cache.get(language), time.monotonic()
    if cached is not None and now - cached[0] < CHECK_INTERVAL_SECONDS:
        return cached[2]
    with _lock:
        folders, configuration = _folders(), _configuration
        stamp = (configuration, files.fingerprint(folders, language), files.fingerprint(folders, BASE_LANGUAGE))
        if cached is not None and cached[1] == stamp:
            pack = cached[2]
        else:
            pack = files.read_pack(folders, configuration.folder, language, configuration.wording)
        _pack_cache[language] = (now, stamp, pack)
    return pack


def approve(language: str, names: tuple[str, ...], by: str, on: date, note: str) -> None:
    """Record a speaker's approval of the current text of templates.

    If the district has its own folder, the texts are copied there with the approval, so that an upgrade does not
    change what was approved.
    """
    pack, folder = load_pack(language), (_configuration.folder or _builtin_folder()) / language
    folder.mkdir(exist_ok=True)
    approvals = files.read_approvals(folder)
    for name in names:
        text = get_template(language, name)
        approvals[name] = Approval(
            by=by, on=on, letters=pack.letters, text_hash=text_hash(text, pack.letters), note=note
        )
        if _configuration.folder is not None:
            (folder / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
    if _configuration.folder is not None and not (folder / "pack.toml").exists():
        (folder / "pack.toml").write_text(f'letters = "{pack.letters}"\n', encoding="utf-8")
    files.write_approvals(folder, approvals)
    clear_cache()


def _name_in_wording(template: str) -> str:
    """Return the template name for the wording in use; not every template has a discreet form."""
    if (
        _configuration.wording != "discreet"
        or load_pack(BASE_LANGUAGE).find_template(template + DISCREET_SUFFIX) is None
    ):
        return template
    return template + DISCREET_SUFFIX


def _folders() -> list[Path]:
    return [folder for folder in (_configuration.folder, _builtin_folder()) if folder is not None]


def _builtin_folder() -> Path:
    return paths.templates() / "texts"
