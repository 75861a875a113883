"""Upgrade and downgrade the database schema, and check its revision."""

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
    """Upgrade the database to revision `to`. Raises UnknownRevision."""
    refuse_unknown_revision(database)
    with database.engine.execution_options(homevisits_writes=True).begin() as connection:
        settings = _alembic_config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, to)


def downgrade(database: Database, to: str = "base") -> None:
    """Downgrade the database to revision `to`; "base" removes every table. Raises UnknownRevision."""
    refuse_unknown_revision(database)
    with database.engine.execution_options(homevisits_writes=True).begin() as connection:
        settings = _alembic_config()
        settings.attributes["connection"] = connection
        command.downgrade(settings, to)


def current_revision(database: Database) -> str | None:
    """Return the revision of the database; None if it is empty."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head_revision() -> str | None:
    """Return the revision that this version of the code expects."""
    return ScriptDirectory.from_config(_alembic_config()).get_current_head()


def is_current(database: Database) -> bool:
    """Return whether the database is at the revision that this version of the code expects."""
    return current_revision(database) == head_revision()


def refuse_unknown_revision(database: Database) -> None:
    """Raise UnknownRevision if another version of Homevisits created the database."""
    revision = current_revision(database)
    known = {script.revision for script in ScriptDirectory.from_config(_alembic_config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise UnknownRevision(revision)


def _alembic_config() -> Config:
    # There is no alembic.ini: the wheel does not contain it, and core.paths knows the only setting.
    settings = Config()
    settings.set_main_option("script_location", str(paths.migrations()).replace("%", "%%"))
    return settings
