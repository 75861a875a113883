"""Install the wheel in a new environment, without the checkout, and run it."""

import json
import os
import signal
import site
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WAIT = 60
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout with the pinned build backend."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (wheel_file,) = folder.glob("*.whl")
    return wheel_file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel; its dependencies are found in this environment by path."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True, timeout=300)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    # A line of a .pth file adds a folder without reading the .pth files in it, so the checkout is not found.
    dependencies = [path for path in site.getsitepackages() if Path(path).is_dir()]
    (packages / "dependencies.pth").write_text("\n".join(dependencies) + "\n", encoding="utf-8")
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    return folder / "bin"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Environment variables of a small installation."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "HOMEVISITS_DATABASE_URL": f"sqlite:///{tmp_path / 'homevisits.sqlite'}",
        "HOMEVISITS_SECRET_KEY": "0123456789abcdef" * 4,
        "HOMEVISITS_PUBLIC_URL": "http://127.0.0.1:8000",
        "HOMEVISITS_WEB_PROCESSES": "1",
    }


def run_command(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Run a command that must succeed, and return its output."""
    completed = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


@contextmanager
def run_process(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the block ends; it must stop on SIGTERM."""
    with (folder / f"{command[1]}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(WAIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_page(address: str, status: int = 200) -> str:
    """Wait until a page answers with `status`, and return its body."""
    deadline = time.monotonic() + WAIT
    last = ""
    while time.monotonic() < deadline:
        try:
            with DIRECT.open(address, timeout=10) as response:
                if response.status == status:
                    return str(response.read().decode("utf-8"))
        except urllib.error.HTTPError as error:
            with error:
                last = f"{error.code} {error.read()[:500]!r}"
        except OSError as error:
            last = str(error)
        time.sleep(0.2)
    pytest.fail(f"{address} did not answer {status}: {last}")


def test_wheel_contains_templates_migrations_and_configuration(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for top in ("templates", "migrations", "config"):
        here = {
            f"homevisits/_{top}/{path.relative_to(ROOT / top)}"
            for path in (ROOT / top).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert here <= names
    assert "homevisits/static/theme.css" in names
    assert not [name for name in names if name.startswith(("tests/", "demo-data/", "docs/"))]
    assert not [name for name in names if "/decisions/" in name or "/pictures/" in name]


def test_installed_wheel_runs(installed: Path, environment: dict[str, str], tmp_path: Path) -> None:
    homevisits = str(installed / "homevisits")
    where = run_command(
        [str(installed / "python"), "-c", "import homevisits; print(homevisits.__file__)"], tmp_path, environment
    )
    assert Path(where.strip()).is_relative_to(installed.parent)
    assert "serve" in run_command([homevisits, "--help"], tmp_path, environment)
    assert json.loads(run_command([homevisits, "migrate", "--json"], tmp_path, environment))["to"]

    port = free_port()
    environment |= {"HOMEVISITS_BIND": f"127.0.0.1:{port}"}
    with (
        run_process([homevisits, "serve"], tmp_path, environment) as web,
        run_process([homevisits, "worker"], tmp_path, environment) as worker,
    ):
        assert json.loads(wait_for_page(f"http://127.0.0.1:{port}/healthz"))["status"] == "ok"
        ready = json.loads(wait_for_page(f"http://127.0.0.1:{port}/readyz"))
        assert ready == {"status": "ok", "database": "ok", "migrations": "ok", "worker": "ok"}
        assert "<form" in wait_for_page(f"http://127.0.0.1:{port}/sign-in")
        assert wait_for_page(f"http://127.0.0.1:{port}/static/theme.css")
    assert web.returncode == 0
    assert worker.returncode == 0
    assert "Traceback" not in (tmp_path / "serve.log").read_text() + (tmp_path / "worker.log").read_text()
