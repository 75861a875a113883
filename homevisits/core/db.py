"""Database engine, declarative base, column types and transaction(), the only place that commits."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect, Engine, ExceptionContext
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator

MAX_TRANSACTION_TRIES = 6
MAX_FIRST_PAUSE_SECONDS = 0.1  # doubled before each further try

T = TypeVar("T")
log = structlog.get_logger("homevisits.db")


class UtcDateTime(TypeDecorator[datetime]):
    """Time zone aware datetime column, in UTC. Naive values are refused.

    `timestamptz` on PostgreSQL; on SQLite a text of fixed width, so that triggers can compare the values.
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
            raise ValueError(f"the datetime has no time zone: {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None).isoformat(" ", "microseconds") if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - signature of SQLAlchemy
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        stored: datetime = value
        return stored.astimezone(UTC)


# Type of every primary key: 64 bits on PostgreSQL, the rowid on SQLite.
PrimaryKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base class of all tables. Strings are stored as text, datetimes as `UtcDateTime`."""

    metadata = sa.MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {str: sa.Text(), datetime: UtcDateTime()}  # noqa: RUF012 - SQLAlchemy expects a dict


class Database:
    """SQLite (school, demo) or PostgreSQL (district) database. Thread-safe; create one per process."""

    # hide_parameters keeps personal data (names, phones, messages) of failed statements out of the logs.
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
            event.listen(self.engine, "handle_error", _remove_error_detail)
        self._writes = sessionmaker(self.engine.execution_options(homevisits_writes=True), expire_on_commit=False)
        self._reads = sessionmaker(self.engine, expire_on_commit=False, autoflush=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a writing session. Commit at the end of the block; roll back on any exception."""
        with self._writes() as session:
            try:
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a read-only session. Any change is rolled back at the end of the block."""
        with self._reads() as session:
            try:
                yield session
            finally:
                session.rollback()

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def retry_transaction(database: Database, work: Callable[[Session], T]) -> T:
    """Run `work` in a transaction; run it again after a lock timeout, a deadlock or a lost connection.

    `work` may run several times and must have no effects outside the database. Raises the last OperationalError.
    """
    for tries in range(1, MAX_TRANSACTION_TRIES + 1):
        try:
            with database.transaction() as session:
                return work(session)
        except OperationalError:
            if tries == MAX_TRANSACTION_TRIES:
                raise
            log.warning("transaction_retried", failed_tries=tries)
            time.sleep(secrets.randbelow(1000) / 1000 * MAX_FIRST_PAUSE_SECONDS * 2 ** (tries - 1))
    raise AssertionError("the last try returns or raises")


@contextmanager
def savepoint(session: Session) -> Iterator[None]:
    """Roll back only the block's changes if it fails. Does not commit."""
    with session.begin_nested():
        yield


def insert_new(session: Session, table: type[Base], rows: Sequence[dict[str, Any]], *unique: str) -> int:
    """Insert rows that are new by their `unique` columns; return how many. Safe in parallel."""
    if not rows:
        return 0
    connection = session.connection()
    if is_sqlite(session):
        statement = sqlite.insert(table).on_conflict_do_nothing(index_elements=unique)
        return int(connection.execute(statement, list(rows)).rowcount)
    # A single JSON parameter: with a parameter for each value psycopg spends most of its time on binding them.
    into = table.__table__.c
    named = [sa.column(name, into[name].type) for name in rows[0]]
    new_rows = sa.func.jsonb_to_recordset(sa.bindparam("rows", type_=postgresql.JSONB)).table_valued(
        *named, name="new_rows"
    )
    insertion = postgresql.insert(table).from_select(list(rows[0]), sa.select(new_rows.render_derived(with_types=True)))
    json_rows = [{name: _to_json(value) for name, value in row.items()} for row in rows]
    insertion = insertion.on_conflict_do_nothing(index_elements=unique).execution_options(preserve_rowcount=True)
    return int(connection.execute(insertion, {"rows": json_rows}).rowcount)


def _to_json(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ValueError(f"the datetime has no time zone: {value!r}")
    return value.isoformat()


def _remove_error_detail(context: ExceptionContext) -> None:
    # The DETAIL line of PostgreSQL quotes the refused row with personal data; the lines before it name the error.
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args:
            error.args = (str(error.args[0]).partition("\nDETAIL:")[0], *error.args[1:])


def _sqlite_connect(connection: Any, _record: Any) -> None:
    # Stop the driver from starting transactions itself: _sqlite_begin chooses their kind.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    # A writing transaction takes the lock at its start, because upgrading a read lock fails under concurrency.
    writes = connection.get_execution_options().get("homevisits_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def is_sqlite(session_or_engine: Session | Engine) -> bool:
    """Return whether the session or engine uses SQLite."""
    bind = session_or_engine if isinstance(session_or_engine, Engine) else session_or_engine.get_bind()
    return bind.dialect.name == "sqlite"
