"""Programs that are not ours, to be held against: where they are, how they start, what to say without them."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent


def missing(reason: str) -> NoReturn:
    """This test cannot be run here: it is skipped, or fails where `.ci/run` has seen to it that every tool is there."""
    if os.environ.get("TESTS_JUDGES") == "all":
        pytest.fail(reason)
    pytest.skip(reason)


def program(name: str, package: str) -> str:
    """Where a program of Debian's is."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    if found is None:
        missing(f"{name} is not on this machine (Debian: apt-get install {package})")
    return found


def node_folder() -> Path:
    """The folder of `.ci/node/package.json`'s programs: the one TESTS_NODE names, or build/node."""
    return Path(os.environ.get("TESTS_NODE") or ROOT / "build" / "node") / "node_modules"


def node_tool(name: str) -> list[str]:
    """How to call a program of npm's."""
    path = node_folder() / ".bin" / name
    if not shutil.which("node") or not path.exists():
        missing(f"{name} is not on this machine (.ci/node.sh installs it into build/node, with npm)")
    return ["node", str(path)]


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with closing(socket.socket()) as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
        return port


@contextmanager
def process(
    command: Sequence[str], log: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs until the block ends, in a group of its own; what it says goes to `log`."""
    with log.open("ab") as record:
        running = subprocess.Popen(command, stdout=record, stderr=record, cwd=cwd, env=env, start_new_session=True)
    try:
        yield running
    finally:
        # Its whole group: what npm starts may have children.
        for word in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(running.pid, word)
                running.wait(5)
                break
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        running.wait()


@contextmanager
def started(
    command: Sequence[str], port: int, log: Path, seconds: float = 60, cwd: Path | None = None
) -> Iterator[int]:
    """A program that runs until the block ends, and listens on `port` when it begins: its process id."""
    with process(command, log, cwd) as running:
        until = time.monotonic() + seconds
        while not _listens(port):
            if running.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[:2]} did not start: {log.read_text(errors='replace')[-1500:]}")
            time.sleep(0.05)
        yield running.pid


def _listens(port: int) -> bool:
    with closing(socket.socket()) as door:
        door.settimeout(0.5)
        return door.connect_ex(("127.0.0.1", port)) == 0
