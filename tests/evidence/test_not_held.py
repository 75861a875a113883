"""The database accepts the state not_held only for a visit that began, and keeps it."""

from collections.abc import Iterator

import pytest

from tests.evidence import raw as sql
from tests.evidence.raw import REFUSED, Raw


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


def test_visit_is_not_held_only_once_it_began_and_stays_so(raw: Raw) -> None:
    refused(raw, "UPDATE visit SET state = 'not_held'")  # closed_at is missing
    raw.run("UPDATE visit SET state = 'not_held', closed_at = ends_at")
    raw.commit()
    refused(raw, "UPDATE visit SET state = 'scheduled'")
    refused(raw, "UPDATE visit SET state = 'nonsense'")
