"""Triggers read the application's tables, even if temporary tables have the same names."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from homevisits import migrate
from homevisits.core.db import Database
from tests import servers
from tests.database_constraints import raw_sql
from tests.database_constraints.raw_sql import REFUSED, RawConnection

# An unusual name proves that the schema is quoted.
OTHER_SCHEMA = 'District "7"'


@pytest.fixture
def connection(database_url: str) -> Iterator[RawConnection]:
    """A driver connection to a database with two families that answered yes."""
    connection = RawConnection(database_url)
    raw_sql.create_school(connection)
    yield connection
    connection.close()


def hide_table(connection: RawConnection, table: str, condition: str = "1 = 1") -> None:
    """Hide a table behind a temporary table of the same name with the rows that meet the condition."""
    connection.run(f"CREATE TEMPORARY TABLE copied AS SELECT * FROM {table} WHERE {condition}")
    connection.run(f"ALTER TABLE copied RENAME TO {table}")


def test_temporary_consent_ledger_cannot_hide_a_withdrawal(connection: RawConnection) -> None:
    raw_sql.record_answer(connection, 3, 1, "withdrawn")
    hide_table(connection, "consent_ledger", "answer = 'yes'")
    with pytest.raises(REFUSED, match="homevisits: visit consent"):
        raw_sql.create_visit(connection)


def test_temporary_attestation_table_cannot_add_a_second_report(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    connection.run("UPDATE visit_member SET state = 'coming' WHERE visit_id = 1")
    connection.run("UPDATE visit SET state = 'scheduled' WHERE id = 1")
    raw_sql.create_attestation(connection, 11, 1, 1)
    hide_table(connection, "attestation")
    raw_sql.create_attestation(connection, 12, 1, 2, agrees_with=11)
    with pytest.raises(REFUSED, match="homevisits: visit both_attested"):
        connection.run("UPDATE visit SET state = 'completed', attestation_id = 11 WHERE id = 1")


FUNCTIONS = """SELECT proname, proconfig FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
    WHERE n.nspname = current_schema()"""


def load_function_settings(database: Database) -> dict[str, list[str] | None]:
    """Return the settings of each function in the current schema."""
    with database.engine.connect() as connection:
        return {row.proname: row.proconfig for row in connection.execute(sa.text(FUNCTIONS))}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_every_function_has_a_fixed_search_path(database: Database) -> None:
    settings_by_function = load_function_settings(database)
    assert settings_by_function
    expected = ["search_path=pg_catalog, public, pg_temp"]
    assert {name: settings for name, settings in settings_by_function.items() if settings != expected} == {}


def test_search_path_names_the_schema_that_the_migrations_ran_in(postgres: servers.Postgres) -> None:
    name = postgres.create_database("template0")
    admin = Database(postgres.url(name))
    quoted = '"' + OTHER_SCHEMA.replace('"', '""') + '"'
    with admin.engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {quoted}")
    admin.dispose()
    database = Database(_with_search_path(postgres.url(name), quoted))
    try:
        migrate.upgrade(database)
        settings_by_function = load_function_settings(database)
        assert settings_by_function
        expected = [f"search_path=pg_catalog, {quoted}, pg_temp"]
        assert {name: settings for name, settings in settings_by_function.items() if settings != expected} == {}
    finally:
        database.dispose()
        postgres.drop_database(name)


def _with_search_path(url: str, schemas: str) -> str:
    escaped = schemas.replace(" ", "\\ ")
    options: dict[str, Any] = {"options": f"-csearch_path={escaped}"}
    return sa.make_url(url).update_query_dict(options).render_as_string(hide_password=False)
