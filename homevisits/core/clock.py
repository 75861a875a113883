"""The only reader of a clock; and a school's wall time to and from a moment."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path


def _system() -> datetime:
    return datetime.now(UTC)


_source: Callable[[], datetime] = _system


def now() -> datetime:
    """The moment, aware, in UTC."""
    return _source()


def use(source: Callable[[], datetime] | None) -> None:
    """Read the time from `source` from now on (None: the system's clock). Only demo mode and tests call this."""
    global _source
    _source = source or _system


def follow(path: Path) -> None:
    """Let this process's clock run ahead of the system's by the seconds written in the file at `path`.

    Demo mode's web and worker processes follow one file, so that a jump on the page moves both.
    """

    def ahead() -> datetime:
        return _system() + timedelta(seconds=offset(path))

    use(ahead)


def offset(path: Path) -> float:
    """Seconds by which the demo's clock at `path` runs ahead; 0 before the first jump."""
    try:
        return float(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return 0.0


def jump(path: Path, target: datetime) -> None:
    """Set the demo's clock at `path` to `target`. Raises ValueError for a moment in the past: time only goes on."""
    ahead = (target - _system()).total_seconds()
    if ahead < offset(path):
        raise ValueError("the demo's clock only goes forward")
    waiting = path.with_suffix(".next")
    waiting.write_text(repr(ahead), encoding="ascii")
    waiting.replace(path)
