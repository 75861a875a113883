"""Paths of data folders, in a source checkout or in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def templates() -> Path:
    """Return the folder of the page templates and message texts."""
    return _folder("templates")


def migrations() -> Path:
    """Return the folder of the migrations: env.py and versions/."""
    return _folder("migrations")


def config() -> Path:
    """Return the folder of the included settings files: defaults.toml, policies/ and a file for each mode."""
    return _folder("config")


def static() -> Path:
    """Return the folder of style sheets, scripts and images for browsers."""
    return _PACKAGE / "static"


def _folder(name: str) -> Path:
    # A wheel contains the folder inside the package (see pyproject.toml); in a checkout it is next to the package.
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parent / name
