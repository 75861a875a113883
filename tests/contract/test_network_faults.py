"""Network faults from mountebank: the fake behind it must accept exactly 1 message.

The canned responses are from the shared mountebank-faults.json. Where a fault must follow an accepted message,
mountebank passes the request on and corrupts the response.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from homevisits.core.db import Database
from homevisits.messages.providers import registry
from tests.contract import mountebank
from tests.contract.mountebank import Mountebank, StubResponse, proxy_response
from tests.messages import fake_twilio
from tests.messages.conftest import make_settings, planned_message
from tests.messages.fake_twilio import FakeTwilio
from tests.messages.installation import Installation

TRUNCATED = """response.body = '{"sid": "SMcc';"""
PAGE = """response.statusCode = 502; response.headers['Content-Type'] = 'text/html'; response.body = '<h1>Bad</h1>';"""


@pytest.fixture(scope="module")
def mb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mountebank]:
    with mountebank.running(tmp_path_factory.mktemp("mountebank")) as running:
        yield running


@pytest.fixture
def canned_responses(shared: Path) -> dict[str, list[StubResponse]]:
    """The responses of the shared file, by the message body that selects them."""
    stubs = json.loads((shared / "twilio" / "mountebank-faults.json").read_text())["stubs"]
    return {stub["predicates"][-1]["contains"]["body"]: stub["responses"] for stub in stubs}


FAULTS: dict[str, tuple[Callable[[dict[str, list[StubResponse]], str], list[StubResponse]], int]] = {
    # the responses, and the number of POST requests until a message is accepted
    "429, 429, 503, 201": (lambda canned_responses, _target_url: canned_responses["SEQ"][:2], 4),
    "reset": (lambda canned_responses, _target_url: canned_responses["RESET"], 2),
    "garbage": (lambda canned_responses, _target_url: canned_responses["GARBAGE"], 2),
    "an HTML 502": (lambda canned_responses, _target_url: canned_responses["HTML502"], 2),
    "an HTML 502 though it was taken": (lambda _canned, target_url: [proxy_response(target_url, PAGE)], 1),
    "a truncated 201": (lambda _canned, target_url: [proxy_response(target_url, TRUNCATED)], 1),
    "a stall": (
        lambda canned_responses, target_url: [
            proxy_response(target_url, wait=canned_responses["SLOW"][0]["behaviors"][0]["wait"])
        ],
        1,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_network_fault_gives_exactly_1_message(
    database: Database, mb: Mountebank, canned_responses: dict[str, list[StubResponse]], fault: str
) -> None:
    make_responses, post_requests = FAULTS[fault]
    with fake_twilio.running() as twilio, mb.create_imposter(twilio.url, make_responses(canned_responses, twilio.url)):
        installation = make_installation(mb, database, twilio)
        installation.enqueue(planned_message(key="one"))
        run_worker(installation, minutes=25)
        assert (installation.sent_count, mb.count_post_requests(), installation.states) == (
            1,
            post_requests,
            ["accepted"],
        )
        assert installation.message.provider_message_id == twilio.sent[0]["Sid"]


def make_installation(mb: Mountebank, database: Database, twilio: FakeTwilio) -> Installation:
    """An installation that reaches its provider through mountebank."""
    installation = Installation(database, twilio)
    installation.providers = registry.configured_providers(make_settings(mb.url, database.url))
    return installation


def run_worker(installation: Installation, minutes: int) -> None:
    """Do the work of a worker for some minutes: send due messages and look up unclear attempts."""
    for _ in range(minutes * 6):
        installation.send()
        installation.look_up_unclear()
        installation.advance_clock(seconds=10)
