"""What every test may ask for: an empty database on either engine, the shared data, a browser; and no network."""

import ipaddress
import os
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from homevisits import migrate
from homevisits.core import clock
from homevisits.core.db import Database
from tests import servers
from tests.world import town  # noqa: F401 - a fixture for all

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
IN_CI = bool(os.environ.get("CI"))

hypothesis_settings.register_profile(
    "house", deadline=None, derandomize=IN_CI, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
hypothesis_settings.load_profile("house")


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for the whole run: with xdist, the same for every worker."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own


@pytest.fixture(scope="session")
def postgres(scratch: Path) -> Iterator[servers.Postgres]:
    """The run's one PostgreSQL server, with a migrated template database."""
    with servers.postgres(scratch) as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite"
    made = Database(f"sqlite:///{path}")
    migrate.upgrade(made)
    made.dispose()
    with sqlite3.connect(path) as connection:
        # One file to copy, no log beside it.
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of a migrated, empty SQLite database of this test's own."""
    path = tmp_path / "homevisits.sqlite"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgres: servers.Postgres) -> Iterator[str]:
    """The address of a migrated, empty PostgreSQL database of this test's own, dropped afterwards."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a migrated, empty database, on each engine in turn."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated, empty database, on each engine in turn."""
    made = servers.quick(Database(database_url))
    yield made
    made.dispose()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """A migrated, empty SQLite database: for tests whose subject is above the engines."""
    made = servers.quick(Database(sqlite_url))
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public example data that lies beside the project."""
    if not SHARED.is_dir():
        pytest.skip("the shared example data does not lie beside the project")
    return SHARED


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium, through playwright."""
    path = servers.chromium()
    if path is None:
        reason = "no Chromium on this machine (Debian: apt-get install chromium)"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)
    with servers.browser(path) as running:
        yield running


@pytest.fixture(autouse=True)
def _time_is_the_systems() -> Iterator[None]:
    """A test that moved the clock does not move the next one's."""
    yield
    clock.use(None)


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Only loopback and local sockets can be reached from a test."""
    real = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def checked(address: Any) -> None:
        if isinstance(address, tuple) and not _is_loopback(str(address[0])):
            raise RuntimeError(f"a test tried to reach {address[0]!r}: only loopback is open to tests")

    def connect(self: socket.socket, address: Any) -> Any:
        checked(address)
        return real[0](self, address)

    def connect_ex(self: socket.socket, address: Any) -> Any:
        checked(address)
        return real[1](self, address)

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None:
            checked((host.decode() if isinstance(host, bytes) else host,))
        return real[2](host, *args, **kwargs)

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
