"""The real SDK against a Twilio that fails in every way Twilio does: each ends in one text at most."""

import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from homevisits.core.db import Database
from homevisits.core.settings import Settings
from homevisits.messages.dispatch import claim
from homevisits.messages.providers import base, error_codes, registry
from homevisits.messages.providers.base import MessageRejected, OutcomeUnknown, ProviderUnavailable
from homevisits.messages.providers.error_codes import ErrorClass
from homevisits.messages.providers.twilio import Twilio
from tests.messages.conftest import NOW, PHONE, made_settings, planned, put, rows, states, tick
from tests.messages.fake_twilio import FakeTwilio


@pytest.fixture
def settings(twilio: FakeTwilio) -> Settings:
    return made_settings(twilio.url, "sqlite:///unused.sqlite")


def test_a_text_is_handed_over_with_its_callback(twilio: FakeTwilio, settings: Settings) -> None:
    (provider,) = registry.configured_providers(settings)
    assert provider.name == "twilio"
    receipt = provider.send(PHONE, "¡Hola!", "a" * 32, sender="+15555550199", valid_for=3600)
    assert receipt == base.Accepted(twilio.sent[0]["Sid"], "queued", segments=1)
    sent = twilio.sent[0]
    assert (sent["To"], sent["From"], sent["Body"]) == (PHONE, "+15555550199", "¡Hola!")
    assert sent["StatusCallback"] == f"https://visits.example.org/twilio/status/{'a' * 32}#rc=3&rp=all"


@pytest.mark.parametrize("what", ["stall", "cut", "reset", "html502", "500/20500", "503/20503"])
def test_nobody_knows_whether_it_left(twilio: FakeTwilio, settings: Settings, what: str) -> None:
    twilio.next.append(what)
    with pytest.raises(OutcomeUnknown):
        Twilio(settings).send(PHONE, "Hello", "t", sender="", valid_for=3600)
    assert twilio.requests == 1


def test_too_many_requests_is_surely_not_sent_and_says_how_long_to_wait(twilio: FakeTwilio, settings: Settings) -> None:
    twilio.next.append("429/20429")
    with pytest.raises(ProviderUnavailable) as down:
        Twilio(settings).send(PHONE, "Hello", "t", sender="", valid_for=3600)
    assert down.value.retry_after == 7


@pytest.mark.parametrize("what", ["401/20003", "400/21606", "400/21611", "400/30034"])
def test_trouble_with_the_account_or_sender_leaves_the_text_waiting(
    twilio: FakeTwilio, settings: Settings, what: str
) -> None:
    twilio.next.append(what)
    with pytest.raises(ProviderUnavailable) as down:
        Twilio(settings).send(PHONE, "Hello", "t", sender="", valid_for=3600)
    assert error_codes.error_class(down.value.code) in (ErrorClass.ACCOUNT, ErrorClass.QUEUE_FULL)


@pytest.mark.parametrize(("what", "ends"), [("400/21610", True), ("400/21211", False), ("400/99999", False)])
def test_what_will_never_arrive_is_refused(twilio: FakeTwilio, settings: Settings, what: str, ends: bool) -> None:
    twilio.next.append(what)
    with pytest.raises(MessageRejected) as refused:
        Twilio(settings).send(PHONE, "Hello", "t", sender="", valid_for=3600)
    assert (refused.value.code, refused.value.recipient_opted_out) == (what.split("/")[1], ends)


def test_nobody_answering_the_door_is_surely_not_sent() -> None:
    with pytest.raises(ProviderUnavailable):
        Twilio(made_settings("http://127.0.0.1:9", "sqlite:///unused.sqlite")).send(
            PHONE, "Hello", "t", sender="", valid_for=3600
        )


def test_the_whole_way_ends_in_one_text(database: Database, twilio: FakeTwilio, twilio_settings: Settings) -> None:
    put(database, planned())
    twilio.next.extend(["429/20429", "201"])
    provider = Twilio(twilio_settings)
    for seconds in (0, 1, 8, 20):
        tick(database, provider, NOW + timedelta(seconds=seconds))
    assert (len(twilio.sent), twilio.requests, states(database)) == (1, 2, ["accepted"])
    assert rows(database)[0].provider_message_id == twilio.sent[0]["Sid"]


def test_an_unclear_end_is_one_text_and_unknown(
    database: Database, twilio: FakeTwilio, twilio_settings: Settings
) -> None:
    put(database, planned())
    twilio.next.append("cut")
    provider = Twilio(twilio_settings)
    for minutes in range(0, 60, 10):
        tick(database, provider, NOW + timedelta(minutes=minutes))
    assert (twilio.requests, states(database)) == (1, ["unknown"])


WORKER = """
import sys
import homevisits.tables
from homevisits.core.db import Database
from homevisits.messages.providers.twilio import Twilio
from tests.messages.conftest import made_settings, tick
url, database_url = sys.argv[1:]
tick(Database(database_url), Twilio(made_settings(url, database_url)))
"""


def test_a_worker_killed_while_it_sends_leaves_one_text_and_unknown(
    database: Database, database_url: str, twilio: FakeTwilio, twilio_settings: Settings
) -> None:
    put(database, planned())
    twilio.next.append("stall")
    worker = subprocess.Popen([sys.executable, "-c", WORKER, twilio.url, database_url])
    try:
        for _ in range(400):
            if twilio.sent:
                break
            time.sleep(0.05)
        assert len(twilio.sent) == 1
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert states(database) == ["sending"]
    later = NOW + claim.LEASE + timedelta(seconds=1)
    tick(database, Twilio(twilio_settings), later)
    tick(database, Twilio(twilio_settings), later + timedelta(minutes=30))
    assert (len(twilio.sent), states(database)) == (1, ["unknown"])
