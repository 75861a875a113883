"""The state not_held needs closed_at and cannot be changed afterwards."""

from collections.abc import Iterator

import pytest

from tests.database_constraints import raw_sql
from tests.database_constraints.raw_sql import REFUSED, RawConnection


@pytest.fixture
def connection(database_url: str) -> Iterator[RawConnection]:
    connection = RawConnection(database_url)
    raw_sql.create_school(connection)
    raw_sql.create_visit(connection)
    connection.commit()
    yield connection
    connection.close()


def assert_refused(connection: RawConnection, statement: str) -> None:
    with pytest.raises(REFUSED):
        connection.run(statement)
    connection.rollback()


def test_not_held_needs_a_closing_time_and_is_final(connection: RawConnection) -> None:
    assert_refused(connection, "UPDATE visit SET state = 'not_held'")  # closed_at is missing
    connection.run("UPDATE visit SET state = 'not_held', closed_at = ends_at")
    connection.commit()
    assert_refused(connection, "UPDATE visit SET state = 'scheduled'")
    assert_refused(connection, "UPDATE visit SET state = 'nonsense'")
