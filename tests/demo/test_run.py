"""Start and stop `homevisits demo` and its two processes."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from datetime import datetime
from pathlib import Path

import pytest

from homevisits.core import clock
from homevisits.demo import run
from homevisits.demo.sample import build
from homevisits.demo.settings import DemoFolder
from tests.demo.conftest import MADE

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_demo(folder: DemoFolder, port: int) -> "subprocess.Popen[str]":
    call = f"run.start(Path({str(folder.path)!r}), {port})"
    code = f"from pathlib import Path; from homevisits.demo import run; raise SystemExit({call})"
    root = Path(__file__).resolve().parents[2]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOMEVISITS_")}
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=root,
        env=environment,
    )


def wait_until_ready(port: int) -> dict[str, str]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as response:
                status: dict[str, str] = json.load(response)
                return status
        except OSError:
            time.sleep(0.3)
    raise AssertionError("the demo never became ready")


def test_demo_keeps_its_data_and_ends_both_processes(folder: DemoFolder) -> None:
    port = free_port()
    running = start_demo(folder, port)
    try:
        assert wait_until_ready(port)["worker"] == "ok"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as page:
            assert "Who do you want to be?" in page.read().decode()
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 0, output
    assert f"http://127.0.0.1:{port}/" in output
    assert "kept from last time" in output
    assert not run.taken(port)


def test_used_port_is_a_clear_error(folder: DemoFolder) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = int(other.getsockname()[1])
        lines: list[str] = []
        assert run.start(folder.path, port, print_line=lines.append) == 1
    assert any(str(port) in line and f"PORT={port + 1}" in line for line in lines)


def test_reset_keeps_files_of_others(folder: DemoFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_system_time", lambda: MADE)
    (folder.path / "notes.txt").write_text("mine")
    folder.clock.write_text("86400")
    built: list[Path] = []

    def make(target: DemoFolder, *_rest: object, **_options: object) -> None:
        assert not target.database.exists()
        built.append(target.database)

    monkeypatch.setattr(build, "make", make)
    run.prepare(folder.path, 8077, reset=True, print_line=lambda _line: None)
    assert built == [folder.database]
    assert not folder.clock.exists()
    assert (folder.path / "notes.txt").read_text() == "mine"


def _set_revision(folder: DemoFolder, revision: str) -> None:
    with sqlite3.connect(folder.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
    connection.close()


@pytest.mark.parametrize("revision", ["0003_texts", "0004_text_evidence"])
def test_data_of_an_earlier_version_is_refused(folder: DemoFolder, revision: str) -> None:
    _set_revision(folder, revision)
    lines: list[str] = []
    assert run.start(folder.path, free_port(), print_line=lines.append) == 1
    assert lines == [
        f"The data in {folder.path} was made by another version of Homevisits. Start over with: make demo RESET=1"
    ]
    assert folder.database.exists()


def test_reset_replaces_data_of_an_earlier_version(folder: DemoFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_system_time", lambda: MADE)
    _set_revision(folder, "0004_text_evidence")
    built: list[Path] = []
    monkeypatch.setattr(build, "make", lambda wanted, *_rest, **_options: built.append(wanted.database))
    run.prepare(folder.path, 8077, reset=True, print_line=lambda _line: None)
    assert built == [folder.database]
    assert not folder.database.exists()


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        ("2026-11-18T16:00Z", "2026-11-18T16:00Z"),  # Wednesday, nine in the morning in Denver
        ("2026-11-18T23:59Z", "2026-11-18T23:59Z"),
        ("2026-11-19T00:00Z", "2026-11-19T17:00Z"),  # five in the afternoon
        ("2026-11-19T11:00Z", "2026-11-19T17:00Z"),  # before dawn: the same day
        ("2026-11-21T05:00Z", "2026-11-23T17:00Z"),  # Friday night: Monday
        ("2026-11-22T18:00Z", "2026-11-23T17:00Z"),  # Sunday
    ],
)
def test_demo_started_outside_school_hours_begins_on_a_school_morning(
    now: str, begins: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, real = DemoFolder(tmp_path), datetime.fromisoformat(now)
    monkeypatch.setattr(clock, "_system_time", lambda: real)
    assert run.advance_clock(folder, "America/Denver") == datetime.fromisoformat(begins)
    clock.follow_offset_file(folder.clock)
    assert clock.now() == datetime.fromisoformat(begins)


def test_interrupted_build_leaves_no_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_interrupt(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "_fill", raise_interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.prepare(tmp_path / "demo", 8077, print_line=lambda _line: None)
    assert not DemoFolder(tmp_path / "demo").database.exists()
