"""Migrations lead to the models on both engines; down and up again leaves no trace."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from homevisits import migrate, tables
from homevisits.core import paths
from homevisits.core.db import Database
from tests import servers

SCHEMA_OF_SQLITE = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
SCHEMA_OF_POSTGRESQL = """
SELECT 'column', table_name || '.' || column_name, data_type || is_nullable || coalesce(column_default, '')
  FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid)
  FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'function', p.oid::regprocedure::text, prosrc
  FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'type', typname, typtype::text
  FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'
ORDER BY 1, 2
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with nothing in it."""
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path / 'bare.sqlite'}")
        yield made
        made.dispose()
    else:
        server: servers.Postgres = request.getfixturevalue("postgres")
        name = server.create_database("template0")
        made = Database(server.url(name))
        yield made
        made.dispose()
        server.drop_database(name)


def schema(database: Database) -> list[Any]:
    """Everything a database holds but rows."""
    sqlite = database.engine.dialect.name == "sqlite"
    with database.engine.connect() as connection:
        rows = connection.exec_driver_sql(SCHEMA_OF_SQLITE if sqlite else SCHEMA_OF_POSTGRESQL).all()
    return [tuple(row) for row in rows if "alembic_version" not in str(row[1])]


def numbers() -> list[str]:
    """Every revision, the first one first."""
    script = ScriptDirectory(str(paths.migrations()))
    return [revision.revision for revision in reversed(list(script.walk_revisions()))]


def test_the_newest_migration_is_what_the_models_say(bare: Database) -> None:
    migrate.upgrade(bare)
    with bare.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
    assert migrate.is_current(bare)


def test_migrations_are_numbered_one_after_another() -> None:
    assert [name[:5] for name in numbers()] == [f"{number:04}_" for number in range(1, len(numbers()) + 1)]
    assert sorted(path.stem for path in (paths.migrations() / "versions").glob("*.py")) == numbers()


def test_an_empty_database_is_not_current(bare: Database) -> None:
    assert migrate.current_revision(bare) is None
    assert not migrate.is_current(bare)


def test_all_the_way_down_leaves_no_trace(bare: Database) -> None:
    before = schema(bare)
    migrate.upgrade(bare)
    assert schema(bare) != before
    migrate.downgrade(bare)
    assert schema(bare) == before


@pytest.mark.parametrize("number", numbers())
def test_each_migration_up_down_and_up_again_is_the_same(bare: Database, number: str) -> None:
    migrate.upgrade(bare, number)
    first = schema(bare)
    migrate.downgrade(bare, "-1")
    migrate.upgrade(bare, number)
    assert schema(bare) == first


def test_sqlite_keeps_the_file_sound(tmp_path: Path) -> None:
    path = tmp_path / "sound.sqlite"
    made = Database(f"sqlite:///{path}")
    migrate.upgrade(made)
    made.dispose()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
