"""Build a single small demo for the whole test run, because copying it is faster."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import fasteners
import pytest

from homevisits.demo.sample import build
from homevisits.demo.settings import DemoFolder

MADE = datetime(2026, 11, 18, 16, 0, tzinfo=UTC)
"""The time of the demo: a Wednesday morning."""


@pytest.fixture(scope="session")
def demo_folder(scratch: Path) -> DemoFolder:
    """A demo with a quarter of the students, built once for all workers of the test run."""
    folder = DemoFolder(scratch / "demo")
    with fasteners.InterProcessLock(scratch / "demo.lock"):
        if not folder.database.exists():
            folder.path.mkdir(exist_ok=True)
            build.make(folder, 8077, MADE, lambda _line: None, students=250)
    return folder


@pytest.fixture
def folder(demo_folder: DemoFolder, tmp_path: Path) -> DemoFolder:
    """A copy of the demo for a test."""
    own = DemoFolder(tmp_path / "demo")
    own.path.mkdir()
    shutil.copyfile(demo_folder.database, own.database)
    return own
