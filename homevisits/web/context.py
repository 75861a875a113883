"""What a request uses: settings, database, time, notices, and helpers for templates."""

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
    """What a process has one of."""

    settings: Settings
    database: Database


def services() -> Services:
    """The settings and database this process runs on."""
    found: Services = current_app.extensions["homevisits"]
    return found


def settings() -> Settings:
    """The process's settings."""
    return services().settings


def transaction() -> AbstractContextManager[Session]:
    """A session that may write; commits once, on leaving."""
    return services().database.transaction()


def reading() -> AbstractContextManager[Session]:
    """A session that only reads."""
    return services().database.reading()


def now() -> datetime:
    """The moment of this request: the same on every call within it."""
    if "now" not in g:
        g.now = clock.now()
    found: datetime = g.now
    return found


def show_notice(message: str, undo: str | None = None) -> None:
    """Tell the reader on the next page what happened; `undo` is the address that takes it back (a POST)."""
    flash({"text": str(message), "undo": undo}, "done")  # type: ignore[arg-type]


@cache
def _fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def asset(name: str) -> str:
    """The address of one of our static files; changes with its content."""
    return f"{current_app.static_url_path}/{name}?v={_fingerprint(Path(str(current_app.static_folder)) / name)}"


@cache
def bootstrap_links() -> Markup:
    """The style sheets of Bootstrap and its icons; the same for the life of a process."""
    bootstrap = current_app.extensions["bootstrap"]
    return Markup("\n").join([bootstrap.load_css(), bootstrap.load_icon_font_css()])


def initials(name: str) -> str:
    """Two letters for a round badge."""
    words = name.split()
    return (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper() if words else "?"
