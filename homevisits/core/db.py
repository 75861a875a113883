"""The database: Base, Moment, the engine, and transaction(), the one commit of the house."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect, Engine, ExceptionContext
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """A moment: aware, UTC. Naive values are refused on the way in.

    ``timestamptz`` on PostgreSQL; on SQLite text of fixed width in UTC, so that its triggers compare it as it sorts.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(26))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment needs its time zone: {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None).isoformat(" ", "microseconds") if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's form
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        found: datetime = value
        return found.astimezone(UTC)


Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""The type of every primary key: 64 bits on PostgreSQL, SQLite's own rowid."""

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Every table of the house. Strings are text; moments are `Moment`."""

    metadata = sa.MetaData(naming_convention=NAMES)
    type_annotation_map = {str: sa.Text(), datetime: Moment()}  # noqa: RUF012 - SQLAlchemy's own way


class Database:
    """One database: SQLite (one school, the demo) or PostgreSQL (a district). Thread-safe; made once a process."""

    # hide_parameters: what a failed statement carried (names, phones, texts) is in no log.
    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self.url = url
        address = sa.make_url(url)
        if address.get_backend_name() == "sqlite":
            self.engine = sa.create_engine(
                address, connect_args={"timeout": 30, "check_same_thread": False}, hide_parameters=True
            )
            event.listen(self.engine, "connect", _sqlite_connect)
            event.listen(self.engine, "begin", _sqlite_begin)
        else:
            self.engine = sa.create_engine(
                address, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True, hide_parameters=True
            )
            event.listen(self.engine, "handle_error", _without_detail)
        self._writes = sessionmaker(self.engine.execution_options(homevisits_writes=True), expire_on_commit=False)
        self._reads = sessionmaker(self.engine, expire_on_commit=False, autoflush=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that may write. Commits once, on leaving; rolls everything back on any exception."""
        with self._writes() as session:
            try:
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads: what it changed is rolled back on leaving."""
        with self._reads() as session:
            try:
                yield session
            finally:
                session.rollback()

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


@contextmanager
def savepoint(session: Session) -> Iterator[None]:
    """What is written inside is taken back alone when it fails; what was written before it stays. No commit."""
    with session.begin_nested():
        yield


def insert_new(session: Session, table: type[Base], rows: Sequence[dict[str, Any]], *unique: str) -> int:
    """Insert those of `rows` whose `unique` columns no row has yet; how many. Safe beside others who do the same."""
    if not rows:
        return 0
    connection = session.connection()
    if is_sqlite(session):
        one = sqlite.insert(table).on_conflict_do_nothing(index_elements=unique)
        return int(connection.execute(one, list(rows)).rowcount)
    # One parameter for all rows: as many parameters as there are values cost PostgreSQL's driver most of the time.
    into = table.__table__.c
    named = [sa.column(name, into[name].type) for name in rows[0]]
    given = sa.func.jsonb_to_recordset(sa.bindparam("rows", type_=postgresql.JSONB)).table_valued(*named, name="given")
    many = postgresql.insert(table).from_select(list(rows[0]), sa.select(given.render_derived(with_types=True)))
    plain = [{name: _in_json(value) for name, value in row.items()} for row in rows]
    many = many.on_conflict_do_nothing(index_elements=unique).execution_options(preserve_rowcount=True)
    return int(connection.execute(many, {"rows": plain}).rowcount)


def _in_json(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ValueError(f"a moment needs its time zone: {value!r}")
    return value.isoformat()


def _without_detail(context: ExceptionContext) -> None:
    # PostgreSQL's DETAIL quotes the row that was refused: names, phones, addresses. What went wrong stands before it.
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args:
            error.args = (str(error.args[0]).partition("\nDETAIL:")[0], *error.args[1:])


def _sqlite_connect(connection: Any, _record: Any) -> None:
    # The driver must not begin transactions of its own: _sqlite_begin says which kind each is.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    # A transaction that will write takes the lock first: read-then-write upgrades fail under concurrency.
    writes = connection.get_execution_options().get("homevisits_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def is_sqlite(session_or_engine: Session | Engine) -> bool:
    """Whether this session's or engine's database is SQLite."""
    bind = session_or_engine if isinstance(session_or_engine, Engine) else session_or_engine.get_bind()
    return bind.dialect.name == "sqlite"
