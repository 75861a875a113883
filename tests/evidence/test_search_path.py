"""Temporary tables must not replace ours inside the triggers that check a visit."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from homevisits import migrate
from homevisits.core.db import Database
from tests import servers
from tests.evidence import raw as sql
from tests.evidence.raw import REFUSED, Raw

# An unusual name proves that the schema is quoted.
OTHER_SCHEMA = 'District "7"'


@pytest.fixture
def raw(database_url: str) -> Iterator[Raw]:
    """The driver's connection to a database with two families that said yes."""
    made = Raw(database_url)
    sql.settle(made)
    yield made
    made.close()


def shadow(raw: Raw, table: str, condition: str = "1 = 1") -> None:
    """Create a temporary table named as one of ours, with those of its rows that meet the condition."""
    raw.run(f"CREATE TEMPORARY TABLE copied AS SELECT * FROM {table} WHERE {condition}")
    raw.run(f"ALTER TABLE copied RENAME TO {table}")


def test_visit_after_withdrawal_is_refused_although_a_temporary_consent_ledger_hides_it(raw: Raw) -> None:
    sql.answer(raw, 3, 1, "withdrawn")
    shadow(raw, "consent_ledger", "answer = 'yes'")
    with pytest.raises(REFUSED, match="homevisits: visit consent"):
        sql.book(raw)


def test_visit_attested_by_one_person_is_refused_although_a_temporary_attestation_adds_the_other(raw: Raw) -> None:
    sql.book(raw)
    raw.run("UPDATE visit_member SET state = 'coming' WHERE visit_id = 1")
    raw.run("UPDATE visit SET state = 'scheduled' WHERE id = 1")
    sql.attest(raw, 11, 1, 1)
    shadow(raw, "attestation")
    sql.attest(raw, 12, 1, 2, agrees_with=11)
    with pytest.raises(REFUSED, match="homevisits: visit both_attested"):
        raw.run("UPDATE visit SET state = 'completed', attestation_id = 11 WHERE id = 1")


FUNCTIONS = """SELECT proname, proconfig FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
    WHERE n.nspname = current_schema()"""


def settings_of_functions(database: Database) -> dict[str, list[str] | None]:
    """The settings fixed for each function in the schema that the database's connections use."""
    with database.engine.connect() as connection:
        return {row.proname: row.proconfig for row in connection.execute(sa.text(FUNCTIONS))}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_every_function_has_a_fixed_search_path(database: Database) -> None:
    found = settings_of_functions(database)
    assert found
    expected = ["search_path=pg_catalog, public, pg_temp"]
    assert {name: settings for name, settings in found.items() if settings != expected} == {}


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
        found = settings_of_functions(database)
        assert found
        expected = [f"search_path=pg_catalog, {quoted}, pg_temp"]
        assert {name: settings for name, settings in found.items() if settings != expected} == {}
    finally:
        database.dispose()
        postgres.drop_database(name)


def _with_search_path(url: str, schemas: str) -> str:
    escaped = schemas.replace(" ", "\\ ")
    options: dict[str, Any] = {"options": f"-csearch_path={escaped}"}
    return sa.make_url(url).update_query_dict(options).render_as_string(hide_password=False)
