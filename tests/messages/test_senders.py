"""Choice of senders: registration, rate limit, circuit breaker, daily cap and failover."""

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
from tests.messages.conftest import NOW, make_settings, planned_message

ALL_PROVIDERS = ("twilio", "kannel", "console")


def seconds_later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def add_sender(database: Database, address: str = "+15555550199", **more: object) -> int:
    """Add a registered sender."""
    values: dict[str, object] = {
        "provider": "twilio", "registration": "registered", "segments_per_second": 10.0, **more
    }  # fmt: skip
    with database.transaction() as session:
        row = Sender(address=address, **values)
        session.add(row)
        session.flush()
        return row.id


def read_sender(database: Database, sender_id: int) -> Sender:
    with database.reading() as session:
        row = session.get_one(Sender, sender_id)
        session.expunge_all()
        return row


def choose_sender(
    database: Database, seconds: float = 0, segments: int = 1, providers: tuple[str, ...] = ALL_PROVIDERS
) -> selection.SenderChoice:
    with database.transaction() as session:
        return selection.choose_sender(session, segments, seconds_later(seconds), providers)


def record_call(
    database: Database, sender_id: int, code: str | None, seconds: float = 0, wait: float | None = None
) -> None:
    with database.transaction() as session:
        error = None if code is None else error_class(code)
        selection.record_call(session, sender_id, CallResult(error, code or "", wait), seconds_later(seconds))


def count_sent(database: Database, seconds: float, segments: int = 1, step: float = 0.01, start: float = 0) -> int:
    """Return how many messages can be sent in this time."""
    sent, at = 0, start
    while at < start + seconds:
        choice = choose_sender(database, at, segments)
        if choice.sender is None:
            assert choice.retry_at is not None
            at = max((choice.retry_at - NOW).total_seconds(), at + step)
        else:
            sent += 1
    return sent


def test_sync_creates_the_sender_of_the_settings_once(database: Database) -> None:
    settings = make_settings("http://127.0.0.1:9", "sqlite:///unused.sqlite")
    for _ in range(2):
        with database.transaction() as session:
            sync.sync_senders(session, settings)
    with database.reading() as session:
        (row,) = session.scalars(select(Sender)).all()
        assert (row.provider, row.address, row.kind, row.registration, row.active) == (
            "twilio", "+15555550199", "long_code", "unregistered", True,
        )  # fmt: skip
        assert not selection.is_ready(row)


def test_sender_removed_from_the_settings_is_deactivated(database: Database) -> None:
    old = add_sender(database, "+18005550100")
    settings = make_settings("http://127.0.0.1:9", "sqlite:///unused.sqlite")
    with database.transaction() as session:
        sync.sync_senders(session, settings)
    assert not read_sender(database, old).active
    assert choose_sender(database).reason == "unregistered"


def test_unregistered_sender_is_not_chosen(database: Database) -> None:
    assert choose_sender(database).reason == "no_sender"
    sender_id = add_sender(database, registration="pending")
    choice = choose_sender(database)
    assert (choice.sender, choice.reason) == (None, "unregistered")
    with database.transaction() as session:
        session.get_one(Sender, sender_id).registration = "registered"
    assert choose_sender(database).sender is not None


@pytest.mark.parametrize("segments", [1, 2, 3])
def test_sender_keeps_its_rate_in_segments(database: Database, segments: int) -> None:
    add_sender(database)
    assert count_sent(database, 10, segments) == pytest.approx(100 / segments, rel=0.1)


def test_message_longer_than_the_bucket_is_sent_and_charged(database: Database) -> None:
    add_sender(database, segments_per_second=1.0)
    assert count_sent(database, 60, segments=6) == pytest.approx(10, abs=1.5)


def test_many_429_responses_within_a_second_halve_the_rate_once(database: Database) -> None:
    sender_id = add_sender(database, segments_per_second=80.0)
    for thousandth in range(0, 900, 30):
        record_call(database, sender_id, "429", thousandth / 1000)
    assert read_sender(database, sender_id).rate_now == 40
    record_call(database, sender_id, "20429", 1.1)
    assert read_sender(database, sender_id).rate_now == pytest.approx(0.8 * 80 / 2)


def test_rate_recovers_fast_to_nearly_the_failed_rate_then_slowly(database: Database) -> None:
    slowed = rate_limit.slow_down(80, None, NOW)
    assert slowed is not None
    speeds = [
        round(rate_limit.rate_at(80, slowed, seconds_later(seconds)), 1)
        for seconds in (0, 0.1, 0.35, 0.5, 5.5, 65.5, 600)
    ]
    assert speeds == [40, 40, 56, 72, 77.6, 80, 80]
    slow = rate_limit.Slowdown(20, NOW, 10)
    assert rate_limit.rate_at(80, slow, seconds_later(65.5)) == pytest.approx(20 * 0.97 * 1.05)
    assert rate_limit.rate_at(80, slow, seconds_later(10**9)) == 80


def test_long_retry_after_pauses_the_sender(database: Database) -> None:
    sender_id = add_sender(database)
    record_call(database, sender_id, "429", 0, wait=60)
    assert choose_sender(database, 59).sender is None
    assert choose_sender(database, 61).sender is not None


@pytest.mark.parametrize("code", ["20003", "401", "21606"])
def test_account_error_allows_at_most_three_calls_a_minute(database: Database, code: str) -> None:
    sender_id = add_sender(database)
    record_call(database, sender_id, code)
    calls = []
    for half_second in range(1, 600):
        choice = choose_sender(database, half_second / 2)
        if choice.sender is not None:
            calls.append(half_second / 2)
            record_call(database, sender_id, code, half_second / 2)
        else:
            assert choice.reason == "breaker"
    minutes = Counter(int(at // 60) for at in calls)
    assert calls[0] >= 20
    assert max(minutes.values()) <= 3
    assert len(minutes) == 5


def test_successful_probe_closes_the_breaker_of_all_senders_of_an_account(database: Database) -> None:
    both = [add_sender(database), add_sender(database, "+15555550198")]
    record_call(database, both[1], "20003")
    assert {read_sender(database, sender_id).breaker for sender_id in both} == {"open"}
    assert choose_sender(database, 10).sender is None
    first_choice, second_choice = choose_sender(database, 21), choose_sender(database, 21.5)
    assert first_choice.sender is not None
    assert (first_choice.sender.id, second_choice.sender) == (both[0], None)
    record_call(database, both[0], None, 22)
    assert {read_sender(database, sender_id).breaker for sender_id in both} == {"closed"}
    assert choose_sender(database, 23).sender is not None


def test_sender_refused_as_unregistered_is_not_chosen_again(database: Database) -> None:
    sender_id = add_sender(database)
    record_call(database, sender_id, "30034")
    row = read_sender(database, sender_id)
    assert (row.registration, row.note) == ("refused", "30034")
    assert choose_sender(database, 3600).reason == "unregistered"


def test_five_calls_without_an_answer_open_the_breaker(database: Database) -> None:
    sender_id = add_sender(database)
    for number in range(5):
        assert read_sender(database, sender_id).breaker == "closed"
        record_call(database, sender_id, "no_answer", number)
    assert read_sender(database, sender_id).breaker == "open"
    record_call(database, sender_id, None, 6)  # a late success does not close the breaker
    assert choose_sender(database, 10).reason == "breaker"
    assert choose_sender(database, 25).sender is not None
    record_call(database, sender_id, "no_connection", 26)
    assert choose_sender(database, 44).sender is None
    assert choose_sender(database, 46).sender is not None


def test_full_queue_pauses_ten_minutes_and_daily_cap_until_pacific_midnight(
    database: Database,
) -> None:
    sender_id = add_sender(database)
    record_call(database, sender_id, "30001")
    assert (choose_sender(database, 599).reason, choose_sender(database, 601).reason) == ("queue_full", None)
    record_call(database, sender_id, "30023", 602)
    choice = choose_sender(database, 700)
    assert (choice.reason, choice.retry_at) == ("daily_cap", datetime(2026, 10, 6, 7, 0, tzinfo=UTC))


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
def test_provider_day_begins_at_pacific_midnight_across_clock_changes(at: str, midnight: str) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert rate_limit.pacific_midnight(moment, 0) == datetime.fromisoformat(midnight).replace(tzinfo=UTC)
    assert rate_limit.pacific_midnight(moment) > moment


def add_attempts(database: Database, sender_id: int, at: datetime, *outcomes: str | None) -> None:
    with database.transaction() as session:
        outbox.put(session, "invitation:1", planned_message(f"{at}"), NOW)
        text = session.scalars(select(OutgoingMessage).order_by(OutgoingMessage.id.desc())).first()
        assert text is not None
        for number, outcome in enumerate(outcomes):
            session.add(
                DeliveryAttempt(
                    attempt_id=f"{at.timestamp()}-{number}", message_id=text.id, n=number, sender_id=sender_id,
                    provider="twilio", phone=text.phone, body_sha256="", segments=2, started_at=at, outcome=outcome,
                )
            )  # fmt: skip


def test_daily_cap_counts_segments_since_midnight(database: Database) -> None:
    sender_id = add_sender(database, segments_per_day=10)
    yesterday_in_pacific_time = NOW - timedelta(hours=9)
    add_attempts(database, sender_id, yesterday_in_pacific_time, "accepted", "accepted")
    add_attempts(database, sender_id, NOW, "accepted", "unclear", None, "down", "refused")
    assert choose_sender(database, 1, segments=5).reason == "daily_cap"
    assert choose_sender(database, 2, segments=4).sender is not None


def test_failing_sender_is_chosen_less_often_and_recovers(database: Database) -> None:
    bad, good = (
        add_sender(database, segments_per_second=1e6),
        add_sender(database, "+15555550198", segments_per_second=1e6),
    )
    for number in range(4):
        record_call(database, bad, "no_answer", number)
    assert read_sender(database, bad).weight == 60
    chosen = Counter(choice.sender.id for _ in range(200) if (choice := choose_sender(database, 5)).sender)
    assert chosen[good] > chosen[bad] > 0
    for _ in range(50):
        record_call(database, bad, None, 6)
    assert read_sender(database, bad).weight == 100


def test_second_provider_is_used_when_the_first_is_down_but_not_when_busy(database: Database) -> None:
    first = add_sender(database, segments_per_second=1.0)
    second = add_sender(database, "+15555550198", provider="kannel", registration="not_needed")
    providers = ("twilio", "kannel")
    for _ in range(3):
        assert choose_sender(database, providers=providers).sender is not None
    assert choose_sender(database, providers=providers).reason == "rate"
    record_call(database, first, "20003")
    choice = choose_sender(database, 10, providers=providers)
    assert choice.sender is not None
    assert choice.sender.id == second
    assert choose_sender(database, 11, providers=("twilio",)).sender is None


def test_clock_set_back_an_hour_does_not_block_sending(database: Database) -> None:
    add_sender(database, segments_per_second=1.0)
    for seconds in (3600, 3603.5, 0):
        assert choose_sender(database, seconds, segments=3).sender is not None, seconds


def test_all_workers_together_keep_the_rate(database: Database) -> None:
    add_sender(database, segments_per_second=200.0)
    others = [Database(database.url) for _ in range(3)]
    sent = 0
    for hundredth in range(100):
        for connection in (database, *others):
            with connection.transaction() as session:
                sent += (
                    selection.choose_sender(session, 1, seconds_later(hundredth / 100), ALL_PROVIDERS).sender
                    is not None
                )
    for connection in others:
        connection.dispose()
    assert 200 * 0.7 <= sent <= 200 * 1.05 + 20


def test_workers_holding_different_senders_do_not_deadlock(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    first, second = add_sender(database), add_sender(database, "+15555550198")
    with database.transaction() as first_session, database.transaction() as second_session:
        selection.record_call(first_session, first, CallResult(ErrorClass.RETRY, "429"), NOW)
        selection.record_call(second_session, second, CallResult(ErrorClass.RETRY, "429"), NOW)
        for session in (first_session, second_session):
            choice = selection.choose_sender(session, 1, seconds_later(5), ALL_PROVIDERS)
            assert (choice.sender is not None and choice.sender.id in (first, second)) or choice.reason == "rate"
            assert isinstance(session, Session)
    database.dispose()
