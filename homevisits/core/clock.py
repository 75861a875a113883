"""The only module that reads the system clock. Demo mode and tests can replace the source."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path


def _system_time() -> datetime:
    return datetime.now(UTC)


_source: Callable[[], datetime] = _system_time


def now() -> datetime:
    """Return the current time, time zone aware, in UTC."""
    return _source()


def set_source(source: Callable[[], datetime] | None) -> None:
    """Read the time from `source` (None: the system clock). For demo mode and tests."""
    global _source
    _source = source or _system_time


def follow_offset_file(path: Path) -> None:
    """Run this process's clock ahead of the system clock by the seconds in the file at `path`.

    The web and worker processes of the demo read the same file, so advancing the time affects both.
    """

    def read_time() -> datetime:
        return _system_time() + timedelta(seconds=read_offset(path))

    set_source(read_time)


def read_offset(path: Path) -> float:
    """Return the seconds by which the demo clock runs ahead; 0 if it was never advanced."""
    try:
        return float(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return 0.0


def advance_to(path: Path, target: datetime) -> None:
    """Advance the demo clock to `target`. Raises ValueError if that is earlier than its current time."""
    seconds = (target - _system_time()).total_seconds()
    if seconds < read_offset(path):
        raise ValueError("the demo's clock only goes forward")
    new_file = path.with_suffix(".next")
    new_file.write_text(repr(seconds), encoding="ascii")
    new_file.replace(path)
