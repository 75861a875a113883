"""Where the folders beside the package are: at the top of a checkout, or inside the installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def templates() -> Path:
    """The Jinja templates: pages, error pages and the texts families get."""
    return _folder("templates")


def migrations() -> Path:
    """The migration scripts: env.py and versions/."""
    return _folder("migrations")


def config() -> Path:
    """The settings files that ship with the product: defaults.toml, policies/ and one file for each mode."""
    return _folder("config")


def static() -> Path:
    """Style sheets, scripts and pictures served to a browser."""
    return _PACKAGE / "static"


def _folder(name: str) -> Path:
    # An installed wheel carries the folder inside the package (see pyproject.toml); a checkout has it beside.
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parent / name
