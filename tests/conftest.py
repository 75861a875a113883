"""Fixtures for all tests: an empty database on each engine, example data and a browser. Network access is blocked."""

import ipaddress
import os
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from homevisits import migrate
from homevisits.core import clock
from homevisits.core.db import Database
from tests import servers
from tests.factories.school import school_fixture  # noqa: F401 - a fixture for all

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
IN_CI = bool(os.environ.get("CI"))
PROCESS_FOLDERS = ("browser", "contract", "demo")  # tests that start whole applications

hypothesis_settings.register_profile(
    "homevisits", deadline=None, derandomize=IN_CI, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
hypothesis_settings.load_profile("homevisits")
# Send structlog events through the standard library, where pytest's `caplog` records them.
structlog.configure(
    processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer(key_order=["event"])],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests whose coverage is measured: those in this process, on SQLite, and the races on both engines.

    Measuring the others as well would make the test run of CI half as long again.
    """
    for item in items:
        folder = item.path.relative_to(ROOT / "tests").parts[0]
        in_process = folder not in PROCESS_FOLDERS and item.get_closest_marker("slow") is None
        if in_process and (folder == "race" or "postgresql" not in item.name):
            item.add_marker("measured")


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Temporary folder of the whole test run; xdist workers share it."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own


@pytest.fixture(scope="session")
def postgres(scratch: Path) -> Iterator[servers.Postgres]:
    """The PostgreSQL server of the test run, with a migrated template database."""
    with servers.run_postgres(scratch) as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of a migrated, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite"
    template = Database(f"sqlite:///{path}")
    migrate.upgrade(template)
    template.dispose()
    with sqlite3.connect(path) as connection:
        # Without a write-ahead log there is only a single file to copy.
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a migrated, empty SQLite database for a test."""
    path = tmp_path / "homevisits.sqlite"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgres: servers.Postgres) -> Iterator[str]:
    """URL of a migrated, empty PostgreSQL database for a test, dropped afterwards."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a migrated, empty database, on each engine in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated, empty database, on each engine in turn."""
    opened = servers.disable_sync(Database(database_url))
    yield opened
    opened.dispose()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """A migrated, empty SQLite database, for tests that do not depend on the engine."""
    opened = servers.disable_sync(Database(sqlite_url))
    yield opened
    opened.dispose()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of public example data next to the project; without it the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip("there is no shared example data next to the project")
    return SHARED


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium, controlled by Playwright."""
    path = servers.find_chromium()
    if path is None:
        reason = "no Chromium on this machine (Debian: apt-get install chromium)"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)
    with servers.run_browser(path) as running:
        yield running


@pytest.fixture(autouse=True)
def _reset_clock() -> Iterator[None]:
    """Return to the system clock after each test that changed it."""
    yield
    clock.set_source(None)


@pytest.fixture(autouse=True, scope="session")
def _block_network() -> Iterator[None]:
    """Let tests connect to loopback addresses and local sockets only."""
    original = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def refuse_remote(address: Any) -> None:
        if isinstance(address, tuple) and not _is_loopback(str(address[0])):
            raise RuntimeError(f"a test tried to reach {address[0]!r}: only loopback is open to tests")

    def connect(self: socket.socket, address: Any) -> Any:
        refuse_remote(address)
        return original[0](self, address)

    def connect_ex(self: socket.socket, address: Any) -> Any:
        refuse_remote(address)
        return original[1](self, address)

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None:
            refuse_remote((host.decode() if isinstance(host, bytes) else host,))
        return original[2](host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket.socket, "connect_ex", connect_ex)
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield


def _is_loopback(host: str) -> bool:
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
