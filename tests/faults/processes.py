"""Start and stop the external programs of the fault tests."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests import external_programs

ROOT = Path(__file__).resolve().parent.parent.parent
SERVE = (sys.executable, "-c", "from homevisits.cli.main import main; main()", "serve")


def free_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def find_program(*names: str) -> str:
    """Return the path of a program, or skip or fail the test if it is missing."""
    search_path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    program_path = next((path for name in names if (path := shutil.which(name, path=search_path))), None)
    return program_path or external_programs.skip_or_fail(f"{names[0]} is not on this machine")


@contextmanager
def run_program(
    command: Sequence[str], log: Path, cwd: Path = ROOT, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for the duration of the block and write its output to `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            stdout=output,
            stderr=output,
            env=None if environment is None else {**os.environ, **environment},
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)


def wait_for(ready: Callable[[], object], seconds: float, describe: Callable[[], str] = lambda: "") -> None:
    """Wait until `ready` returns a true value, or fail the test with the text of `describe`."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            pytest.fail(f"not ready after {seconds} seconds {describe()}")
        time.sleep(0.05)


def is_answering(url: str) -> bool:
    """Whether a web server answers at `url`."""
    with suppress(OSError):
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return True
        return True
    return False


def is_listening(port: int) -> bool:
    """Whether a process accepts connections on a port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextmanager
def run_web_server(folder: Path, database_url: str, **settings: str) -> Iterator[int]:
    """Run our web server in production mode with the Twilio token "token"; yield its port."""
    port = free_port()
    environment = {
        "mode": "production", "database_url": database_url, "secret_key": "a secret of thirty-two characters!",
        "public_url": "https://visits.example.org", "bind": f"127.0.0.1:{port}", "web_processes": "1",
        "twilio_auth_token": "token", **settings,
    }  # fmt: skip
    log = folder / "serve.log"
    with run_program(
        SERVE, log, environment={f"HOMEVISITS_{key.upper()}": value for key, value in environment.items()}
    ):
        wait_for(lambda: is_answering(f"http://127.0.0.1:{port}/healthz"), 60, log.read_text)
        yield port
