"""Verification of Twilio's signature. tests/faults sends the same requests to a real gunicorn."""

import pytest
from flask import Request
from twilio.request_validator import RequestValidator
from werkzeug.test import EnvironBuilder

from homevisits.core.settings import Settings
from homevisits.messages.providers import twilio_signature
from tests.messages.conftest import make_settings
from tests.messages.signed_requests import STATUS_PATH, WEBHOOK_REQUESTS, WebhookRequest, sign


@pytest.fixture(scope="module")
def settings() -> Settings:
    return make_settings("http://127.0.0.1:9", "sqlite:///unused.sqlite")


def make_request(webhook_request: WebhookRequest, **environ: str) -> Request:
    """Return the request as the web server passes it to the application."""
    builder = EnvironBuilder(path="/", method="POST", data=webhook_request.content(), headers=webhook_request.headers())
    values = builder.get_environ()
    values |= {
        "RAW_URI": webhook_request.path,
        "REQUEST_URI": webhook_request.path,
        "QUERY_STRING": webhook_request.path.partition("?")[2],
        **environ,
    }
    return Request(values)


def test_own_signature_matches_twilios_library() -> None:
    # The example of Twilio's documentation on securing webhooks.
    form = {"CallSid": "CA1234567890ABCDE", "Caller": "+14158675310", "Digits": "1234", "From": "+14158675310",
            "To": "+18005551212"}  # fmt: skip
    address = "https://example.com/myapp.php?foo=1&bar=2"
    assert sign(address, list(form.items()), "12345") == RequestValidator("12345").compute_signature(address, form)


@pytest.mark.parametrize("webhook_request", WEBHOOK_REQUESTS, ids=lambda request: request.description)
def test_only_requests_signed_by_twilio_are_valid(webhook_request: WebhookRequest, settings: Settings) -> None:
    assert twilio_signature.has_valid_signature(make_request(webhook_request), settings) is (
        webhook_request.expected_status != 403
    )


def test_absolute_request_uri_from_a_proxy_is_accepted(settings: Settings) -> None:
    assert twilio_signature.has_valid_signature(
        make_request(WEBHOOK_REQUESTS[0], RAW_URI="http://inside:8000" + STATUS_PATH), settings
    )
    assert not twilio_signature.has_valid_signature(
        make_request(WEBHOOK_REQUESTS[0], RAW_URI="http://inside:8000"), settings
    )


def test_no_signature_is_valid_without_an_auth_token(settings: Settings) -> None:
    object.__setattr__(settings, "twilio_auth_token", "")
    try:
        assert not twilio_signature.has_valid_signature(make_request(WEBHOOK_REQUESTS[0]), settings)
    finally:
        object.__setattr__(settings, "twilio_auth_token", "token")
