"""Bulk statements: pass many rows as a single JSON parameter, which the database expands into a table.

The drivers' executemany() runs a statement for each row; this runs a single statement for all rows.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session

from homevisits.core.db import UtcDateTime, is_sqlite

_TYPES = {str: "text", int: "bigint"}


class Batch:
    """A SQL statement that reads its input rows from `{rows}`, for both engines.

    columns: names and types of the columns of `{rows}`.
    moments: names of the datetime parameters that are the same for all rows.
    """

    def __init__(self, statement: str, columns: Mapping[str, type], moments: Sequence[str]) -> None:
        sqlite_columns = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
        postgresql_columns = ", ".join(f"{name} {_TYPES[kind]}" for name, kind in columns.items())
        parameters = [bindparam(name, type_=UtcDateTime()) for name in moments]
        # Statement and column names come from our own code, never from a request, so SQL injection is impossible.
        sqlite_statement = statement.replace("{rows}", f"(SELECT {sqlite_columns} FROM json_each(:rows)) AS given")  # noqa: S608
        postgresql_statement = statement.replace(
            "{rows}", f"json_to_recordset(CAST(:rows AS json)) AS given({postgresql_columns})"
        )
        self._on_sqlite, self._on_postgresql = (
            text(sqlite_statement).bindparams(*parameters),
            text(postgresql_statement).bindparams(*parameters),
        )

    def run(self, session: Session, rows: Sequence[Mapping[str, object]], **moments: object) -> int:
        """Execute the statement for `rows` and return the number of changed rows."""
        statement = self._on_sqlite if is_sqlite(session) else self._on_postgresql
        result: Any = session.connection().execute(statement, {"rows": json.dumps(rows), **moments})
        return int(result.rowcount)
