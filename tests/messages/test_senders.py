"""Senders: who is taken, how fast, and when not."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.db import Database
from homevisits.messages import outbox
from homevisits.messages.models import DeliveryAttempt, OutgoingMessage, Sender
from homevisits.messages.providers.error_codes import ErrorClass, error_class
from homevisits.messages.senders import rate_limit, selection, sync
from homevisits.messages.senders.circuit_breaker import CallResult
from tests.messages.conftest import NOW, made_settings, planned

ALL = ("twilio", "kannel", "console")


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def add(database: Database, address: str = "+15555550199", **more: object) -> int:
    """A sender that may send."""
    values: dict[str, object] = {
        "provider": "twilio", "registration": "registered", "segments_per_second": 10.0, **more
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


def pick(
    database: Database, seconds: float = 0, segments: int = 1, providers: tuple[str, ...] = ALL
) -> selection.SenderChoice:
    with database.transaction() as session:
        return selection.choose_sender(session, segments, later(seconds), providers)


def hear(database: Database, sender_id: int, code: str | None, seconds: float = 0, wait: float | None = None) -> None:
    with database.transaction() as session:
        kind = None if code is None else error_class(code)
        selection.record_call(session, sender_id, CallResult(kind, code or "", wait), later(seconds))


def run(database: Database, seconds: float, segments: int = 1, step: float = 0.01, start: float = 0) -> int:
    """How many texts leave in so many seconds."""
    gone, at = 0, start
    while at < start + seconds:
        found = pick(database, at, segments)
        if found.sender is None:
            assert found.retry_at is not None
            at = max((found.retry_at - NOW).total_seconds(), at + step)
        else:
            gone += 1
    return gone


def test_the_settings_name_the_senders(database: Database) -> None:
    settings = made_settings("http://127.0.0.1:9", "sqlite:///unused.sqlite")
    for _ in range(2):
        with database.transaction() as session:
            sync.sync_senders(session, settings)
    with database.reading() as session:
        (row,) = session.scalars(select(Sender)).all()
        assert (row.provider, row.address, row.kind, row.registration, row.active) == (
            "twilio", "+15555550199", "long_code", "unregistered", True,
        )  # fmt: skip
        assert not selection.is_ready(row)


def test_a_sender_that_the_settings_no_longer_name_sends_nothing(database: Database) -> None:
    old = add(database, "+18005550100")
    settings = made_settings("http://127.0.0.1:9", "sqlite:///unused.sqlite")
    with database.transaction() as session:
        sync.sync_senders(session, settings)
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


def test_many_calls_too_many_in_one_second_halve_the_rate_once(database: Database) -> None:
    one = add(database, segments_per_second=80.0)
    for thousandth in range(0, 900, 30):
        hear(database, one, "429", thousandth / 1000)
    assert sender(database, one).rate_now == 40
    hear(database, one, "20429", 1.1)
    assert sender(database, one).rate_now == pytest.approx(0.8 * 80 / 2)


def test_a_rate_comes_back_fast_to_nearly_what_failed_and_slowly_beyond(database: Database) -> None:
    slowed = rate_limit.slow_down(80, None, NOW)
    assert slowed is not None
    speeds = [round(rate_limit.rate_at(80, slowed, later(seconds)), 1) for seconds in (0, 0.1, 0.5, 5.5, 65.5, 600)]
    assert speeds == [40, 40, 72, 77.6, 80, 80]
    slow = rate_limit.Slowdown(20, NOW, 10)
    assert rate_limit.rate_at(80, slow, later(65.5)) == pytest.approx(20 * 0.97 * 1.05)
    assert rate_limit.rate_at(80, slow, later(10**9)) == 80


def test_a_long_wait_asked_for_stops_the_sender(database: Database) -> None:
    one = add(database)
    hear(database, one, "429", 0, wait=60)
    assert pick(database, 59).sender is None
    assert pick(database, 61).sender is not None


@pytest.mark.parametrize("code", ["20003", "401", "21606"])
def test_trouble_with_the_account_leaves_three_calls_a_minute(database: Database, code: str) -> None:
    one = add(database)
    hear(database, one, code)
    calls = []
    for half in range(1, 600):
        found = pick(database, half / 2)
        if found.sender is not None:
            calls.append(half / 2)
            hear(database, one, code, half / 2)
        else:
            assert found.reason == "breaker"
    minutes = Counter(int(at // 60) for at in calls)
    assert calls[0] >= 20
    assert max(minutes.values()) <= 3
    assert len(minutes) == 5


def test_one_probe_for_a_whole_account_closes_the_breaker_of_all_its_senders(database: Database) -> None:
    both = [add(database), add(database, "+15555550198")]
    hear(database, both[1], "20003")
    assert {sender(database, one).breaker for one in both} == {"open"}
    assert pick(database, 10).sender is None
    first, second = pick(database, 21), pick(database, 21.5)
    assert first.sender is not None
    assert (first.sender.id, second.sender) == (both[0], None)
    hear(database, both[0], None, 22)
    assert {sender(database, one).breaker for one in both} == {"closed"}
    assert pick(database, 23).sender is not None


def test_a_sender_that_providers_do_not_know_waits_for_a_person(database: Database) -> None:
    one = add(database)
    hear(database, one, "30034")
    row = sender(database, one)
    assert (row.registration, row.note) == ("refused", "30034")
    assert pick(database, 3600).reason == "unregistered"


def test_calls_without_an_answer_open_the_breaker_after_five(database: Database) -> None:
    one = add(database)
    for number in range(5):
        assert sender(database, one).breaker == "closed"
        hear(database, one, "no_answer", number)
    assert sender(database, one).breaker == "open"
    hear(database, one, None, 6)  # a late good answer is no proof
    assert pick(database, 10).reason == "breaker"
    assert pick(database, 25).sender is not None
    hear(database, one, "no_connection", 26)
    assert pick(database, 44).sender is None
    assert pick(database, 46).sender is not None


def test_a_full_queue_pauses_for_ten_minutes_and_a_daily_share_until_midnight_in_the_pacific(
    database: Database,
) -> None:
    one = add(database)
    hear(database, one, "30001")
    assert (pick(database, 599).reason, pick(database, 601).reason) == ("queue_full", None)
    hear(database, one, "30023", 602)
    found = pick(database, 700)
    assert (found.reason, found.retry_at) == ("daily_cap", datetime(2026, 10, 6, 7, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("at", "midnight"),
    [
        ("2026-03-08T09:59", "2026-03-08T08:00"),
        ("2026-03-08T12:00", "2026-03-08T08:00"),
        ("2026-03-09T06:59", "2026-03-08T08:00"),
        ("2026-03-09T07:00", "2026-03-09T07:00"),
        ("2026-11-02T07:59", "2026-11-01T07:00"),
    ],
)
def test_the_providers_day_begins_in_the_pacific_also_when_clocks_change(at: str, midnight: str) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert rate_limit.pacific_midnight(moment, 0) == datetime.fromisoformat(midnight).replace(tzinfo=UTC)
    assert rate_limit.pacific_midnight(moment) > moment


def attempts(database: Database, sender_id: int, at: datetime, *outcomes: str | None) -> None:
    with database.transaction() as session:
        outbox.put(session, "invitation:1", planned(f"{at}"), NOW)
        text = session.scalars(select(OutgoingMessage).order_by(OutgoingMessage.id.desc())).first()
        assert text is not None
        for number, outcome in enumerate(outcomes):
            session.add(
                DeliveryAttempt(
                    attempt_id=f"{at.timestamp()}-{number}", message_id=text.id, n=number, sender_id=sender_id,
                    provider="twilio", phone=text.phone, body_sha256="", segments=2, started_at=at, outcome=outcome,
                )
            )  # fmt: skip


def test_a_days_share_is_counted_in_segments_since_midnight(database: Database) -> None:
    one = add(database, segments_per_day=10)
    attempts(database, one, NOW - timedelta(hours=9), "accepted", "accepted")  # yesterday, over there
    attempts(database, one, NOW, "accepted", "unclear", None, "down", "refused")
    assert pick(database, 1, segments=5).reason == "daily_cap"
    assert pick(database, 2, segments=4).sender is not None


def test_a_failing_sender_is_taken_less_often_and_drifts_back(database: Database) -> None:
    bad, good = add(database, segments_per_second=1e6), add(database, "+15555550198", segments_per_second=1e6)
    for number in range(4):
        hear(database, bad, "no_answer", number)
    assert sender(database, bad).weight == 60
    taken = Counter(found.sender.id for _ in range(200) if (found := pick(database, 5)).sender)
    assert taken[good] > taken[bad] > 0
    for _ in range(50):
        hear(database, bad, None, 6)
    assert sender(database, bad).weight == 100


def test_the_second_provider_stands_in_when_the_first_is_out_of_order_not_when_it_is_busy(database: Database) -> None:
    first = add(database, segments_per_second=1.0)
    second = add(database, "+15555550198", provider="kannel", registration="not_needed")
    names = ("twilio", "kannel")
    for _ in range(3):
        assert pick(database, providers=names).sender is not None
    assert pick(database, providers=names).reason == "rate"
    hear(database, first, "20003")
    found = pick(database, 10, providers=names)
    assert found.sender is not None
    assert found.sender.id == second
    assert pick(database, 11, providers=("twilio",)).sender is None


def test_a_clock_put_back_an_hour_stops_nobody(database: Database) -> None:
    add(database, segments_per_second=1.0)
    for seconds in (3600, 3603.5, 0):
        assert pick(database, seconds, segments=3).sender is not None, seconds


def test_every_worker_together_keeps_to_one_rate(database: Database) -> None:
    add(database, segments_per_second=200.0)
    others = [Database(database.url) for _ in range(3)]
    gone = 0
    for hundredth in range(100):
        for one in (database, *others):
            with one.transaction() as session:
                gone += selection.choose_sender(session, 1, later(hundredth / 100), ALL).sender is not None
    for one in others:
        one.dispose()
    assert 200 * 0.7 <= gone <= 200 * 1.05 + 20


def test_two_workers_that_each_hold_a_sender_never_wait_for_each_other(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    one, two = add(database), add(database, "+15555550198")
    with database.transaction() as left, database.transaction() as right:
        selection.record_call(left, one, CallResult(ErrorClass.RETRY, "429"), NOW)
        selection.record_call(right, two, CallResult(ErrorClass.RETRY, "429"), NOW)
        for session in (left, right):
            found = selection.choose_sender(session, 1, later(5), ALL)
            assert (found.sender is not None and found.sender.id in (one, two)) or found.reason == "rate"
            assert isinstance(session, Session)
    database.dispose()
