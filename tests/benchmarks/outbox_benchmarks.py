"""Benchmarks B3 and B6: claims with a large history, and planning 50,000 reminders at once."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import event, insert, text

from homevisits.core.db import Database, is_sqlite
from homevisits.messages import outbox
from homevisits.messages.dispatch import claim, results
from homevisits.messages.models import OutgoingMessage, Phone
from homevisits.messages.templates.rendering import PlannedMessage
from tests.benchmarks.environment import BenchEnvironment, send_policy
from tests.benchmarks.measure import Result, compare_with_maximum, measure_rates, quantile

FEW, MANY = 1_000, 1_000_000
CLAIMS = 200
PLANNED = 50_000
ENGINES = ("sqlite", "postgresql")


def claims(environment: BenchEnvironment) -> Iterator[Result]:
    """B3: a claim with its commit, among a million messages and among a thousand."""
    for engine in ENGINES:
        sides = {rows: environment.database(engine) for rows in (FEW, MANY)}
        for rows, database in sides.items():
            insert_history(database, rows, waiting=CLAIMS * 2 if rows == FEW else rows // 20)
        durations: dict[int, list[float]] = {FEW: [], MANY: []}
        for round_number in range(CLAIMS):
            for rows in (FEW, MANY) if round_number % 2 else (MANY, FEW):
                durations[rows].append(time_claim(environment, sides[rows]))
        few, many = quantile(durations[FEW], 0.5), quantile(durations[MANY], 0.5)
        name, rival = f"texts-claim-{engine}", "itself with 1,000 texts, not 1,000,000"
        yield Result(name, rival, many, few, round(many / few, 3), 1.5, many <= 1.5 * few)
        yield compare_with_maximum(f"{name}-p95", "p95 at 1,000,000, at most", quantile(durations[MANY], 0.95), 0.010)


def time_claim(environment: BenchEnvironment, database: Database) -> float:
    """Return the seconds of a claim; its result is recorded outside the measured time."""
    started = time.perf_counter()
    with database.transaction() as session:
        message = next(
            iter(claim.claim_messages(session, send_policy(1), environment.now(), ["twilio"]).messages), None
        )
    elapsed = time.perf_counter() - started
    if message is None:
        raise SystemExit("nothing was claimed")
    with database.transaction() as session:
        results.record_result(session, message, results.Result("refused", "21211"), environment.now())
    return elapsed


def insert_history(database: Database, rows: int, waiting: int) -> None:
    """Insert `rows` messages of the last two years; the newest `waiting` are queued, half of them due later."""
    phones = max(rows // 20, waiting)
    sqlite = is_sqlite(database.engine)
    if sqlite:
        # Only the history is inserted without waiting for the disk, not what is measured.
        event.listen(database.engine, "connect", disable_sync)
        database.dispose()
    with database.transaction() as session:
        for statement in (PHONES, OUTBOX, ATTEMPTS):
            session.execute(text(dialect(statement, sqlite, rows, waiting, phones)))
    if sqlite:
        event.remove(database.engine, "connect", disable_sync)
        database.dispose()
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def disable_sync(connection: Any, _record: object) -> None:
    """Turn off synchronous commits for a connection."""
    for pragma in ("synchronous = OFF", "cache_size = -400000"):
        connection.execute(f"PRAGMA {pragma}")


PHONES = "INSERT INTO phone (e164, state) {series:phones} SELECT '+1' || (3000000000 + i), 'ok' FROM g"
OUTBOX = """
INSERT INTO outgoing_message (id, dedupe_key, subject, phone, language, template, params, body, not_before,
  expires_at, next_at,
  created_at, state, attempts, provider_message_id, attempt_id, provider, provider_status, sent_at, final_at,
    priority, category)
{series:rows}
SELECT i, 'past:' || i, 'past:' || i, '+1' || (3000000000 + (i * 7919) % {phones} + 1), 'en', 'invitation_call_me',
  '{"school": "Lincoln ' || i || '"}', 'Text ' || i,
  {ago}, {end}, CASE WHEN i > {left} AND i % 2 = 0 THEN {end} ELSE {ago} END, {ago},
  CASE WHEN i > {left} THEN 'queued' ELSE 'delivered' END, CASE WHEN i > {left} THEN 0 ELSE 1 END,
  CASE WHEN i > {left} THEN NULL ELSE 'SM' || i END, CASE WHEN i > {left} THEN NULL ELSE 'token' || i END,
  'twilio', 'delivered', CASE WHEN i > {left} THEN NULL ELSE {ago} END, CASE WHEN i > {left} THEN NULL ELSE {ago} END,
  5, 'automatic'
FROM g
"""
ATTEMPTS = """
INSERT INTO delivery_attempt (attempt_id, message_id, n, sender_id, provider, phone, body_sha256, segments,
  started_at, finished_at,
  outcome, provider_message_id, status)
SELECT attempt_id, id, 1, 1, 'twilio', phone, 'hash' || id, 1, sent_at, sent_at, 'accepted', provider_message_id,
  'delivered'
FROM outgoing_message WHERE attempt_id IS NOT NULL
"""


def dialect(statement: str, sqlite: bool, rows: int, waiting: int, phones: int) -> str:
    """Fill in the engine's syntax for series and times; message times are a minute apart."""
    if sqlite:
        series = "WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < {})"
        ago = f"strftime('%Y-%m-%d %H:%M:%f000', '2026-10-05 14:59:00', '-' || ({rows} - i) || ' minutes')"
        end = "'2026-10-05 22:00:00.000000'"
    else:
        series = "WITH g AS (SELECT i FROM generate_series(CAST(1 AS bigint), {}) AS s(i))"
        ago = f"timestamptz '2026-10-05 14:59:00+00' - ({rows} - i) * interval '1 minute'"
        end = "timestamptz '2026-10-05 22:00:00+00'"
    for name, size in (("phones", phones), ("rows", rows)):
        statement = statement.replace(f"{{series:{name}}}", series.format(size))
    for name, value in (("ago", ago), ("end", end), ("left", rows - waiting), ("phones", phones)):
        statement = statement.replace(f"{{{name}}}", str(value))
    return statement


def plans(environment: BenchEnvironment) -> Iterator[Result]:
    """B6: plan 50,000 reminders, compared with a bare executemany of the same rows."""
    for engine in ENGINES:
        database = environment.database(engine)
        rates = measure_rates(
            {
                "bare": lambda: plan_with_executemany(environment, database),  # noqa: B023
                "ours": lambda: plan_with_outbox(environment, database),  # noqa: B023
            }
        )
        pairs = list(zip(rates["ours"], rates["bare"], strict=True))
        ratio = round(quantile([rival_rate / our_rate for our_rate, rival_rate in pairs], 0.5), 3)
        our_rate, rival_rate = PLANNED / quantile(rates["ours"], 0.5), PLANNED / quantile(rates["bare"], 0.5)
        yield Result(f"texts-plan-50k-{engine}", "a bare executemany", our_rate, rival_rate, ratio, 3.0, ratio <= 3.0)
        yield compare_with_maximum(f"texts-plan-50k-{engine}-s", "at most", our_rate, 60.0)


def plan_with_outbox(environment: BenchEnvironment, database: Database) -> float:
    """Plan the reminders with the outbox, in a single transaction."""
    planned = reminders(environment)
    started = time.monotonic()
    with database.transaction() as session:
        if outbox.put_many(session, planned, environment.now()) != PLANNED:
            raise SystemExit("not every reminder was new")
    return PLANNED / (time.monotonic() - started)


def plan_with_executemany(environment: BenchEnvironment, database: Database) -> float:
    """Insert finished rows with two statements of the driver."""
    planned = reminders(environment)
    rows = [outbox._row(subject, message, environment.now()) for subject, message in planned]
    phones, texts = [{"e164": message.to} for _subject, message in planned], rows
    started = time.monotonic()
    with database.engine.begin() as connection:
        executemany(connection, Phone, phones)
        executemany(connection, OutgoingMessage, texts)
    return PLANNED / (time.monotonic() - started)


def executemany(connection: Any, table: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Run an executemany with values converted to the column types."""
    connection.execute(insert(table.__table__), rows)


def reminders(environment: BenchEnvironment) -> list[tuple[str, PlannedMessage]]:
    """Return 50,000 messages to as many phones."""
    return environment.plan_messages(PLANNED)
