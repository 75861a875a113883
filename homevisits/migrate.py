"""The database's shape: up, down, and whether it is what this version of the code expects."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from homevisits.core import paths
from homevisits.core.db import Database


class UnknownRevision(Exception):
    """The database is at a revision that this version has no migration for."""

    def __init__(self, revision: str) -> None:
        super().__init__(f"unknown revision {revision}")
        self.revision = revision


def upgrade(database: Database, to: str = "head") -> None:
    """Bring the database up to revision `to`. Raises `UnknownRevision`."""
    refuse_unknown_revision(database)
    with database.engine.execution_options(homevisits_writes=True).begin() as connection:
        settings = _settings()
        settings.attributes["connection"] = connection
        command.upgrade(settings, to)


def downgrade(database: Database, to: str = "base") -> None:
    """Take the database down to revision `to`; ``base`` leaves no table of ours. Raises `UnknownRevision`."""
    refuse_unknown_revision(database)
    with database.engine.execution_options(homevisits_writes=True).begin() as connection:
        settings = _settings()
        settings.attributes["connection"] = connection
        command.downgrade(settings, to)


def current(database: Database) -> str | None:
    """The revision the database is at; None when it holds nothing yet."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """The revision this version of the code expects."""
    return ScriptDirectory.from_config(_settings()).get_current_head()


def is_current(database: Database) -> bool:
    """Whether the database is at the revision this version of the code expects."""
    return current(database) == head()


def refuse_unknown_revision(database: Database) -> None:
    """Raise `UnknownRevision` when another version of Homevisits made the database."""
    revision = current(database)
    known = {script.revision for script in ScriptDirectory.from_config(_settings()).walk_revisions()}
    if revision is not None and revision not in known:
        raise UnknownRevision(revision)


def _settings() -> Config:
    # No alembic.ini: an installed wheel has none, and the one setting is a place that places.py knows.
    settings = Config()
    settings.set_main_option("script_location", str(paths.migrations()).replace("%", "%%"))
    return settings
