"""Many rows in one statement: they travel as one JSON array, which either engine unfolds into a table.

A driver's executemany is one statement for each row all the same; here there is one for all, prepared once.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session

from homevisits.core.db import Moment, is_sqlite

_TYPES = {str: "text", int: "bigint"}


class Batch:
    """A statement over the rows `{rows}` (a table of `columns`, which it names), the same on both engines.

    ``moments`` are its parameters that hold a moment, one for all rows.
    """

    def __init__(self, statement: str, columns: Mapping[str, type], moments: Sequence[str]) -> None:
        picked = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
        typed = ", ".join(f"{name} {_TYPES[kind]}" for name, kind in columns.items())
        typing = [bindparam(name, type_=Moment()) for name in moments]
        # The columns are written in our code, never taken from a request: nothing can be injected.
        lite = statement.replace("{rows}", f"(SELECT {picked} FROM json_each(:rows)) AS given")  # noqa: S608
        full = statement.replace("{rows}", f"json_to_recordset(CAST(:rows AS json)) AS given({typed})")
        self._on_sqlite, self._on_postgresql = text(lite).bindparams(*typing), text(full).bindparams(*typing)

    def run(self, session: Session, rows: Sequence[Mapping[str, object]], **moments: object) -> int:
        """Execute it for `rows`: how many it changed."""
        statement = self._on_sqlite if is_sqlite(session) else self._on_postgresql
        found: Any = session.connection().execute(statement, {"rows": json.dumps(rows), **moments})
        return int(found.rowcount)
