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
from tests.contract.mountebank import Answer, Mountebank, passing
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
def canned(shared: Path) -> dict[str, list[Answer]]:
    """The responses of the shared file, by the message body that selects them."""
    stubs = json.loads((shared / "twilio" / "mountebank-faults.json").read_text())["stubs"]
    return {stub["predicates"][-1]["contains"]["body"]: stub["responses"] for stub in stubs}


FAULTS: dict[str, tuple[Callable[[dict[str, list[Answer]], str], list[Answer]], int]] = {
    # the responses, and the number of POST requests until a message is accepted
    "429, 429, 503, 201": (lambda canned, _behind: canned["SEQ"][:2], 4),
    "reset": (lambda canned, _behind: canned["RESET"], 2),
    "garbage": (lambda canned, _behind: canned["GARBAGE"], 2),
    "an HTML 502": (lambda canned, _behind: canned["HTML502"], 2),
    "an HTML 502 though it was taken": (lambda _canned, behind: [passing(behind, PAGE)], 1),
    "a truncated 201": (lambda _canned, behind: [passing(behind, TRUNCATED)], 1),
    "a stall": (lambda canned, behind: [passing(behind, wait=canned["SLOW"][0]["behaviors"][0]["wait"])], 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_network_fault_gives_exactly_1_message(
    database: Database, mb: Mountebank, canned: dict[str, list[Answer]], fault: str
) -> None:
    answers, creates = FAULTS[fault]
    with fake_twilio.running() as behind, mb.between(behind.url, answers(canned, behind.url)):
        line = through(mb, database, behind)
        line.put(planned_message(key="one"))
        live(line, minutes=25)
        assert (line.sent_count, mb.creates(), line.states) == (1, creates, ["accepted"])
        assert line.message.provider_message_id == behind.sent[0]["Sid"]


def through(mb: Mountebank, database: Database, behind: FakeTwilio) -> Installation:
    """An installation that reaches its provider through mountebank."""
    line = Installation(database, behind)
    line.providers = registry.configured_providers(make_settings(mb.url, database.url))
    return line


def live(line: Installation, minutes: int) -> None:
    """Do the work of a worker for some minutes: send due messages and look up unclear attempts."""
    for _ in range(minutes * 6):
        line.send()
        line.look_up_unclear()
        line.advance_clock(seconds=10)
