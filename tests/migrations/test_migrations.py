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
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database on each engine."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'empty.sqlite'}")
        yield database
        database.dispose()
    else:
        server: servers.Postgres = request.getfixturevalue("postgres")
        name = server.create_database("template0")
        database = Database(server.url(name))
        yield database
        database.dispose()
        server.drop_database(name)


def read_schema(database: Database) -> list[Any]:
    """Return the schema of a database: all objects without rows."""
    sqlite = database.engine.dialect.name == "sqlite"
    with database.engine.connect() as connection:
        rows = connection.exec_driver_sql(SCHEMA_OF_SQLITE if sqlite else SCHEMA_OF_POSTGRESQL).all()
    return [tuple(row) for row in rows if "alembic_version" not in str(row[1])]


def list_revisions() -> list[str]:
    """Return every revision, oldest first."""
    script = ScriptDirectory(str(paths.migrations()))
    return [revision.revision for revision in reversed(list(script.walk_revisions()))]


def test_newest_migration_equals_the_models(empty_database: Database) -> None:
    migrate.upgrade(empty_database)
    with empty_database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
    assert migrate.is_current(empty_database)


def test_migrations_are_numbered_without_gaps() -> None:
    assert [name[:5] for name in list_revisions()] == [
        f"{number:04}_" for number in range(1, len(list_revisions()) + 1)
    ]
    assert sorted(path.stem for path in (paths.migrations() / "versions").glob("*.py")) == list_revisions()


def test_empty_database_is_not_current(empty_database: Database) -> None:
    assert migrate.current_revision(empty_database) is None
    assert not migrate.is_current(empty_database)


def test_downgrade_of_all_migrations_restores_the_empty_schema(empty_database: Database) -> None:
    before = read_schema(empty_database)
    migrate.upgrade(empty_database)
    assert read_schema(empty_database) != before
    migrate.downgrade(empty_database)
    assert read_schema(empty_database) == before


@pytest.mark.parametrize("revision", list_revisions())
def test_migration_after_downgrade_gives_the_same_schema(empty_database: Database, revision: str) -> None:
    migrate.upgrade(empty_database, revision)
    first = read_schema(empty_database)
    migrate.downgrade(empty_database, "-1")
    migrate.upgrade(empty_database, revision)
    assert read_schema(empty_database) == first


def test_migrated_sqlite_file_passes_its_integrity_checks(tmp_path: Path) -> None:
    path = tmp_path / "migrated.sqlite"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.dispose()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def test_generated_migration_can_be_imported(tmp_path: Path) -> None:
    for folder in ("env.py", "script.py.mako"):
        (tmp_path / folder).write_text((paths.migrations() / folder).read_text())
    (tmp_path / "versions").mkdir()
    scripts = ScriptDirectory(tmp_path)
    scripts.generate_revision("0001_test", "Add a table", head="base")
    revision = scripts.get_revision("0001_test")
    assert revision is not None
    assert revision.doc == "Add a table."
