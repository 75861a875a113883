"""Request context: settings, database, current time, notices and template helpers."""

import hashlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from flask import current_app, flash, g
from markupsafe import Markup
from sqlalchemy.orm import Session

from homevisits.core import clock
from homevisits.core.db import Database
from homevisits.core.settings import Settings


@dataclass(frozen=True)
class Services:
    """Settings and database shared by all requests of a process."""

    settings: Settings
    database: Database


def services() -> Services:
    """Return the services of this process."""
    installed: Services = current_app.extensions["homevisits"]
    return installed


def settings() -> Settings:
    """Return the settings of this process."""
    return services().settings


def transaction() -> AbstractContextManager[Session]:
    """Open a writing session that commits at the end of the block."""
    return services().database.transaction()


def reading() -> AbstractContextManager[Session]:
    """Open a read-only session."""
    return services().database.reading()


def now() -> datetime:
    """Return the time of this request, which is the same for every call within it."""
    if "now" not in g:
        g.now = clock.now()
    moment: datetime = g.now
    return moment


def show_notice(message: str, undo: str | None = None) -> None:
    """Show a notice on the next page; `undo` is the URL that reverses the action (by POST)."""
    flash({"text": str(message), "undo": undo}, "done")  # type: ignore[arg-type]


@cache
def _fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def asset(name: str) -> str:
    """Return the URL of a static file, with a version derived from its content."""
    return f"{current_app.static_url_path}/{name}?v={_fingerprint(Path(str(current_app.static_folder)) / name)}"


@cache
def bootstrap_links() -> Markup:
    """Return the link tags of the Bootstrap style sheets, cached for the life of the process."""
    bootstrap = current_app.extensions["bootstrap"]
    return Markup("\n").join([bootstrap.load_css(), bootstrap.load_icon_font_css()])


def initials(name: str) -> str:
    """Return the two initials of a name for an avatar."""
    words = name.split()
    return (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper() if words else "?"
