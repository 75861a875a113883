"""The demo's own folder: where its database, its secret and its clock lie, and the settings made from them."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from homevisits.core import settings
from homevisits.core.settings import Settings

DEFAULT = Path("demo-data")


@dataclass(frozen=True)
class Folder:
    """The demo's folder."""

    path: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / "homevisits.sqlite"

    @property
    def making(self) -> Path:
        """The SQLite file while it is being made: it takes its name when it is whole."""
        return self.path / "making.sqlite"

    @property
    def clock(self) -> Path:
        """The file that says how far ahead the demo's clock is."""
        return self.path / "clock"

    @property
    def sample(self) -> Path:
        """The sample district's files, as a district would export them."""
        return self.path / "sample"

    def secret(self) -> str:
        """The demo's own secret, made at the first start, readable by its owner only."""
        file = self.path / "secret"
        if not file.exists():
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as new:
                new.write(secrets.token_hex(32))
        return file.read_text(encoding="ascii").strip()


def settings_of(folder: Folder, port: int, *, database: Path | None = None) -> Settings:
    """The demo's settings. Raises `InvalidSettings` where the environment asks for what no demo may do."""
    return settings.load_settings(
        mode="demo",
        database_url=f"sqlite:///{(database or folder.database).resolve()}",
        secret_key=folder.secret(),
        public_url=f"http://127.0.0.1:{port}",
        bind=f"127.0.0.1:{port}",
        proxies=0,
        web_processes=1,
        web_threads=8,
    )


def clock_file(given: Settings) -> Path:
    """The demo's clock: it lies beside the database."""
    return Path(str(sa.make_url(given.database_url).database)).with_name("clock")
