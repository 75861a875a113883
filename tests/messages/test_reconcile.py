"""Asking the provider: an unclear text is found or not, once; silence is asked about; a day is compared both ways."""

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
from tests.messages.conftest import NOW, PHONE, Recorder, planned, put, rows, states, tick
from tests.messages.line import Line

DAY = NOW.date()
NEXT = NOW + timedelta(days=1)


class Oracle(Recorder):
    """A provider that can be asked, and answers what a test says; it counts the questions."""

    supports_lookup = True

    def __init__(self, *fails: Exception) -> None:
        super().__init__(*fails)
        self.has: list[ProviderMessage] = []
        self.silent: list[Exception] = []
        self.asked = 0

    def find_messages(self, to: str) -> list[ProviderMessage]:
        """What it has for `to`, newest first."""
        self._ask()
        return [seen for seen in reversed(self.has) if seen.to == to]

    def get_message(self, provider_message_id: str) -> ProviderMessage | None:
        """One of them."""
        self._ask()
        return next((seen for seen in self.has if seen.provider_message_id == provider_message_id), None)

    def list_messages(self, day: date) -> Iterator[ProviderMessage]:
        """Those of a day."""
        self._ask()
        return (seen for seen in self.has if seen.created_at is not None and seen.created_at.date() == day)

    def _ask(self) -> None:
        self.asked += 1
        if self.silent:
            raise self.silent.pop(0)


def seen(body: str, provider_message_id: str = "SM1", at: datetime = NOW, **more: object) -> ProviderMessage:
    """A text as the provider has it."""
    values = {"status": "sent", "code": "", "to": PHONE, "created_at": at, **more}
    return ProviderMessage(provider_message_id=provider_message_id, body=body, **values)  # type: ignore[arg-type]


def unclear(database: Database) -> Oracle:
    """A text of which nobody knows whether it left, and the provider to ask."""
    oracle = Oracle(OutcomeUnknown("no_answer"))
    put(database, planned())
    tick(database, oracle)
    return oracle


def look(database: Database, oracle: Recorder, after: timedelta) -> int:
    """Look, so long after NOW."""
    return unconfirmed.look_up_unclear(database, [oracle], lambda: NOW + after)


def attempts(database: Database) -> list[DeliveryAttempt]:
    """Every attempt, oldest first."""
    with database.transaction() as session:
        found = list(session.query(DeliveryAttempt).order_by(DeliveryAttempt.started_at, DeliveryAttempt.n))
        session.expunge_all()
        return found


SECONDS = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("what", "found"),
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
def test_the_same_words_to_the_same_phone_sent_by_us_and_not_older_are_it(
    sqlite_database: Database, what: dict[str, object], found: bool
) -> None:
    oracle = unclear(sqlite_database)
    body = rows(sqlite_database)[0].body
    oracle.has = [seen("Other words", "SM0"), seen(body, **what)]  # type: ignore[arg-type]
    assert look(sqlite_database, oracle, timedelta(seconds=30)) == int(found)
    assert states(sqlite_database) == ["accepted" if found else "unknown"]
    assert rows(sqlite_database)[0].provider_message_id == ("SM1" if found else None)


def test_a_trial_account_writes_before_our_words(sqlite_database: Database) -> None:
    oracle = unclear(sqlite_database)
    oracle.has = [seen(TRIAL_PREFIX + rows(sqlite_database)[0].body, status="delivered")]
    assert look(sqlite_database, oracle, timedelta(seconds=30)) == 1
    assert states(sqlite_database) == ["delivered"]


def two_alike(database: Database, oracle: Oracle) -> None:
    """The same words to the same phone twice, both unclear: the second one is somebody's own, written by hand."""
    put(database, planned("a"))
    tick(database, oracle)
    put(database, planned("b", template="written", category="written", body=rows(database)[0].body, written_by=1))
    tick(database, oracle)


def test_of_two_alike_each_finds_one_and_never_the_others(database: Database) -> None:
    oracle = Oracle(OutcomeUnknown("no_answer"), OutcomeUnknown("no_answer"))
    two_alike(database, oracle)
    body = rows(database)[0].body
    oracle.has = [seen(body, "SM1", NOW), seen(body, "SM2", NOW + SECONDS)]
    assert look(database, oracle, timedelta(seconds=31)) == 2
    assert sorted(row.provider_message_id or "" for row in attempts(database)) == ["SM1", "SM2"]
    assert states(database) == ["accepted", "accepted"]


def test_one_that_left_is_not_found_twice(database: Database) -> None:
    oracle = Oracle(OutcomeUnknown("no_answer"), OutcomeUnknown("no_answer"))
    two_alike(database, oracle)
    oracle.has = [seen(rows(database)[0].body)]
    assert look(database, oracle, timedelta(minutes=10)) == 2
    assert sorted(states(database)) == ["accepted", "queued"]


def test_looks_are_at_30_seconds_2_and_10_minutes_and_then_it_was_not_taken(database: Database) -> None:
    oracle = unclear(database)
    asked = []
    for second in range(0, 601, 10):
        before = oracle.asked
        look(database, oracle, second * SECONDS)
        asked += [second] * (oracle.asked - before)
    assert asked == [30, 120, 600]
    assert states(database) == ["queued"]
    assert (attempts(database)[0].outcome, attempts(database)[0].next_check_at) == ("not_found", None)


def test_a_worker_that_was_away_needs_no_three_looks(database: Database) -> None:
    oracle = unclear(database)
    assert look(database, oracle, timedelta(minutes=40)) == 1
    assert (oracle.asked, states(database)) == (1, ["queued"])


def test_a_text_that_is_not_found_a_second_time_is_left_to_a_person(database: Database) -> None:
    oracle = unclear(database)
    look(database, oracle, timedelta(minutes=10))
    oracle.fails.append(OutcomeUnknown("no_answer"))
    tick(database, oracle, NOW + timedelta(minutes=10))
    assert states(database) == ["unknown"]
    look(database, oracle, timedelta(minutes=20))
    assert (states(database), rows(database)[0].error) == (["dead"], "not_found")


def test_a_provider_that_cannot_be_asked_gets_ten_minutes_for_its_callback(database: Database) -> None:
    """Kannel keeps no list: its report on the token's own address is all there is."""
    put(database, planned())
    silent = Recorder(OutcomeUnknown("no_answer"))
    tick(database, silent)
    for seconds, state in ((30, "unknown"), (120, "unknown"), (599, "unknown"), (600, "dead")):
        look(database, silent, seconds * SECONDS)
        assert states(database) == [state]


def test_a_look_that_is_not_answered_is_none_and_is_asked_again_less_and_less_often(database: Database) -> None:
    oracle = unclear(database)
    oracle.silent = [ProviderUnavailable("503")] * 1000
    at = []
    for minute in range(120):
        before = oracle.asked
        look(database, oracle, timedelta(minutes=minute, seconds=30))
        at += [minute] * (oracle.asked - before)
    assert (at[0], states(database), attempts(database)[0].lookups) == (0, ["unknown"], 0)
    gaps = [later - earlier for earlier, later in pairwise(at)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == 15
    oracle.silent, oracle.has = [], [seen(rows(database)[0].body)]
    look(database, oracle, timedelta(hours=3))
    assert states(database) == ["accepted"]


def test_after_three_days_of_silence_a_person_is_told_and_the_text_is_still_not_sent_again(line: Line) -> None:
    line.put()
    line.twilio.next.append("reset")
    line.send()
    line.twilio.next_looks.extend(["503/20503"] * 3)
    line.later(seconds=31)
    line.look()
    line.later(days=3)
    line.look()
    assert (line.states, line.alerts()) == (["unknown"], [("not_asked", "twilio")])
    line.later(days=1)
    assert (line.look(), line.taken) == (0, 1)


def test_a_bug_in_a_provider_holds_up_no_other_text(sqlite_database: Database) -> None:
    oracle = unclear(sqlite_database)
    oracle.silent = [KeyError("a bug")]
    assert look(sqlite_database, oracle, timedelta(seconds=30)) == 0
    assert attempts(sqlite_database)[0].next_check_at == NOW + timedelta(seconds=60)
    put(sqlite_database, planned("b", to="+15555550102"))
    tick(sqlite_database, oracle)
    oracle.silent = [KeyError("a bug")]
    assert unconfirmed.poll_accepted(sqlite_database, [oracle], lambda: NOW + timedelta(hours=1)) == 0
    assert sorted(states(sqlite_database)) == ["accepted", "unknown"]


def test_one_question_unanswered_spares_the_provider_the_others(database: Database) -> None:
    oracle = Oracle(*(OutcomeUnknown("no_answer") for _ in range(3)))
    put(database, *(planned(f"{n}", to=f"+1555555{n:04}") for n in range(3)))
    tick(database, oracle)
    oracle.silent = [ProviderUnavailable("429", 7.0)]
    look(database, oracle, timedelta(seconds=30))
    assert oracle.asked == 1
    assert [row.next_check_at for row in attempts(database)] == [NOW + timedelta(seconds=60)] * 3


def test_a_callback_that_comes_while_the_provider_is_asked_wins(line: Line) -> None:
    line.put()
    line.twilio.next.append("cut")
    line.send()
    line.later(minutes=11)
    asked, answer = threading.Event(), threading.Event()
    (provider,) = line.providers
    real = provider.find_messages

    def slowly(to: str) -> list[ProviderMessage]:
        asked.set()
        assert answer.wait(10)
        return [each for each in real(to) if each.status == "nothing of the sort"]

    provider.find_messages = slowly  # type: ignore[method-assign]
    looking = threading.Thread(target=line.look)
    looking.start()
    assert asked.wait(10)
    assert line.report("delivered") == 200  # nothing is open meanwhile: on SQLite it would wait for the lock
    answer.set()
    looking.join()
    assert (line.states, line.send(), line.taken) == (["delivered"], {}, 1)


def test_two_workers_that_look_at_once_settle_a_text_once(database: Database) -> None:
    oracle = unclear(database)
    found: list[int] = []
    door = threading.Barrier(2)

    def both(to: str) -> list[ProviderMessage]:
        door.wait(10)
        return []

    oracle.find_messages = both  # type: ignore[method-assign]
    threads = [
        threading.Thread(target=lambda: found.append(look(database, oracle, timedelta(minutes=10)))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sorted(found), states(database)) == ([0, 1], ["queued"])


@pytest.fixture
def line(database: Database) -> Iterator[Line]:
    """An installation with its provider."""
    with fake_twilio.running(auth_token="token") as twilio:
        yield Line(database, twilio)


def test_polls_go_on_less_and_less_often_for_three_days_and_then_a_person_is_told(database: Database) -> None:
    put(database, planned())
    oracle = Oracle()
    tick(database, oracle)
    body, provider_message_id = rows(database)[0].body, rows(database)[0].provider_message_id
    oracle.has = [seen(body, str(provider_message_id))]
    at = []
    for minute in range(0, 4 * 24 * 60, 5):
        before = oracle.asked
        unconfirmed.poll_accepted(database, [oracle], lambda m=minute: NOW + timedelta(minutes=m))  # type: ignore[misc]
        at += [minute] * (oracle.asked - before)
    assert (at[0], at[1], len(at) < 60) == (60, 65, True)
    assert 3 * 24 * 60 <= at[-1] < 4 * 24 * 60
    assert attempts(database)[0].next_check_at is None
    assert states(database) == ["accepted"]


def test_a_poll_asks_at_most_so_many_and_stops_when_the_provider_is_silent(database: Database) -> None:
    put(database, *(planned(f"{n}", to=f"+1555555{n:04}") for n in range(6)))
    oracle = Oracle()
    tick(database, oracle)
    oracle.has = [
        seen(row.body, str(row.provider_message_id), to=row.phone, status="delivered") for row in rows(database)
    ]

    def later(hours: float) -> datetime:
        return NOW + timedelta(hours=hours)

    assert unconfirmed.poll_accepted(database, [oracle], lambda: later(1), limit=2) == 2
    oracle.silent = [ProviderUnavailable("429", 7.0)]
    assert (unconfirmed.poll_accepted(database, [oracle], lambda: later(1)), oracle.asked) == (0, 3)
    assert unconfirmed.poll_accepted(database, [oracle], lambda: later(1.2)) == 4
    assert set(states(database)) == {"delivered"}


def test_a_text_the_provider_took_and_does_not_know_is_told_to_a_person(line: Line) -> None:
    line.put()
    line.send()
    line.twilio.messages.clear()
    line.later(hours=1)
    assert line.poll() == 0
    assert line.alerts() == [("missing", "twilio")]
    line.later(hours=1)
    asked = line.twilio.looks
    assert (line.poll(), line.twilio.looks) == (0, asked)


def test_a_day_is_compared_in_both_directions(line: Line) -> None:
    numbers = range(120)  # more than are written at a time
    line.put(*(planned(f"{n}", to=f"+1555555{n:04}") for n in numbers))
    line.twilio.next.extend(["201"] * 116 + ["cut", "201", "201", "201"])
    line.send()
    line.send()
    sids = [sent["Sid"] for sent in line.twilio.sent]
    assert len(sids) == 120
    for provider_message_id in sids[:110]:
        line.tell(provider_message_id, "delivered")
    for provider_message_id in sids[:118]:
        line.twilio.move(provider_message_id, "delivered")
    foreign = line.twilio.book.take("AC" + "0" * 32, {"To": PHONE, "From": "+15555550199", "Body": "Hi"}, line.now())
    line.twilio.move(foreign.sid, "delivered")
    line.later(days=1)
    line.twilio.move(sids[118], "delivered")  # queued overnight: it stands in the next day's list
    del line.twilio.messages[sids[119]]
    counts = daily.compare_day(line.database, line.providers, DAY, line.now)
    assert counts == {"agreed": 110, "learnt": 8, "found": 1, "foreign": 1, "missing": 1}
    assert line.states == ["delivered"] * 119 + ["accepted"]
    assert sorted(line.alerts()) == [("foreign", f"twilio {DAY}"), ("missing", f"twilio {DAY}")]
    again = daily.compare_day(line.database, line.providers, DAY, line.now)
    assert again == {"agreed": 119, "foreign": 1, "missing": 1}


def test_a_day_whose_list_breaks_off_says_so_and_is_read_again(line: Line) -> None:
    line.put()
    line.send()
    line.twilio.move(line.twilio.sent[0]["Sid"], "delivered")
    line.twilio.next_looks.append("503/20503")
    with pytest.raises(OutcomeUnknown):
        daily.compare_day(line.database, line.providers, DAY, line.now)
    assert line.alerts() == []
    assert daily.compare_day(line.database, line.providers, DAY, line.now) == {"learnt": 1}


def test_a_text_taken_for_lost_that_went_out_after_all_is_told_to_a_person(line: Line) -> None:
    """The list lagged longer than anybody waits: it went out twice, and the day's comparison says so."""
    line.put()
    line.twilio.next.append("stall")
    line.twilio.list_lag = 3600
    line.send()
    line.later(minutes=11)
    line.look()
    assert line.send() == {"accepted": 1}
    for sent in line.twilio.sent:
        line.twilio.move(sent["Sid"], "delivered")
    line.later(days=1)
    counts = daily.compare_day(line.database, line.providers, DAY, line.now)
    assert counts == {"found": 1, "learnt": 1}
    assert [kind for kind, _ in line.alerts()] == ["contradiction"]
    assert line.states == ["delivered"]


def test_a_provider_that_keeps_no_lists_has_no_day(sqlite_database: Database) -> None:
    put(sqlite_database, planned())
    tick(sqlite_database, Recorder())
    assert daily.compare_day(sqlite_database, [Recorder()], DAY, lambda: datetime(2026, 10, 6, tzinfo=UTC)) == {}
