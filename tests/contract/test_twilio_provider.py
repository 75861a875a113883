"""Our requests to Twilio, checked by Prism against Twilio's OpenAPI description."""

from datetime import date

import pytest
from twilio.base.exceptions import TwilioRestException

from homevisits.messages.providers.base import MessageRejected, OutcomeUnknown, ProviderUnavailable
from tests.contract.conftest import NUMBER, PHONE, SERVICE, provider, sdk

TOKEN = "a" * 32


@pytest.mark.parametrize("sender", [NUMBER, SERVICE])
def test_message_is_accepted_from_a_number_and_from_a_messaging_service(prism: str, sender: str) -> None:
    receipt = provider(prism).send(PHONE, "Hola, visita mañana", TOKEN, sender=sender, valid_for=3600)
    assert receipt.provider_message_id.startswith("SM")
    assert receipt.status


def test_messages_to_a_phone_can_be_listed(prism: str) -> None:
    messages = provider(prism).find_messages(PHONE)
    assert messages
    assert all(message.provider_message_id and message.status for message in messages)


def test_message_can_be_fetched(prism: str) -> None:
    message = provider(prism).get_message("SM" + "a" * 32)
    assert message is not None
    assert message.provider_message_id.startswith(("SM", "MM"))


def test_messages_of_a_day_can_be_listed(prism: str) -> None:
    # Every page of Prism's example names a next page, so only the first message is read.
    assert next(iter(provider(prism).list_messages(date(2026, 10, 5)))).provider_message_id


def test_message_can_be_cancelled_redacted_and_deleted(prism: str) -> None:
    message = sdk(prism).messages("SM" + "a" * 32)
    assert message.update(status="canceled").sid
    assert message.update(body="").sid
    assert message.delete()


@pytest.mark.parametrize(
    ("prefer", "exception", "code"),
    [
        ("code=429", ProviderUnavailable, "429"),
        ("code=401", ProviderUnavailable, "20003"),
        ("code=400, example=21610", MessageRejected, "21610"),
        ("code=500", OutcomeUnknown, "20500"),
        ("code=503", OutcomeUnknown, "20503"),
    ],
)
def test_documented_error_raises_the_matching_exception(
    prism: str, prefer: str, exception: type[ProviderUnavailable | MessageRejected | OutcomeUnknown], code: str
) -> None:
    with pytest.raises(exception) as error:
        provider(prism, prefer).send(PHONE, "Hello", TOKEN, sender=NUMBER, valid_for=600)
    assert error.value.code == code


def test_prism_rejects_invalid_requests(prism: str) -> None:
    with pytest.raises(TwilioRestException) as error:
        sdk(prism).messages.create(to=PHONE, messaging_service_sid="MGnone", body="Hello")
    assert error.value.status in (400, 422)
    with pytest.raises(TwilioRestException):
        sdk(prism).messages("XXnope").fetch()
