"""Senders: who is taken, how fast, and when not."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits import settings as house_settings
from homevisits.db import Database
from homevisits.messages import outbox, rates, senders
from homevisits.messages.codes import Kind, kind_of
from homevisits.messages.models import Attempt, OutboxText, Sender
from tests.messages.conftest import NOW, made_settings, planned

ALL = ("twilio", "kannel", "console")


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def add(database: Database, address: str = "+15555550199", **more: object) -> int:
    """A sender that may send."""
    values: dict[str, object] = {
        "carrier": "twilio", "registration": "registered", "segments_per_second": 10.0, **more
    }  # fmt: skip
    with database.transaction() as session:
        row = Sender(address=address, **values)
        session.add(row)
        session.flush()
        return row.id


def sender(database: Database, sender_id: int) -> Sender:
    with database.reading() as session:
        row = session.get_one(Sender, sender_id)
        session.expunge_all()
        return row


def pick(database: Database, seconds: float = 0, segments: int = 1, carriers: tuple[str, ...] = ALL) -> senders.Pick:
    with database.transaction() as session:
        return senders.pick(session, segments, later(seconds), carriers)


def hear(database: Database, sender_id: int, code: str | None, seconds: float = 0, wait: float | None = None) -> None:
    with database.transaction() as session:
        kind = None if code is None else kind_of(code)
        senders.heard(session, sender_id, kind, code or "", later(seconds), wait)


def run(database: Database, seconds: float, segments: int = 1, step: float = 0.01, start: float = 0) -> int:
    """How many texts leave in so many seconds."""
    gone, at = 0, start
    while at < start + seconds:
        found = pick(database, at, segments)
        if found.sender is None:
            assert found.until is not None
            at = max((found.until - NOW).total_seconds(), at + step)
        else:
            gone += 1
    return gone


def test_the_settings_name_the_senders(database: Database) -> None:
    settings = made_settings("http://127.0.0.1:9", "sqlite:///unused.sqlite")
    for _ in range(2):
        with database.transaction() as session:
            senders.sync(session, settings, NOW)
    with database.reading() as session:
        (row,) = session.scalars(select(Sender)).all()
        assert (row.carrier, row.address, row.kind, row.registration, row.active) == (
            "twilio", "+15555550199", "long_code", "unregistered", True,
        )  # fmt: skip
        assert not senders.ready(row)


def test_a_sender_that_the_settings_no_longer_name_sends_nothing(database: Database) -> None:
    old = add(database, "+18005550100")
    settings = made_settings("http://127.0.0.1:9", "sqlite:///unused.sqlite")
    with database.transaction() as session:
        senders.sync(session, settings, NOW)
    assert not sender(database, old).active
    assert pick(database).reason == "unregistered"


def test_nobody_sends_before_registration(database: Database) -> None:
    assert pick(database).reason == "no_sender"
    one = add(database, registration="pending")
    found = pick(database)
    assert (found.sender, found.reason) == (None, "unregistered")
    with database.transaction() as session:
        session.get_one(Sender, one).registration = "registered"
    assert pick(database).sender is not None


@pytest.mark.parametrize("segments", [1, 2, 3])
def test_a_sender_keeps_to_its_rate_in_segments(database: Database, segments: int) -> None:
    add(database)
    assert run(database, 10, segments) == pytest.approx(100 / segments, rel=0.1)


def test_a_text_longer_than_the_bucket_leaves_and_is_paid_for(database: Database) -> None:
    add(database, segments_per_second=1.0)
    assert run(database, 60, segments=6) == pytest.approx(10, abs=1.5)
