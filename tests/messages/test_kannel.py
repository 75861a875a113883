"""Kannel: sending, delivery reports and incoming messages. Two tests run a real Kannel."""

import time
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from homevisits.app import create_app
from homevisits.core import settings as house_settings
from homevisits.core.db import Database
from homevisits.inbox.webhooks.kannel_web import decode_text, to_e164
from homevisits.messages.callbacks.kannel_web import parse_report_type
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.models import IncomingMessage, ProviderEvent
from homevisits.messages.providers import base, callback_token, registry
from homevisits.messages.providers.base import MessageRejected, OutcomeUnknown, ProviderUnavailable
from homevisits.messages.providers.error_codes import ErrorClass, error_class, is_known
from homevisits.messages.providers.kannel import Kannel
from homevisits.messages.recipients import opt_outs
from homevisits.worker import build_send_policy
from tests.faults import kannel as real_kannel
from tests.faults import processes
from tests.messages import fake_kannel
from tests.messages.conftest import (
    PHONE,
    dispatch,
    enqueue,
    fixed_clock,
    load_messages,
    make_sender,
    make_settings,
    planned_message,
    states,
)
from tests.messages.fake_kannel import SECRET, FakeKannel, with_kannel

TOKEN = "0123456789abcdef" * 2
SEND_OPTIONS = {"sender": "+15555550188", "valid_for": 600}
INBOUND = f"/kannel/inbound/{callback_token.compute_token(SECRET, callback_token.INBOUND)}"


@pytest.fixture
def gateway() -> FakeKannel:
    """Run a fake Kannel."""
    with fake_kannel.running() as server:
        yield server


def make_provider(url: str) -> Kannel:
    """Return a provider that sends to this Kannel."""
    return Kannel(with_kannel(make_settings("http://127.0.0.1:9", "sqlite:///unused.sqlite"), url))


@pytest.fixture
def client(sqlite_database: Database) -> FlaskClient:
    """Return a client of the web application."""
    settings = with_kannel(make_settings("http://127.0.0.1:9", sqlite_database.url), "http://127.0.0.1:9/")
    return create_app(settings, sqlite_database).test_client()


def test_settings_choose_first_and_second_provider() -> None:
    settings = make_settings("http://127.0.0.1:9", "sqlite:///unused.sqlite")
    both = registry.configured_providers(with_kannel(settings, "http://127.0.0.1:9/"))
    assert [configured.name for configured in both] == ["twilio", "kannel"]
    assert [
        configured.name
        for configured in registry.configured_providers(with_kannel(settings, "http://127.0.0.1:9/", second=False))
    ] == ["kannel"]


@pytest.mark.parametrize("first", ["console", "kannel"])
def test_second_provider_is_refused_beside_the_console_or_itself(first: str) -> None:
    # The console provider accepts every message and sends none, so a second provider would never be used.
    kannel = {f"kannel_{name}": "x" * 40 for name in ("username", "password", "from", "secret")}
    values = {"mode": "development", "database_url": "sqlite:///x", "secret_key": "x" * 40, "provider": first}
    values |= {"public_url": "https://visits.example.org", "kannel_url": "http://127.0.0.1:9/", **kannel}
    house_settings.load_settings({}, **values)
    with pytest.raises(house_settings.InvalidSettings, match="stands in for another provider"):
        house_settings.load_settings({}, second_provider="kannel", **values)


@pytest.mark.parametrize("texting", ["trial", "live"])
def test_trial_sends_no_family_message_through_the_second_provider(
    gateway: FakeKannel, database: Database, texting: str
) -> None:
    settings = with_kannel(make_settings("http://127.0.0.1:9", database.url), gateway.url)
    settings = settings.model_copy(update={"texting": texting})
    enqueue(database, planned_message())
    with database.transaction() as session:
        make_sender(session, "kannel", settings.kannel_from)
    dispatcher.dispatch_due(
        database, registry.configured_providers(settings)[1:], build_send_policy(settings), fixed_clock()
    )
    assert len(gateway.sent) == (texting == "live")
    assert load_messages(database)[0].error == ("trial" if texting == "trial" else None)


def test_message_is_sent_with_headers_and_a_callback_url(gateway: FakeKannel) -> None:
    receipt = make_provider(gateway.url).send(PHONE, "Mañana a las 4", TOKEN, **SEND_OPTIONS)  # type: ignore[arg-type]
    assert receipt == base.Accepted(f"kannel-{TOKEN}", "accepted")
    (sent,) = gateway.sent
    assert (sent["X-Kannel-To"], sent["X-Kannel-From"], sent["text"]) == (PHONE, "+15555550188", "Mañana a las 4")
    assert (sent["X-Kannel-Coding"], sent["X-Kannel-DLR-Mask"], sent["X-Kannel-Validity"]) == ("0", "31", "10")
    path = f"/kannel/status/{TOKEN}/{callback_token.compute_token(SECRET, TOKEN)}"
    assert sent["X-Kannel-DLR-Url"] == f"https://visits.example.org{path}?type=%d&id=%I&answer=%A"


@pytest.mark.parametrize("text", ["¿Sí?", "مرحبا", "👍"])
def test_message_outside_gsm7_is_sent_as_ucs2(gateway: FakeKannel, text: str) -> None:
    make_provider(gateway.url).send(PHONE, text, TOKEN, **SEND_OPTIONS)  # type: ignore[arg-type]
    assert (gateway.sent[0]["X-Kannel-Coding"], gateway.sent[0]["text"]) == ("2", text)


@pytest.mark.parametrize(
    ("response", "raised", "code", "expected_class"),
    [
        ("503", ProviderUnavailable, "kannel_busy", ErrorClass.RETRY),
        ("429", ProviderUnavailable, "429", ErrorClass.RETRY),
        ("403", ProviderUnavailable, "403", ErrorClass.ACCOUNT),
        ("nowhere", MessageRejected, "kannel_not_routable", ErrorClass.REJECTED),
        ("400", MessageRejected, "kannel_refused", ErrorClass.REJECTED),
        ("proxy", OutcomeUnknown, "502", ErrorClass.UNKNOWN),
        ("portal", OutcomeUnknown, "unreadable_answer", ErrorClass.UNKNOWN),
        ("elsewhere", OutcomeUnknown, "unreadable_answer", ErrorClass.UNKNOWN),
        ("reset", OutcomeUnknown, "no_answer", ErrorClass.UNKNOWN),
    ],
)
def test_response_is_classified(
    gateway: FakeKannel,
    response: str,
    raised: type[ProviderUnavailable | MessageRejected | OutcomeUnknown],
    code: str,
    expected_class: ErrorClass,
) -> None:
    gateway.next.append(response)
    with pytest.raises(raised) as error:
        make_provider(gateway.url).send(PHONE, "Hello", TOKEN, **SEND_OPTIONS)  # type: ignore[arg-type]
    assert (error.value.code, error_class(code), is_known(code), gateway.calls) == (code, expected_class, True, 1)


def test_queued_response_is_accepted_and_refused_connection_is_not(gateway: FakeKannel) -> None:
    gateway.next.append("later")
    assert make_provider(gateway.url).send(PHONE, "Hello", TOKEN, **SEND_OPTIONS).status == "queued"  # type: ignore[arg-type]
    with pytest.raises(ProviderUnavailable) as down:
        make_provider("http://127.0.0.1:9/").send(PHONE, "Hello", TOKEN, **SEND_OPTIONS)  # type: ignore[arg-type]
    assert down.value.code == "no_connection"


def test_lookup_is_not_supported(gateway: FakeKannel) -> None:
    kannel = make_provider(gateway.url)
    assert (kannel.supports_lookup, kannel.find_messages(PHONE), kannel.get_message("kannel-x")) == (False, [], None)


@pytest.mark.parametrize(
    ("report_type", "status", "code"),
    [
        ("1", "delivered", ""), ("2", "undelivered", "kannel_undelivered"), ("4", "queued", ""), ("8", "sent", ""),
        ("16", "failed", "kannel_smsc_rejected"), ("9", "delivered", ""), ("12", "sent", ""), ("32", "kannel-32", ""),
        ("", "kannel-", ""), ("x" * 99, "kannel-" + "x" * 20, ""), ("١", "kannel-١", ""),
    ],
)  # fmt: skip
def test_report_type_is_parsed(report_type: str, status: str, code: str) -> None:
    assert parse_report_type(report_type) == (status, code)


def test_report_sets_the_final_state_and_forged_report_gets_403(
    client: FlaskClient, sqlite_database: Database, gateway: FakeKannel
) -> None:
    enqueue(sqlite_database, planned_message())
    with sqlite_database.transaction() as session:
        make_sender(session, "kannel", "+15555550188")
    dispatch(sqlite_database, make_provider(gateway.url))
    (text,) = load_messages(sqlite_database)
    valid = f"/kannel/status/{text.attempt_id}/{callback_token.compute_token(SECRET, str(text.attempt_id))}"
    token_of_other = f"/kannel/status/{text.attempt_id}/{callback_token.compute_token(SECRET, TOKEN)}"
    for forged in (
        token_of_other,
        valid[:-1],
        f"/kannel/status/x/{callback_token.compute_token(SECRET, 'x')}",
        f"/kannel/status/{text.attempt_id}/ñ",
    ):
        assert client.get(forged + "?type=1").status_code == 403, forged
    assert states(sqlite_database) == ["accepted"]
    for report_type in ("8", "1", "8", "1"):
        response = client.get(f"{valid}?type={report_type}&id=abc&answer=ACK%2F")
        assert (response.status_code, response.data) == (200, b"")
    assert states(sqlite_database) == ["delivered"]
    with sqlite_database.reading() as session:
        assert list(session.scalars(select(ProviderEvent.status).order_by(ProviderEvent.id))) == ["sent", "delivered"]


def test_incoming_message_is_stored_once_in_any_encoding(client: FlaskClient, sqlite_database: Database) -> None:
    for charset in ("UTF-16BE", "UTF-16BE"):
        response = client.post(
            f"{INBOUND}?id=mo-1&from=15555550101&to=%2B15555550188",
            data="Sí, STOP".encode(charset), content_type=f'text/plain; charset="{charset}"',
        )  # fmt: skip
        assert (response.status_code, response.data) == (200, b"")
    stop = client.post(f"{INBOUND}?id=mo-2&from=%2B15555550102&to=1", data=b"STOP", content_type="text/plain")
    assert stop.status_code == 200
    with sqlite_database.reading() as session:
        stored = session.scalars(select(IncomingMessage).order_by(IncomingMessage.id)).all()
        assert [(row.phone, row.body, row.provider) for row in stored] == [
            ("+15555550101", "Sí, STOP", "kannel"), ("+15555550102", "STOP", "kannel"),
        ]  # fmt: skip
        assert not opt_outs.may_receive(session, "+15555550102")


def test_incoming_message_with_bad_token_or_fields_is_refused(client: FlaskClient, sqlite_database: Database) -> None:
    for path in ("/kannel/inbound/x", f"{INBOUND[:-1]}", "/kannel/inbound/%C3%B1"):
        assert client.post(f"{path}?id=1&from={PHONE}", data=b"1", content_type="text/plain").status_code == 403
    for query in ("", "?id=1", "?id=1&from=12345", "?from=15555550101"):
        assert client.post(INBOUND + query, data=b"1", content_type="text/plain").status_code == 400
    without_kannel = create_app(make_settings("http://127.0.0.1:9", sqlite_database.url), sqlite_database).test_client()
    assert (
        without_kannel.post(
            f"/kannel/inbound/{callback_token.compute_token('', callback_token.INBOUND)}?id=1&from=1", data=b"1"
        ).status_code
        == 403
    )


@pytest.mark.parametrize(
    ("number", "expected"),
    [("+15555550101", "+15555550101"), ("15555550101", "+15555550101"), ("5555550101", "+15555550101"),
     ("00447911123456", "+447911123456"), ("447911123456", "+447911123456"), ("72345", None), ("", None), ("+", None),
     ("Bank", None), ("+١٢٣٤٥٦٧٨٩", None)],
)  # fmt: skip
def test_phone_number_is_converted_to_e164(number: str, expected: str | None) -> None:
    assert to_e164(number) == expected


@pytest.mark.parametrize(
    ("body", "charset", "expected"),
    [("Sí".encode("utf-16-be"), "UTF-16BE", "Sí"), (b"S\xc3\xad", "UTF-8", "Sí"), (b"S\xed", "", "Sí"),
     (b"1", "no-such", "1"), (b"\xd8\x3d", "UTF-16BE", "\ufffd"), (b"a\x00b", "UTF-8", "ab"), (b"", "", "")],
)  # fmt: skip
def test_body_is_decoded_by_its_charset(body: bytes, charset: str, expected: str) -> None:
    assert decode_text(body, charset) == expected


def test_real_kannel_delivers_incoming_messages(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(sqlite_url)
    environment = {"provider": "kannel", "kannel_username": "u", "kannel_password": "p", "kannel_from": "+15555550188",
            "kannel_url": "http://127.0.0.1:9/", "kannel_secret": SECRET}  # fmt: skip
    with (
        processes.run_web_server(tmp_path, sqlite_url, **environment) as port,
        real_kannel.running(tmp_path, f"http://127.0.0.1:{port}{INBOUND}", listening=False) as gateway,
    ):
        gateway.send_from_phones(
            "+15555550101 +15555550188 text 1", "15555550102 +15555550188 ucs2 %00S%00%ED%04%1F",
            "+15555550103 +15555550188 text ¿Mañana?",
        )  # fmt: skip

        def received() -> list[tuple[str, str]]:
            with database.reading() as session:
                return [
                    (row.phone, row.body)
                    for row in session.scalars(select(IncomingMessage).order_by(IncomingMessage.id))
                ]

        deadline = time.monotonic() + 20
        while len(received()) < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert sorted(received()) == [("+15555550101", "1"), ("+15555550102", "SíП"), ("+15555550103", "¿Mañana?")]
    database.dispose()
    assert "Traceback" not in (tmp_path / "serve.log").read_text()


def test_real_kannel_sends_long_and_non_latin_messages_whole(tmp_path: Path) -> None:
    long_text = "Mañana a las 4 vienen la Sra. López y el Sr. Pérez. " * 5
    with real_kannel.running(tmp_path) as gateway:
        settings = with_kannel(make_settings("http://127.0.0.1:9", "sqlite:///unused.sqlite"), gateway.url)
        sender = Kannel(settings.model_copy(update={"provider_timeout_seconds": 10}))
        for text in (long_text, "مرحبا", "plain [x] €"):
            assert sender.send(PHONE, text, TOKEN, **SEND_OPTIONS).status == "accepted"  # type: ignore[arg-type]
        with pytest.raises(ProviderUnavailable) as down:
            Kannel(settings.model_copy(update={"kannel_password": "wrong"})).send(PHONE, "x", TOKEN, **SEND_OPTIONS)  # type: ignore[arg-type]
        assert down.value.code == "403"
        deadline = time.monotonic() + 10
        while len(gateway.received_messages()) < 6 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(gateway.received_messages()) == 6  # 260 characters of UCS-2 are four segments
