"""The demo folder (database, secret, clock) and the settings derived from it."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from homevisits.core import settings
from homevisits.core.settings import Settings

DEFAULT = Path("demo-data")


@dataclass(frozen=True)
class DemoFolder:
    """The demo's folder."""

    path: Path

    @property
    def database(self) -> Path:
        """Return the path of the SQLite file."""
        return self.path / "homevisits.sqlite"

    @property
    def unfinished_database(self) -> Path:
        """Return the path of the incomplete SQLite file, which is renamed when complete."""
        return self.path / "making.sqlite"

    @property
    def clock(self) -> Path:
        """Return the path of the file with the offset of the demo clock."""
        return self.path / "clock"

    @property
    def sample(self) -> Path:
        """Return the folder of the sample district's export files."""
        return self.path / "sample"

    def secret(self) -> str:
        """Return the demo's secret, created on first start and readable only by its owner."""
        file = self.path / "secret"
        if not file.exists():
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as new:
                new.write(secrets.token_hex(32))
        return file.read_text(encoding="ascii").strip()


def load_demo_settings(folder: DemoFolder, port: int, *, database: Path | None = None) -> Settings:
    """Return the settings of the demo. Raises `InvalidSettings` if the environment conflicts with it."""
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


def clock_file(settings_: Settings) -> Path:
    """Return the path of the clock file, next to the database."""
    return Path(str(sa.make_url(settings_.database_url).database)).with_name("clock")
