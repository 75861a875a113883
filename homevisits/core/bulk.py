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
    """A statement on `{rows}`, a table `given` with `columns`. `moments`: its datetime parameters."""

    def __init__(self, statement: str, columns: Mapping[str, type], moments: Sequence[str]) -> None:
        picked = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
        typed = ", ".join(f"{name} {_TYPES[kind]}" for name, kind in columns.items())
        typing = [bindparam(name, type_=UtcDateTime()) for name in moments]
        # The columns are written in our code, never taken from a request: nothing can be injected.
        lite = statement.replace("{rows}", f"(SELECT {picked} FROM json_each(:rows)) AS given")  # noqa: S608
        full = statement.replace("{rows}", f"json_to_recordset(CAST(:rows AS json)) AS given({typed})")
        self._on_sqlite, self._on_postgresql = text(lite).bindparams(*typing), text(full).bindparams(*typing)

    def execute(self, session: Session, rows: Sequence[Mapping[str, object]], **moments: object) -> CursorResult[Any]:
        """Execute the statement for `rows`."""
        statement = self._on_sqlite if is_sqlite(session) else self._on_postgresql
        # A textual statement always returns a CursorResult; the signature of execute() promises less.
        return cast("CursorResult[Any]", session.connection().execute(statement, {"rows": json.dumps(rows), **moments}))
