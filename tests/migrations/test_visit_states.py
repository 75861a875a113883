"""A visit that was not held becomes a cancelled one when its migration is undone; no trigger is lost on the way."""

from collections.abc import Iterator

import pytest

from homevisits import migrate
from homevisits.core.db import Database
from tests.evidence import raw as sql
from tests.evidence.raw import REFUSED, Raw

WITHOUT = "0004_text_evidence"


@pytest.fixture
def raw(database_url: str) -> Iterator[Raw]:
    made = Raw(database_url)
    sql.settle(made)
    sql.book(made)
    made.commit()
    yield made
    made.close()


def refused(raw: Raw, statement: str) -> None:
    with pytest.raises(REFUSED):
        raw.run(statement)
    raw.rollback()


def state(raw: Raw) -> str:
    found: str = raw.run("SELECT state FROM visit").fetchone()[0]
    raw.commit()
    return found


def test_down_and_up_again_keeps_the_visit_and_its_guards(raw: Raw, database_url: str) -> None:
    refused(raw, "UPDATE visit SET state = 'not_held'")  # closed_at is missing
    raw.run("UPDATE visit SET state = 'not_held', closed_at = ends_at")
    raw.commit()
    refused(raw, "UPDATE visit SET state = 'scheduled'")
    database = Database(database_url)
    migrate.downgrade(database, WITHOUT)
    assert state(raw) == "cancelled_by_educator"
    refused(raw, "UPDATE visit SET state = 'scheduled'")
    refused(raw, "UPDATE visit SET state = 'not_held', closed_at = ends_at")
    migrate.upgrade(database)
    database.dispose()
    assert state(raw) == "cancelled_by_educator"
    refused(raw, "UPDATE visit SET state = 'not_held', closed_at = ends_at")
    refused(raw, "UPDATE visit SET state = 'nonsense'")
