"""Our fake Twilio behind Prism's proxy, which returns 500 for responses that Twilio does not describe."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException

from homevisits.messages.providers.base import ProviderUnavailable
from tests.contract.conftest import NUMBER, PHONE, SERVICE, provider, sdk
from tests.messages.fake_twilio import FakeTwilio

Judged = tuple[str, FakeTwilio]


def test_message_from_a_number_passes_through_every_status(judged: Judged) -> None:
    address, fake = judged
    client = sdk(address)
    made = client.messages.create(
        to=PHONE,
        from_=NUMBER,
        body="¿Nos vemos mañana?",
        validity_period=3600,
        status_callback="https://x.example.org/t",
    )
    assert (made.status, made.num_segments, made.date_sent) == ("queued", "1", None)
    for status in ("sending", "sent", "delivered"):
        fake.move(made.sid, status)
        assert client.messages(made.sid).fetch().status == status
    assert client.messages(made.sid).fetch().date_sent is not None
    assert client.messages(made.sid).update(body="").body == ""
    assert client.messages(made.sid).delete()
    with pytest.raises(TwilioRestException) as gone:
        client.messages(made.sid).fetch()
    assert (gone.value.status, gone.value.code) == (404, 20404)


def test_messaging_service_accepts_and_chooses_the_sender_later(judged: Judged) -> None:
    address, fake = judged
    client = sdk(address)
    made = client.messages.create(to=PHONE, messaging_service_sid=SERVICE, body="Hello", validity_period=600)
    assert (made.status, made.num_segments, made.from_, made.messaging_service_sid) == ("accepted", "0", None, SERVICE)
    fake.move(made.sid, "undelivered", 30003)
    seen = client.messages(made.sid).fetch()
    assert (seen.status, seen.error_code, seen.num_segments) == ("undelivered", 30003, "1")
    assert seen.from_


def test_pending_message_can_be_cancelled_and_a_final_message_cannot(judged: Judged) -> None:
    client = sdk(judged[0])
    made = client.messages.create(to=PHONE, messaging_service_sid=SERVICE, body="Hello")
    assert client.messages(made.sid).update(status="canceled").status == "canceled"
    with pytest.raises(TwilioRestException) as late:
        client.messages(made.sid).update(status="canceled")
    assert (late.value.status, late.value.code) == (400, 20009)


def test_lists_are_newest_first_paged_and_filtered(judged: Judged) -> None:
    address, fake = judged
    client, phone = sdk(address), "+15005550017"
    made = [client.messages.create(to=phone, from_=NUMBER, body=f"{number}").sid for number in range(5)]
    assert [each.sid for each in client.messages.list(to=phone, page_size=2)] == made[::-1]
    assert [each.sid for each in client.messages.list(to=phone, page_size=2, limit=3)] == made[:1:-1]
    fake.move(made[1], "sent")
    now = datetime.now(UTC)
    around = {"date_sent_after": now - timedelta(minutes=5), "date_sent_before": now + timedelta(minutes=5)}
    # A queued message has no sending date, so a list by date does not contain it.
    assert [each.sid for each in client.messages.list(to=phone, **around)] == [made[1]]
    assert [each.sid for each in client.messages.list(to=phone, date_sent=now.date())] == [made[1]]
    assert client.messages.list(to="+15005550099") == []


REFUSED: list[tuple[dict[str, Any], int]] = [
    ({"to": PHONE, "from_": NUMBER, "body": ""}, 21602),
    ({"to": PHONE, "body": "Hello"}, 21603),
    ({"to": PHONE, "from_": NUMBER, "body": "x" * 1601}, 21617),
    ({"to": "+1", "from_": NUMBER, "body": "Hello"}, 21211),
    ({"to": "+15005550031", "from_": NUMBER, "body": "Hello"}, 21610),
]


@pytest.mark.parametrize(("wanted", "code"), REFUSED)
def test_invalid_message_is_refused_with_twilios_error_code(judged: Judged, wanted: dict[str, Any], code: int) -> None:
    address, fake = judged
    fake.receive_message("+15005550031", "Stop")
    before = len(fake.sent)
    with pytest.raises(TwilioRestException) as refused:
        sdk(address).messages.create(**wanted)
    assert (refused.value.status, refused.value.code, len(fake.sent)) == (400, code, before)


@pytest.mark.parametrize(
    "what", ["400/30034", "401/20003", "403/20005", "404/20404", "429/20429", "500/20500", "503/20503"]
)
def test_every_error_matches_twilios_description(judged: Judged, what: str) -> None:
    address, fake = judged
    fake.next.append(what)
    status, code = map(int, what.split("/"))
    with pytest.raises((TwilioRestException, ProviderUnavailable)) as failed:
        sdk(address).messages.create(to=PHONE, from_=NUMBER, body="Hello")
    if isinstance(failed.value, TwilioRestException):
        assert (failed.value.status, failed.value.code) == (status, code)
    else:  # our HTTP client raises its own exception with the Retry-After of a 429
        assert (failed.value.http_status, failed.value.retry_after) == (status, 7)
    fake.next_lookups.append(what)
    with pytest.raises((TwilioException, ProviderUnavailable)):
        sdk(address).messages.list(to=PHONE, limit=1)


def test_wrong_credentials_get_401(judged: Judged) -> None:
    address, fake = judged
    fake.auth_token = "another"
    with pytest.raises(TwilioRestException) as away:
        sdk(address).messages.create(to=PHONE, from_=NUMBER, body="Hello")
    assert (away.value.status, away.value.code) == (401, 20003)


def test_provider_works_with_the_fake_through_prism(judged: Judged) -> None:
    address, fake = judged
    ours, phone = provider(address), "+15005550041"
    for sender in (NUMBER, SERVICE):
        receipt = ours.send(phone, f"Hello from {sender}", "b" * 32, sender=sender, valid_for=36_000)
        assert fake.sent[-1]["ValidityPeriod"] == "36000"
        assert fake.sent[-1]["Sid"] == receipt.provider_message_id
    found = ours.find_messages(phone)
    assert [seen.body for seen in found] == [f"Hello from {SERVICE}", f"Hello from {NUMBER}"]
    seen = ours.get_message(found[0].provider_message_id)
    assert seen is not None
    assert (seen.status, seen.to) == ("accepted", phone)
    assert ours.get_message("SM" + "f" * 32) is None
    fake.move(found[1].provider_message_id, "delivered")
    assert found[1].provider_message_id in [
        each.provider_message_id for each in ours.list_messages(datetime.now(UTC).date())
    ]


def test_prism_rejects_invalid_answers_of_the_fake(judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    address, fake = judged
    made = sdk(address).messages.create(to=PHONE, from_=NUMBER, body="Hello")
    monkeypatch.setattr(fake.messages[made.sid], "sid", "not a SID")
    with pytest.raises(TwilioRestException) as caught:
        sdk(address).messages(made.sid).fetch()
    assert caught.value.status == 500
