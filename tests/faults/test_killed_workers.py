"""F1, F17, F20: killed workers, many workers and many planners, checked against the provider's log."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from homevisits.core.db import Database
from homevisits.messages import outbox
from homevisits.messages.dispatch import dispatcher, results
from homevisits.messages.models import DeliveryAttempt, OutgoingMessage
from homevisits.messages.providers.registry import configured_providers
from homevisits.messages.reconciliation import unconfirmed
from tests.faults.fork_server import ROOT, ForkServer, real_now, reminders, start_fork_server
from tests.messages.conftest import NOW, make_send_policy, make_sender, make_settings, planned_message

SOAK = bool(os.environ.get("TESTS_SOAK"))
"""Set by `make soak` for the long run."""
KILLS = 200 if SOAK else 20
ROWS = 10_000 if SOAK else 400
BATCH_SIZE = 25


@pytest.fixture
def children(tmp_path: Path) -> Iterator[ForkServer]:
    with start_fork_server(tmp_path / "children.log") as server:
        yield server


@contextmanager
def run_fake_twilio(log: Path) -> Iterator[str]:
    """Run a fake Twilio in a separate process, which outlives every worker."""
    command = [sys.executable, "-m", "tests.messages.fake_twilio", "--log", str(log), "--latency-ms", "15"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def accepted_phones(log: Path) -> list[str]:
    """The phone of each message that the provider accepted, with repetitions."""
    content = log.read_text(encoding="utf-8") if log.exists() else ""
    # Text after the last newline is a line that is still being written.
    return [json.loads(line)["to"] for line in content.split("\n")[:-1]]


def enqueue_messages(database: Database, first: int, count: int) -> None:
    """Add messages that may be sent at any hour, each to a different phone."""
    now = real_now()
    messages = [
        planned_message("answer", to=f"+1555{n:07}", not_before=now, expires_at=now + timedelta(hours=12))
        for n in range(first, first + count)
    ]
    with database.transaction() as session:
        make_sender(session, "twilio")
        outbox.put_many(session, [(f"thing:{message.to}", message) for message in messages], now)


def test_f1_killed_workers_neither_lose_nor_duplicate_messages(
    database: Database, tmp_path: Path, children: ForkServer
) -> None:
    random_source, log = random.Random(f"{database.engine.dialect.name}{KILLS}"), tmp_path / "taken.jsonl"
    with run_fake_twilio(log) as twilio:
        for kill in range(KILLS):
            enqueue_messages(database, kill * BATCH_SIZE, BATCH_SIZE)
            child = children.start("work", twilio=twilio, database=database.url)
            before, deadline = len(accepted_phones(log)), time.monotonic() + 20
            target = random_source.randint(
                1, BATCH_SIZE
            )  # drawn once, because a new value per check would end the wait early
            while len(accepted_phones(log)) - before < target and time.monotonic() < deadline:
                time.sleep(0.003)
            time.sleep(random_source.random() * 0.03)
            children.kill(child)
        output = (tmp_path / "children.log").read_text(encoding="utf-8")
        assert "Traceback" not in output, output[-3000:]
        resolve_all(database, twilio)
    counts = Counter(accepted_phones(log))
    duplicates = {phone for phone, times in counts.items() if times > 1}
    with database.reading() as session:
        states = dict(
            session.execute(select(OutgoingMessage.state, func.count()).group_by(OutgoingMessage.state)).all()
        )
        phones = set(session.scalars(select(OutgoingMessage.phone)))
        ambiguous = session.scalar(select(func.count()).where(DeliveryAttempt.lookups > 0))
    assert (duplicates, phones - counts.keys()) == (set(), set())
    assert states == {"accepted": KILLS * BATCH_SIZE}
    assert ambiguous, "no worker was killed between a send and its result"


def resolve_all(database: Database, twilio: str) -> None:
    """Do the work of the next worker after the last kill."""
    providers = configured_providers(make_settings(twilio, database.url))
    for minutes in (0, 2, 3, 5, 8, 14, 20, 26):
        moment = real_now() + timedelta(minutes=minutes)
        with database.transaction() as session:
            results.expire_leases(session, moment)
        while count_due_lookups(database, moment):  # a lookup handles at most 100 attempts
            unconfirmed.look_up_unclear(database, providers, lambda: moment)  # noqa: B023 - called at once
        dispatcher.dispatch_due(database, providers, make_send_policy(threads=4), lambda: moment, 100_000)  # noqa: B023 - called at once


def count_due_lookups(database: Database, now: datetime) -> int:
    """Number of unclear attempts that are due for a lookup."""
    with database.reading() as session:
        due = select(func.count()).where(DeliveryAttempt.outcome == "unclear", DeliveryAttempt.next_check_at <= now)
        return session.scalars(due).one()


def test_f17_eight_processes_send_each_message_once(database: Database, tmp_path: Path, children: ForkServer) -> None:
    with database.transaction() as session:
        make_sender(session)
        outbox.put_many(session, reminders(ROWS), NOW)
    files = [tmp_path / f"sent-{number}" for number in range(8)]
    processes = [children.start("drain", database=database.url, path=str(file)) for file in files]
    exit_codes = [children.wait(child) for child in processes]
    assert exit_codes == [0] * 8, (tmp_path / "children.log").read_text(encoding="utf-8")[-3000:]
    counts = Counter(line for file in files for line in file.read_text(encoding="utf-8").split())
    assert len(counts) == ROWS
    assert set(counts.values()) == {1}
    with database.reading() as session:
        states = dict(
            session.execute(select(OutgoingMessage.state, func.count()).group_by(OutgoingMessage.state)).all()
        )
    assert states == {"accepted": ROWS}


def test_f20_three_concurrent_planners_plan_each_reminder_once(
    database: Database, tmp_path: Path, children: ForkServer
) -> None:
    for _again in range(2):
        processes = [children.start("plan", database=database.url, count=600) for _ in range(3)]
        exit_codes = [children.wait(child) for child in processes]
        assert exit_codes == [0] * 3, (tmp_path / "children.log").read_text(encoding="utf-8")[-3000:]
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(OutgoingMessage)) == 600
        assert session.scalar(select(func.count(OutgoingMessage.dedupe_key.distinct()))) == 600
