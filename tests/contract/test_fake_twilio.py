"""Our fake Twilio behind Prism's proxy, which returns 500 for responses that Twilio does not describe."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException

from homevisits.messages.providers.base import ProviderUnavailable
from tests.contract.conftest import NUMBER, PHONE, SERVICE, provider, sdk
from tests.messages.fake_twilio import FakeTwilio

ProxiedFake = tuple[str, FakeTwilio]


def test_message_from_a_number_passes_through_every_status(proxied_fake: ProxiedFake) -> None:
    address, fake = proxied_fake
    client = sdk(address)
    message = client.messages.create(
        to=PHONE,
        from_=NUMBER,
        body="¿Nos vemos mañana?",
        validity_period=3600,
        status_callback="https://x.example.org/t",
    )
    assert (message.status, message.num_segments, message.date_sent) == ("queued", "1", None)
    for status in ("sending", "sent", "delivered"):
        fake.move(message.sid, status)
        assert client.messages(message.sid).fetch().status == status
    assert client.messages(message.sid).fetch().date_sent is not None
    assert client.messages(message.sid).update(body="").body == ""
    assert client.messages(message.sid).delete()
    with pytest.raises(TwilioRestException) as error:
        client.messages(message.sid).fetch()
    assert (error.value.status, error.value.code) == (404, 20404)


def test_messaging_service_accepts_and_chooses_the_sender_later(proxied_fake: ProxiedFake) -> None:
    address, fake = proxied_fake
    client = sdk(address)
    message = client.messages.create(to=PHONE, messaging_service_sid=SERVICE, body="Hello", validity_period=600)
    assert (message.status, message.num_segments, message.from_, message.messaging_service_sid) == (
        "accepted",
        "0",
        None,
        SERVICE,
    )
    fake.move(message.sid, "undelivered", 30003)
    fetched = client.messages(message.sid).fetch()
    assert (fetched.status, fetched.error_code, fetched.num_segments) == ("undelivered", 30003, "1")
    assert fetched.from_


def test_pending_message_can_be_cancelled_and_a_final_message_cannot(proxied_fake: ProxiedFake) -> None:
    client = sdk(proxied_fake[0])
    message = client.messages.create(to=PHONE, messaging_service_sid=SERVICE, body="Hello")
    assert client.messages(message.sid).update(status="canceled").status == "canceled"
    with pytest.raises(TwilioRestException) as error:
        client.messages(message.sid).update(status="canceled")
    assert (error.value.status, error.value.code) == (400, 20009)


def test_lists_are_newest_first_paged_and_filtered(proxied_fake: ProxiedFake) -> None:
    address, fake = proxied_fake
    client, phone = sdk(address), "+15005550017"
    message_ids = [client.messages.create(to=phone, from_=NUMBER, body=f"{number}").sid for number in range(5)]
    assert [message.sid for message in client.messages.list(to=phone, page_size=2)] == message_ids[::-1]
    assert [message.sid for message in client.messages.list(to=phone, page_size=2, limit=3)] == message_ids[:1:-1]
    fake.move(message_ids[1], "sent")
    now = datetime.now(UTC)
    date_range = {"date_sent_after": now - timedelta(minutes=5), "date_sent_before": now + timedelta(minutes=5)}
    # A queued message has no sending date, so a list by date does not contain it.
    assert [message.sid for message in client.messages.list(to=phone, **date_range)] == [message_ids[1]]
    assert [message.sid for message in client.messages.list(to=phone, date_sent=now.date())] == [message_ids[1]]
    assert client.messages.list(to="+15005550099") == []


INVALID_MESSAGES: list[tuple[dict[str, Any], int]] = [
    ({"to": PHONE, "from_": NUMBER, "body": ""}, 21602),
    ({"to": PHONE, "body": "Hello"}, 21603),
    ({"to": PHONE, "from_": NUMBER, "body": "x" * 1601}, 21617),
    ({"to": "+1", "from_": NUMBER, "body": "Hello"}, 21211),
    ({"to": "+15005550031", "from_": NUMBER, "body": "Hello"}, 21610),
]


@pytest.mark.parametrize(("arguments", "code"), INVALID_MESSAGES)
def test_invalid_message_is_refused_with_twilios_error_code(
    proxied_fake: ProxiedFake, arguments: dict[str, Any], code: int
) -> None:
    address, fake = proxied_fake
    fake.receive_message("+15005550031", "Stop")
    before = len(fake.sent)
    with pytest.raises(TwilioRestException) as error:
        sdk(address).messages.create(**arguments)
    assert (error.value.status, error.value.code, len(fake.sent)) == (400, code, before)


@pytest.mark.parametrize(
    "programmed_error", ["400/30034", "401/20003", "403/20005", "404/20404", "429/20429", "500/20500", "503/20503"]
)
def test_every_error_matches_twilios_description(proxied_fake: ProxiedFake, programmed_error: str) -> None:
    address, fake = proxied_fake
    fake.next.append(programmed_error)
    status, code = map(int, programmed_error.split("/"))
    with pytest.raises((TwilioRestException, ProviderUnavailable)) as error:
        sdk(address).messages.create(to=PHONE, from_=NUMBER, body="Hello")
    if isinstance(error.value, TwilioRestException):
        assert (error.value.status, error.value.code) == (status, code)
    else:  # our HTTP client raises its own exception with the Retry-After of a 429
        assert (error.value.http_status, error.value.retry_after) == (status, 7)
    fake.next_lookups.append(programmed_error)
    with pytest.raises((TwilioException, ProviderUnavailable)):
        sdk(address).messages.list(to=PHONE, limit=1)


def test_wrong_credentials_get_401(proxied_fake: ProxiedFake) -> None:
    address, fake = proxied_fake
    fake.auth_token = "another"
    with pytest.raises(TwilioRestException) as error:
        sdk(address).messages.create(to=PHONE, from_=NUMBER, body="Hello")
    assert (error.value.status, error.value.code) == (401, 20003)


def test_provider_works_with_the_fake_through_prism(proxied_fake: ProxiedFake) -> None:
    address, fake = proxied_fake
    twilio, phone = provider(address), "+15005550041"
    for sender in (NUMBER, SERVICE):
        receipt = twilio.send(phone, f"Hello from {sender}", "b" * 32, sender=sender, valid_for=36_000)
        assert fake.sent[-1]["ValidityPeriod"] == "36000"
        assert fake.sent[-1]["Sid"] == receipt.provider_message_id
    messages = twilio.find_messages(phone)
    assert [message.body for message in messages] == [f"Hello from {SERVICE}", f"Hello from {NUMBER}"]
    message = twilio.get_message(messages[0].provider_message_id)
    assert message is not None
    assert (message.status, message.to) == ("accepted", phone)
    assert twilio.get_message("SM" + "f" * 32) is None
    fake.move(messages[1].provider_message_id, "delivered")
    assert messages[1].provider_message_id in [
        message.provider_message_id for message in twilio.list_messages(datetime.now(UTC).date())
    ]


def test_prism_rejects_invalid_answers_of_the_fake(proxied_fake: ProxiedFake, monkeypatch: pytest.MonkeyPatch) -> None:
    address, fake = proxied_fake
    message = sdk(address).messages.create(to=PHONE, from_=NUMBER, body="Hello")
    monkeypatch.setattr(fake.messages[message.sid], "sid", "not a SID")
    with pytest.raises(TwilioRestException) as error:
        sdk(address).messages(message.sid).fetch()
    assert error.value.status == 500
