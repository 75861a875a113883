"""Lookup of unclear messages, polls for delivery statuses, and the daily comparison with the provider."""

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from homevisits.core.db import Database
from homevisits.messages.models import DeliveryAttempt
from homevisits.messages.providers.base import OutcomeUnknown, ProviderMessage, ProviderUnavailable
from homevisits.messages.reconciliation import daily, unconfirmed
from homevisits.messages.reconciliation.matching import TRIAL_PREFIX
from tests.messages import fake_twilio
from tests.messages.conftest import NOW, PHONE, Recorder, dispatch, enqueue, load_messages, planned_message, states
from tests.messages.installation import Installation

DAY = NOW.date()


class LookupProvider(Recorder):
    """Provider with a configurable list of messages that counts lookups."""

    supports_lookup = True

    def __init__(self, *failures: Exception) -> None:
        super().__init__(*failures)
        self.messages: list[ProviderMessage] = []
        self.lookup_failures: list[Exception] = []
        self.lookups = 0

    def find_messages(self, to: str) -> list[ProviderMessage]:
        """Return the messages to this phone, newest first."""
        self._count_lookup()
        return [message for message in reversed(self.messages) if message.to == to]

    def get_message(self, provider_message_id: str) -> ProviderMessage | None:
        """Return a message by id."""
        self._count_lookup()
        return next((message for message in self.messages if message.provider_message_id == provider_message_id), None)

    def list_messages(self, day: date) -> Iterator[ProviderMessage]:
        """Return the messages of a day."""
        self._count_lookup()
        return (
            message for message in self.messages if message.created_at is not None and message.created_at.date() == day
        )

    def _count_lookup(self) -> None:
        self.lookups += 1
        if self.lookup_failures:
            raise self.lookup_failures.pop(0)


def listed_message(body: str, provider_message_id: str = "SM1", at: datetime = NOW, **more: object) -> ProviderMessage:
    """Return a message as listed by the provider."""
    values = {"status": "sent", "code": "", "to": PHONE, "created_at": at, **more}
    return ProviderMessage(provider_message_id=provider_message_id, body=body, **values)  # type: ignore[arg-type]


def send_with_unclear_outcome(database: Database) -> LookupProvider:
    """Send a message with unclear outcome and return its provider."""
    provider = LookupProvider(OutcomeUnknown("no_answer"))
    enqueue(database, planned_message())
    dispatch(database, provider)
    return provider


def look_up(database: Database, provider: Recorder, after: timedelta) -> int:
    """Look up unclear messages at a time after NOW; return how many were resolved."""
    return unconfirmed.look_up_unclear(database, [provider], lambda: NOW + after)


def attempts(database: Database) -> list[DeliveryAttempt]:
    """Return all attempts, oldest first."""
    with database.transaction() as session:
        stored = list(session.query(DeliveryAttempt).order_by(DeliveryAttempt.started_at, DeliveryAttempt.n))
        session.expunge_all()
        return stored


SECONDS = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("properties", "is_found"),
    [
        ({}, True),
        ({"at": NOW - 5 * SECONDS}, True),
        ({"at": NOW - 6 * SECONDS}, False),
        ({"at": NOW + timedelta(minutes=11)}, False),
        ({"outbound": False}, False),
        ({"created_at": None}, False),
        ({"to": "+15555550102"}, False),
    ],
)
def test_lookup_matches_same_body_phone_direction_and_time(
    sqlite_database: Database, properties: dict[str, object], is_found: bool
) -> None:
    provider = send_with_unclear_outcome(sqlite_database)
    body = load_messages(sqlite_database)[0].body
    provider.messages = [listed_message("Other words", "SM0"), listed_message(body, **properties)]  # type: ignore[arg-type]
    assert look_up(sqlite_database, provider, timedelta(seconds=30)) == int(is_found)
    assert states(sqlite_database) == ["accepted" if is_found else "unknown"]
    assert load_messages(sqlite_database)[0].provider_message_id == ("SM1" if is_found else None)


def test_lookup_ignores_the_trial_account_prefix(sqlite_database: Database) -> None:
    provider = send_with_unclear_outcome(sqlite_database)
    provider.messages = [listed_message(TRIAL_PREFIX + load_messages(sqlite_database)[0].body, status="delivered")]
    assert look_up(sqlite_database, provider, timedelta(seconds=30)) == 1
    assert states(sqlite_database) == ["delivered"]


def send_two_identical(database: Database, provider: LookupProvider) -> None:
    """Send the same body twice to the same phone with unclear outcome; the second is written by staff."""
    enqueue(database, planned_message("a"))
    dispatch(database, provider)
    enqueue(
        database,
        planned_message(
            "b", template="written", category="written", body=load_messages(database)[0].body, written_by=1
        ),
    )
    dispatch(database, provider)


def test_two_identical_messages_are_matched_to_different_ids(database: Database) -> None:
    provider = LookupProvider(OutcomeUnknown("no_answer"), OutcomeUnknown("no_answer"))
    send_two_identical(database, provider)
    body = load_messages(database)[0].body
    provider.messages = [listed_message(body, "SM1", NOW), listed_message(body, "SM2", NOW + SECONDS)]
    assert look_up(database, provider, timedelta(seconds=31)) == 2
    assert sorted(row.provider_message_id or "" for row in attempts(database)) == ["SM1", "SM2"]
    assert states(database) == ["accepted", "accepted"]


def test_sent_message_is_matched_to_a_single_attempt(database: Database) -> None:
    provider = LookupProvider(OutcomeUnknown("no_answer"), OutcomeUnknown("no_answer"))
    send_two_identical(database, provider)
    provider.messages = [listed_message(load_messages(database)[0].body)]
    assert look_up(database, provider, timedelta(minutes=10)) == 2
    assert sorted(states(database)) == ["accepted", "queued"]


def test_lookups_run_at_30_seconds_2_and_10_minutes_then_requeue(database: Database) -> None:
    provider = send_with_unclear_outcome(database)
    lookup_seconds = []
    for second in range(0, 601, 10):
        before = provider.lookups
        look_up(database, provider, second * SECONDS)
        lookup_seconds += [second] * (provider.lookups - before)
    assert lookup_seconds == [30, 120, 600]
    assert states(database) == ["queued"]
    assert (attempts(database)[0].outcome, attempts(database)[0].next_check_at) == ("not_found", None)


def test_single_late_lookup_is_enough_after_worker_downtime(database: Database) -> None:
    provider = send_with_unclear_outcome(database)
    assert look_up(database, provider, timedelta(minutes=40)) == 1
    assert (provider.lookups, states(database)) == (1, ["queued"])


def test_message_not_found_twice_is_dead(database: Database) -> None:
    provider = send_with_unclear_outcome(database)
    look_up(database, provider, timedelta(minutes=10))
    provider.failures.append(OutcomeUnknown("no_answer"))
    dispatch(database, provider, NOW + timedelta(minutes=10))
    assert states(database) == ["unknown"]
    look_up(database, provider, timedelta(minutes=20))
    assert (states(database), load_messages(database)[0].error) == (["dead"], "not_found")


def test_provider_without_lookup_gets_ten_minutes_for_its_callback(database: Database) -> None:
    """Kannel cannot list messages, so the delivery report is the only source of the outcome."""
    enqueue(database, planned_message())
    without_lookup = Recorder(OutcomeUnknown("no_answer"))
    dispatch(database, without_lookup)
    for seconds, state in ((30, "unknown"), (120, "unknown"), (599, "unknown"), (600, "dead")):
        look_up(database, without_lookup, seconds * SECONDS)
        assert states(database) == [state]


def test_failed_lookups_do_not_count_and_are_repeated_with_backoff(database: Database) -> None:
    provider = send_with_unclear_outcome(database)
    provider.lookup_failures = [ProviderUnavailable("503")] * 1000
    lookup_minutes = []
    for minute in range(120):
        before = provider.lookups
        look_up(database, provider, timedelta(minutes=minute, seconds=30))
        lookup_minutes += [minute] * (provider.lookups - before)
    assert (lookup_minutes[0], states(database), attempts(database)[0].lookups) == (0, ["unknown"], 0)
    gaps = [later - earlier for earlier, later in pairwise(lookup_minutes)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == 15
    provider.lookup_failures, provider.messages = [], [listed_message(load_messages(database)[0].body)]
    look_up(database, provider, timedelta(hours=3))
    assert states(database) == ["accepted"]


def test_three_days_of_failed_lookups_raise_an_alert_without_resend(installation: Installation) -> None:
    installation.enqueue()
    installation.twilio.next.append("reset")
    installation.send()
    installation.twilio.next_lookups.extend(["503/20503"] * 3)
    installation.advance_clock(seconds=31)
    installation.look_up_unclear()
    installation.advance_clock(days=3)
    installation.look_up_unclear()
    assert (installation.states, installation.alerts()) == (["unknown"], [("no_status", "twilio")])
    installation.advance_clock(days=1)
    assert (installation.look_up_unclear(), installation.sent_count) == (0, 1)


def test_bug_in_a_provider_does_not_end_lookups_and_polls(sqlite_database: Database) -> None:
    provider = send_with_unclear_outcome(sqlite_database)
    provider.lookup_failures = [KeyError("a bug")]
    assert look_up(sqlite_database, provider, timedelta(seconds=30)) == 0
    assert attempts(sqlite_database)[0].next_check_at == NOW + timedelta(seconds=60)
    enqueue(sqlite_database, planned_message("b", to="+15555550102"))
    dispatch(sqlite_database, provider)
    provider.lookup_failures = [KeyError("a bug")]
    assert unconfirmed.poll_accepted(sqlite_database, [provider], lambda: NOW + timedelta(hours=1)) == 0
    assert sorted(states(sqlite_database)) == ["accepted", "unknown"]


def test_failed_lookup_ends_the_run_for_the_provider(database: Database) -> None:
    provider = LookupProvider(*(OutcomeUnknown("no_answer") for _ in range(3)))
    enqueue(database, *(planned_message(f"{n}", to=f"+1555555{n:04}") for n in range(3)))
    dispatch(database, provider)
    provider.lookup_failures = [ProviderUnavailable("429", 7.0)]
    look_up(database, provider, timedelta(seconds=30))
    assert provider.lookups == 1
    assert [row.next_check_at for row in attempts(database)] == [NOW + timedelta(seconds=60)] * 3


def test_callback_during_a_lookup_wins(installation: Installation) -> None:
    installation.enqueue()
    installation.twilio.next.append("cut")
    installation.send()
    installation.advance_clock(minutes=11)
    lookup_started, respond = threading.Event(), threading.Event()
    (provider,) = installation.providers
    find_messages = provider.find_messages

    def find_slowly(to: str) -> list[ProviderMessage]:
        lookup_started.set()
        assert respond.wait(10)
        return [message for message in find_messages(to) if message.status == "no such status"]

    provider.find_messages = find_slowly  # type: ignore[method-assign]
    lookup = threading.Thread(target=installation.look_up_unclear)
    lookup.start()
    assert lookup_started.wait(10)
    assert installation.report("delivered") == 200  # an open transaction would block this on SQLite
    respond.set()
    lookup.join()
    assert (installation.states, installation.send(), installation.sent_count) == (["delivered"], {}, 1)


def test_concurrent_lookups_resolve_a_message_once(database: Database) -> None:
    provider = send_with_unclear_outcome(database)
    resolved: list[int] = []
    barrier = threading.Barrier(2)

    def find_nothing(to: str) -> list[ProviderMessage]:
        barrier.wait(10)
        return []

    provider.find_messages = find_nothing  # type: ignore[method-assign]
    threads = [
        threading.Thread(target=lambda: resolved.append(look_up(database, provider, timedelta(minutes=10))))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sorted(resolved), states(database)) == ([0, 1], ["queued"])


@pytest.fixture
def installation(database: Database) -> Iterator[Installation]:
    """Installation with a fake Twilio."""
    with fake_twilio.running(auth_token="token") as twilio:
        yield Installation(database, twilio)


def test_polls_back_off_and_stop_after_three_days(database: Database) -> None:
    enqueue(database, planned_message())
    provider = LookupProvider()
    dispatch(database, provider)
    body, provider_message_id = load_messages(database)[0].body, load_messages(database)[0].provider_message_id
    provider.messages = [listed_message(body, str(provider_message_id))]
    lookup_minutes = []
    for minute in range(0, 4 * 24 * 60, 5):
        before = provider.lookups
        unconfirmed.poll_accepted(database, [provider], lambda m=minute: NOW + timedelta(minutes=m))  # type: ignore[misc]
        lookup_minutes += [minute] * (provider.lookups - before)
    assert (lookup_minutes[0], lookup_minutes[1], len(lookup_minutes) < 60) == (60, 65, True)
    assert 3 * 24 * 60 <= lookup_minutes[-1] < 4 * 24 * 60
    assert attempts(database)[0].next_check_at is None
    assert states(database) == ["accepted"]


def test_poll_respects_the_limit_and_stops_at_a_failure(database: Database) -> None:
    enqueue(database, *(planned_message(f"{n}", to=f"+1555555{n:04}") for n in range(6)))
    provider = LookupProvider()
    dispatch(database, provider)
    provider.messages = [
        listed_message(row.body, str(row.provider_message_id), to=row.phone, status="delivered")
        for row in load_messages(database)
    ]

    def later(hours: float) -> datetime:
        return NOW + timedelta(hours=hours)

    assert unconfirmed.poll_accepted(database, [provider], lambda: later(1), limit=2) == 2
    provider.lookup_failures = [ProviderUnavailable("429", 7.0)]
    assert (unconfirmed.poll_accepted(database, [provider], lambda: later(1)), provider.lookups) == (0, 3)
    assert unconfirmed.poll_accepted(database, [provider], lambda: later(1.2)) == 4
    assert set(states(database)) == {"delivered"}


def test_message_missing_at_the_provider_raises_an_alert(installation: Installation) -> None:
    installation.enqueue()
    installation.send()
    installation.twilio.messages.clear()
    installation.advance_clock(hours=1)
    assert installation.poll_accepted() == 0
    assert installation.alerts() == [("missing", "twilio")]
    installation.advance_clock(hours=1)
    lookups = installation.twilio.lookups
    assert (installation.poll_accepted(), installation.twilio.lookups) == (0, lookups)


def test_daily_comparison_works_in_both_directions(installation: Installation) -> None:
    numbers = range(120)  # more than a batch
    installation.enqueue(*(planned_message(f"{n}", to=f"+1555555{n:04}") for n in numbers))
    installation.twilio.next.extend(["201"] * 116 + ["cut", "201", "201", "201"])
    installation.send()
    installation.send()
    sids = [sent["Sid"] for sent in installation.twilio.sent]
    assert len(sids) == 120
    for provider_message_id in sids[:110]:
        installation.post_callback(provider_message_id, "delivered")
    for provider_message_id in sids[:118]:
        installation.twilio.move(provider_message_id, "delivered")
    foreign = installation.twilio.store.add(
        "AC" + "0" * 32, {"To": PHONE, "From": "+15555550199", "Body": "Hi"}, installation.now()
    )
    installation.twilio.move(foreign.sid, "delivered")
    installation.advance_clock(days=1)
    installation.twilio.move(sids[118], "delivered")  # queued overnight, so it is in the list of the next day
    del installation.twilio.messages[sids[119]]
    counts = daily.compare_day(installation.database, installation.providers, DAY, installation.now)
    assert counts == {"agreed": 110, "learnt": 8, "found": 1, "foreign": 1, "missing": 1}
    assert installation.states == ["delivered"] * 119 + ["accepted"]
    assert sorted(installation.alerts()) == [("foreign", f"twilio {DAY}"), ("missing", f"twilio {DAY}")]
    again = daily.compare_day(installation.database, installation.providers, DAY, installation.now)
    assert again == {"agreed": 119, "foreign": 1, "missing": 1}


def test_daily_comparison_can_be_repeated_after_a_failed_list(installation: Installation) -> None:
    installation.enqueue()
    installation.send()
    installation.twilio.move(installation.twilio.sent[0]["Sid"], "delivered")
    installation.twilio.next_lookups.append("503/20503")
    with pytest.raises(OutcomeUnknown):
        daily.compare_day(installation.database, installation.providers, DAY, installation.now)
    assert installation.alerts() == []
    assert daily.compare_day(installation.database, installation.providers, DAY, installation.now) == {"learnt": 1}


def test_double_send_found_by_the_daily_comparison_raises_an_alert(installation: Installation) -> None:
    """The provider's list lags longer than all lookups, so the message is sent twice."""
    installation.enqueue()
    installation.twilio.next.append("stall")
    installation.twilio.list_lag = 3600
    installation.send()
    installation.advance_clock(minutes=11)
    installation.look_up_unclear()
    assert installation.send() == {"accepted": 1}
    for sent in installation.twilio.sent:
        installation.twilio.move(sent["Sid"], "delivered")
    installation.advance_clock(days=1)
    counts = daily.compare_day(installation.database, installation.providers, DAY, installation.now)
    assert counts == {"found": 1, "learnt": 1}
    assert [kind for kind, _ in installation.alerts()] == ["contradiction"]
    assert installation.states == ["delivered"]


def test_daily_comparison_skips_a_provider_without_lists(sqlite_database: Database) -> None:
    enqueue(sqlite_database, planned_message())
    dispatch(sqlite_database, Recorder())
    assert daily.compare_day(sqlite_database, [Recorder()], DAY, lambda: datetime(2026, 10, 6, tzinfo=UTC)) == {}
