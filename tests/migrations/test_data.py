"""Rows written by an older version are what the newer one expects of them, and come back down again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from homevisits import migrate
from homevisits.core.db import Database
from tests import servers

BEFORE = """INSERT INTO outbox (id, dedupe_key, about, phone, language, template, body, not_before, expires_at, state,
    attempts, next_at, token, carrier, sid, carrier_status, error, created_at, sent_at)
    VALUES (:id, :key, 'visit:1', :phone, 'en', 'help', 'Hello', :at, :at, :state, :attempts, :at, :token, 'twilio',
    :sid, :status, :error, :at, :at)"""
AT = "2026-10-05 15:00:00.000000+00:00"
ROWS = (
    # state before, token, sid, carrier's status -> state after, outcome of the attempt
    ("queued", None, None, None, "queued", None),
    ("sending", "t1", None, None, "sending", None),
    ("sent", "t2", "SM2", "sent", "accepted", "accepted"),
    ("delivered", "t3", "SM3", "delivered", "delivered", "accepted"),
    ("unknown", "t4", None, None, "unknown", "unclear"),
    ("withdrawn", None, None, None, "cancelled", None),
    ("failed", "t5", "SM5", "undelivered", "undelivered", "accepted"),
    ("failed", "t6", None, None, "rejected", "refused"),
    ("expired", None, None, None, "expired", None),
    ("suppressed", None, None, None, "suppressed", None),
)


@pytest.fixture(params=["sqlite", "postgresql"])
def before(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database as it was before texts had attempts, with a text in every state and two replies."""
    name, server = "", None
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path / 'before.sqlite'}")
    else:
        found: servers.Postgres = request.getfixturevalue("postgres")
        server, name = found, found.create("template0")
        made = Database(server.url(name))
    migrate.upgrade(made, "0002_evidence")
    with made.transaction() as session:
        for number, (state, token, sid, status, _, _) in enumerate(ROWS, 1):
            values = {"id": number, "key": f"visit:1:{number}", "phone": f"+1555555010{number % 3}", "at": AT}
            values |= {"state": state, "token": token, "sid": sid, "status": status, "error": None}
            session.execute(text(BEFORE), values | {"attempts": int(token is not None)})
        for number, waits in ((1, True), (2, False)):
            reply = """INSERT INTO inbound (sid, phone, "to", body, received_at, needs_person)
                VALUES (:sid, '+15555550101', '+1', 'Hello', :at, :waits)"""
            session.execute(text(reply), {"sid": f"SMin{number}", "at": AT, "waits": waits})
    yield made
    made.dispose()
    if server is not None:
        server.drop(name)


def rows(database: Database, question: str) -> list[Any]:
    """What `question` finds."""
    with database.reading() as session:
        return [tuple(row) for row in session.execute(text(question))]


def test_every_text_keeps_its_place_and_gets_its_attempt(before: Database) -> None:
    migrate.upgrade(before)
    states = rows(before, "SELECT state FROM outbox ORDER BY id")
    assert [state for (state,) in states] == [row[4] for row in ROWS]
    found = rows(before, "SELECT token, outcome, sid, status FROM attempt ORDER BY token")
    assert found == [(token, outcome, sid, status) for _, token, sid, status, _, outcome in ROWS if token]
    assert [e164 for (e164,) in rows(before, "SELECT e164 FROM phone ORDER BY e164")] == [
        "+15555550100", "+15555550101", "+15555550102",
    ]  # fmt: skip


def test_a_new_text_gets_a_number_of_its_own_after_the_migration(before: Database) -> None:
    migrate.upgrade(before)
    with before.transaction() as session:
        session.execute(
            text(
                "INSERT INTO outbox (dedupe_key, about, phone, language, template, body, not_before, expires_at,"
                " next_at, created_at)"
                " VALUES ('new', 'visit:1', '+15555550101', 'en', 'help', 'Hi', :at, :at, :at, :at)"
            ),
            {"at": AT},
        )
    assert rows(before, "SELECT max(id) FROM outbox") == [(len(ROWS) + 1,)]


def test_a_reply_that_waits_is_a_conversation_that_waits(before: Database) -> None:
    migrate.upgrade(before)
    assert [bool(waiting) for (waiting,) in rows(before, "SELECT waiting_since FROM thread")] == [True]
    assert rows(before, "SELECT count(*) FROM inbound WHERE taken_at IS NULL") == [(0,)]


def test_going_back_tells_the_older_version_in_its_own_words(before: Database) -> None:
    migrate.upgrade(before)
    migrate.downgrade(before, "0002_evidence")
    assert [state for (state,) in rows(before, "SELECT state FROM outbox ORDER BY id")] == [row[0] for row in ROWS]
