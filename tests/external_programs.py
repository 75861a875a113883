"""Find, start and stop the external programs that tests compare the application with."""

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


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test, or fail it where `.ci/run` has installed every program (TESTS_EXTERNAL_PROGRAMS=all)."""
    if os.environ.get("TESTS_EXTERNAL_PROGRAMS") == "all":
        pytest.fail(reason)
    pytest.skip(reason)


def find_program(name: str, package: str) -> str:
    """Return the path of a program; `package` is the Debian package that contains it."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    if path is None:
        skip_or_fail(f"{name} is not on this machine (Debian: apt-get install {package})")
    return path


def node_folder() -> Path:
    """Return the node_modules folder of `.ci/node/package.json`: below TESTS_NODE, or else below build/node."""
    return Path(os.environ.get("TESTS_NODE") or ROOT / "build" / "node") / "node_modules"


def node_command(name: str) -> list[str]:
    """Return the command that runs a program installed by npm."""
    path = node_folder() / ".bin" / name
    if not shutil.which("node") or not path.exists():
        skip_or_fail(f"{name} is not on this machine (.ci/node.sh installs it into build/node, with npm)")
    return ["node", str(path)]


def find_free_port() -> int:
    """Return an unused TCP port of the loopback interface."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def run_process(
    command: Sequence[str], log: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in its own process group until the block ends; append its output to `log`."""
    with log.open("ab") as record:
        running = subprocess.Popen(command, stdout=record, stderr=record, cwd=cwd, env=env, start_new_session=True)
    try:
        yield running
    finally:
        # Signal the whole group: programs started by npm may have child processes.
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(running.pid, signal_number)
                running.wait(5)
                break
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        running.wait()


@contextmanager
def run_server(
    command: Sequence[str], port: int, log: Path, seconds: float = 60, cwd: Path | None = None
) -> Iterator[int]:
    """Run a server until the block ends; yield its process id once it listens on `port`."""
    with run_process(command, log, cwd) as running:
        deadline = time.monotonic() + seconds
        while not _is_listening(port):
            if running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[:2]} did not start: {log.read_text(errors='replace')[-1500:]}")
            time.sleep(0.05)
        yield running.pid


def _is_listening(port: int) -> bool:
    with closing(socket.socket()) as listener:
        listener.settimeout(0.5)
        return listener.connect_ex(("127.0.0.1", port)) == 0
