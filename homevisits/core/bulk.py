"""Change many rows in a single statement that takes them as a JSON array (SQLite and PostgreSQL).

executemany() of both drivers executes the statement once for each row.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import CursorResult, bindparam, text
from sqlalchemy.orm import Session

from homevisits.core.db import UtcDateTime, is_sqlite

_TYPES = {str: "text", int: "bigint"}


class Batch:
    """A statement on `{rows}`, a table `batch` with `columns`. `moments`: its datetime parameters."""

    def __init__(self, statement: str, columns: Mapping[str, type], moments: Sequence[str]) -> None:
        json_columns = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
        typed_columns = ", ".join(f"{name} {_TYPES[kind]}" for name, kind in columns.items())
        parameters = [bindparam(name, type_=UtcDateTime()) for name in moments]
        # The columns are written in our code, never taken from a request: nothing can be injected.
        sqlite_sql = statement.replace("{rows}", f"(SELECT {json_columns} FROM json_each(:rows)) AS batch")  # noqa: S608
        postgresql_sql = statement.replace(
            "{rows}", f"json_to_recordset(CAST(:rows AS json)) AS batch({typed_columns})"
        )
        self._on_sqlite, self._on_postgresql = (
            text(sqlite_sql).bindparams(*parameters),
            text(postgresql_sql).bindparams(*parameters),
        )

    def execute(self, session: Session, rows: Sequence[Mapping[str, object]], **moments: object) -> CursorResult[Any]:
        """Execute the statement for `rows`."""
        statement = self._on_sqlite if is_sqlite(session) else self._on_postgresql
        # A textual statement always returns a CursorResult; the signature of execute() promises less.
        return cast("CursorResult[Any]", session.connection().execute(statement, {"rows": json.dumps(rows), **moments}))
