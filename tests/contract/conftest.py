"""Prism as a mock of Twilio, Prism as a validating proxy before our fake, and clients for both."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twilio.rest import Client

from homevisits.messages.providers.twilio import Twilio, TwilioHttp
from tests import external_programs
from tests.messages import fake_twilio
from tests.messages.conftest import make_settings

ACCOUNT = "AC" + "0" * 32
SERVICE = "MG" + "a" * 32
NUMBER, PHONE = "+15005550001", "+15005550006"


@pytest.fixture(scope="session")
def description(shared: Path) -> Path:
    """Twilio's OpenAPI description of Messages, with the error responses it documents in prose."""
    return shared / "twilio" / "twilio_messages_v2010.errors.json"


@pytest.fixture(scope="session")
def prism(description: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Prism mock of Twilio, which rejects requests that the description does not allow."""
    port, log = external_programs.find_free_port(), tmp_path_factory.mktemp("prism") / "mock.log"
    command = [
        *external_programs.node_command("prism"),
        "mock",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "--errors",
        str(description),
    ]
    with external_programs.run_server(command, port, log):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def prism_proxy(
    description: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, fake_twilio.FakeTwilio]]:
    """Prism proxy before our fake; returns 500 for any response that does not match the description."""
    port, log = external_programs.find_free_port(), tmp_path_factory.mktemp("prism") / "proxy.log"
    with fake_twilio.running() as fake:
        command = [*external_programs.node_command("prism"), "proxy", "-h", "127.0.0.1", "-p", str(port), "--errors"]
        with external_programs.run_server([*command, str(description), fake.url], port, log):
            yield f"http://127.0.0.1:{port}", fake


@pytest.fixture
def proxied_fake(prism_proxy: tuple[str, fake_twilio.FakeTwilio]) -> tuple[str, fake_twilio.FakeTwilio]:
    """The proxy with the fake's programmed behavior reset."""
    fake = prism_proxy[1]
    fake.next.clear()
    fake.next_lookups.clear()
    fake.stopped.clear()
    fake.auth_token, fake.list_lag = None, 0.0
    return prism_proxy


def sdk(address: str) -> Any:
    """Twilio's SDK with our HTTP client."""
    return Client(ACCOUNT, "token", http_client=TwilioHttp(10, address), environment={"": ""})


def provider(address: str, prefer: str = "") -> Twilio:
    """Our provider; `prefer` selects the example that Prism returns."""
    twilio = Twilio(make_settings(address, "sqlite:///unused.sqlite"))
    if prefer:
        twilio.http.session.headers["Prefer"] = prefer
    return twilio
