"""One small demo for the whole run: making it takes seconds, copying it none."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import fasteners
import pytest

from homevisits.demo.sample import build
from homevisits.demo.settings import Folder

MADE = datetime(2026, 11, 18, 16, 0, tzinfo=UTC)
"""The demo's now: a Wednesday morning."""


@pytest.fixture(scope="session")
def made(scratch: Path) -> Folder:
    """A demo with a quarter of its students, made once for all workers of the run."""
    folder = Folder(scratch / "demo")
    with fasteners.InterProcessLock(scratch / "demo.lock"):
        if not folder.database.exists():
            folder.path.mkdir(exist_ok=True)
            build.make(folder, 8077, MADE, lambda _line: None, students=250)
    return folder


@pytest.fixture
def folder(made: Folder, tmp_path: Path) -> Folder:
    """A test's own copy of it."""
    own = Folder(tmp_path / "demo")
    own.path.mkdir()
    shutil.copyfile(made.database, own.database)
    return own
