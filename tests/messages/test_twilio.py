"""The Twilio provider with the real SDK against the fake Twilio: no failure causes a second message."""

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
from tests.messages.conftest import NOW, PHONE, dispatch, enqueue, load_messages, make_settings, planned_message, states
from tests.messages.fake_twilio import FakeTwilio


@pytest.fixture
def settings(twilio: FakeTwilio) -> Settings:
    return make_settings(twilio.url, "sqlite:///unused.sqlite")


def test_message_is_sent_with_its_callback_url(twilio: FakeTwilio, settings: Settings) -> None:
    (provider,) = registry.configured_providers(settings)
    assert provider.name == "twilio"
    receipt = provider.send(PHONE, "¡Hola!", "a" * 32, sender="+15555550199", valid_for=3600)
    assert receipt == base.Accepted(twilio.sent[0]["Sid"], "queued", segments=1)
    sent = twilio.sent[0]
    assert (sent["To"], sent["From"], sent["Body"]) == (PHONE, "+15555550199", "¡Hola!")
    assert sent["StatusCallback"] == f"https://visits.example.org/twilio/status/{'a' * 32}#rc=3&rp=all"


@pytest.mark.parametrize("outcome", ["stall", "cut", "reset", "html502", "500/20500", "503/20503"])
def test_ambiguous_failure_raises_outcome_unknown(twilio: FakeTwilio, settings: Settings, outcome: str) -> None:
    twilio.next.append(outcome)
    with pytest.raises(OutcomeUnknown):
        Twilio(settings).send(PHONE, "Hello", "t", sender="", valid_for=3600)
    assert twilio.requests == 1


def test_429_raises_provider_unavailable_with_retry_after(twilio: FakeTwilio, settings: Settings) -> None:
    twilio.next.append("429/20429")
    with pytest.raises(ProviderUnavailable) as down:
        Twilio(settings).send(PHONE, "Hello", "t", sender="", valid_for=3600)
    assert down.value.retry_after == 7


@pytest.mark.parametrize("outcome", ["401/20003", "400/21606", "400/21611", "400/30034"])
def test_account_or_sender_error_raises_provider_unavailable(
    twilio: FakeTwilio, settings: Settings, outcome: str
) -> None:
    twilio.next.append(outcome)
    with pytest.raises(ProviderUnavailable) as down:
        Twilio(settings).send(PHONE, "Hello", "t", sender="", valid_for=3600)
    assert error_codes.error_class(down.value.code) in (ErrorClass.ACCOUNT, ErrorClass.QUEUE_FULL)


@pytest.mark.parametrize(("outcome", "opted_out"), [("400/21610", True), ("400/21211", False), ("400/99999", False)])
def test_permanent_error_raises_message_rejected(
    twilio: FakeTwilio, settings: Settings, outcome: str, opted_out: bool
) -> None:
    twilio.next.append(outcome)
    with pytest.raises(MessageRejected) as error:
        Twilio(settings).send(PHONE, "Hello", "t", sender="", valid_for=3600)
    assert (error.value.code, error.value.recipient_opted_out) == (outcome.split("/")[1], opted_out)


def test_refused_connection_raises_provider_unavailable() -> None:
    with pytest.raises(ProviderUnavailable):
        Twilio(make_settings("http://127.0.0.1:9", "sqlite:///unused.sqlite")).send(
            PHONE, "Hello", "t", sender="", valid_for=3600
        )


def test_message_retried_after_429_is_sent_once(
    database: Database, twilio: FakeTwilio, twilio_settings: Settings
) -> None:
    enqueue(database, planned_message())
    twilio.next.extend(["429/20429", "201"])
    provider = Twilio(twilio_settings)
    for seconds in (0, 1, 8, 20):
        dispatch(database, provider, NOW + timedelta(seconds=seconds))
    assert (len(twilio.sent), twilio.requests, states(database)) == (1, 2, ["accepted"])
    assert load_messages(database)[0].provider_message_id == twilio.sent[0]["Sid"]


def test_message_with_unclear_outcome_is_not_resent(
    database: Database, twilio: FakeTwilio, twilio_settings: Settings
) -> None:
    enqueue(database, planned_message())
    twilio.next.append("cut")
    provider = Twilio(twilio_settings)
    for minutes in range(0, 60, 10):
        dispatch(database, provider, NOW + timedelta(minutes=minutes))
    assert (twilio.requests, states(database)) == (1, ["unknown"])


WORKER = """
import sys
import homevisits.tables
from homevisits.core.db import Database
from homevisits.messages.providers.twilio import Twilio
from tests.messages.conftest import dispatch, make_settings
url, database_url = sys.argv[1:]
dispatch(Database(database_url), Twilio(make_settings(url, database_url)))
"""


def test_worker_killed_while_sending_leaves_one_message_in_state_unknown(
    database: Database, database_url: str, twilio: FakeTwilio, twilio_settings: Settings
) -> None:
    enqueue(database, planned_message())
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
    after_lease = NOW + claim.LEASE + timedelta(seconds=1)
    dispatch(database, Twilio(twilio_settings), after_lease)
    dispatch(database, Twilio(twilio_settings), after_lease + timedelta(minutes=30))
    assert (len(twilio.sent), states(database)) == (1, ["unknown"])
