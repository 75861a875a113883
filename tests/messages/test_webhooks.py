"""Webhooks of Twilio: signatures, duplicates, order of delivery reports and failures."""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from twilio.request_validator import RequestValidator

from homevisits.app import create_app
from homevisits.core.db import Database
from homevisits.messages.dispatch import claim, results
from homevisits.messages.models import IncomingMessage, OutgoingMessage, ProviderEvent
from homevisits.messages.monitoring import alerts
from homevisits.messages.providers.base import Accepted, OutcomeUnknown
from homevisits.messages.recipients import opt_outs
from homevisits.messages.reconciliation import unconfirmed
from tests.messages.conftest import (
    NOW,
    PHONE,
    Recorder,
    dispatch,
    enqueue,
    load_messages,
    make_send_policy,
    make_settings,
    planned_message,
    states,
)

PUBLIC = "https://visits.example.org"
INBOUND = {"MessageSid": "SM1", "From": PHONE, "To": "+15555550199", "Body": "STOP", "NumMedia": "0"}


@pytest.fixture
def client(database: Database) -> FlaskClient:
    return make_client(database)


def make_client(database: Database) -> FlaskClient:
    """Return a client of the web application."""
    return create_app(make_settings("http://127.0.0.1:9", database.url), database).test_client()


def signature_header(path: str, form: dict[str, str], token: str = "token", public: str = PUBLIC) -> dict[str, str]:
    """Return the signature header that Twilio would send."""
    return {"X-Twilio-Signature": RequestValidator(token).compute_signature(public + path, form)}


def test_repeated_incoming_message_is_stored_once(client: FlaskClient, database: Database) -> None:
    for _ in range(3):
        response = client.post("/twilio/inbound", data=INBOUND, headers=signature_header("/twilio/inbound", INBOUND))
        assert (response.status_code, response.data, response.mimetype) == (200, b"<Response/>", "text/xml")
    with database.reading() as session:
        assert len(session.scalars(select(IncomingMessage)).all()) == 1
        assert not opt_outs.may_receive(session, PHONE)


FORGED: list[dict[str, str]] = [
    {},
    {"X-Twilio-Signature": ""},
    {"X-Twilio-Signature": "forged"},
    {"X-Twilio-Signature": "é"},
]


@pytest.mark.parametrize("path", ["/twilio/inbound", "/twilio/status/" + "a" * 32])
def test_invalid_signature_gets_403_and_stores_nothing(sqlite_database: Database, path: str) -> None:
    client = make_client(sqlite_database)
    almost_valid = [
        signature_header(path, INBOUND, token="another"),
        signature_header(path, INBOUND, public="https://evil.example.org"),
        signature_header(path, {**INBOUND, "Body": "1"}),
        signature_header(path + "/", INBOUND),
    ]
    for headers in FORGED + almost_valid:
        assert client.post(path, data=INBOUND, headers=headers).status_code == 403, headers
    with sqlite_database.reading() as session:
        assert session.scalars(select(IncomingMessage)).all() == []
        assert session.scalars(select(ProviderEvent)).all() == []


def test_unsigned_json_or_empty_body_gets_403(sqlite_database: Database) -> None:
    client = make_client(sqlite_database)
    header = {"X-Twilio-Signature": "x"}
    for path in ("/twilio/inbound", "/twilio/inbound?bodySHA256=abc", "/twilio/inbound?"):
        assert client.post(path, json={"Body": "1"}, headers=header).status_code == 403
        assert client.post(path, headers=header).status_code == 403
    assert client.get("/twilio/inbound").status_code == 405


def test_signature_is_checked_against_the_public_url_behind_a_proxy(sqlite_database: Database) -> None:
    client = make_client(sqlite_database)
    headers = signature_header("/twilio/inbound", INBOUND) | {
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "inside:8000",
    }
    response = client.post("/twilio/inbound", data=INBOUND, headers=headers, base_url="http://127.0.0.1:8000")
    assert response.status_code == 200


def test_unknown_parameter_and_empty_body_are_accepted(client: FlaskClient, database: Database) -> None:
    form = {**INBOUND, "Body": "", "NewThing": "ñ", "OptOutType": "STOP"}
    assert (
        client.post("/twilio/inbound", data=form, headers=signature_header("/twilio/inbound", form)).status_code == 200
    )


def send_message(database: Database) -> OutgoingMessage:
    """Send a message and return it."""
    enqueue(database, planned_message())
    dispatch(database, Recorder())
    return load_messages(database)[0]


def report(client: FlaskClient, message: OutgoingMessage, status: str, code: str = "") -> int:
    """Post a signed delivery report for a message."""
    form = {"MessageSid": message.provider_message_id or "SMlate", "MessageStatus": status} | (
        {"ErrorCode": code} if code else {}
    )
    path = f"/twilio/status/{message.attempt_id}"
    return client.post(path, data=form, headers=signature_header(path, form)).status_code


def test_reports_in_any_order_and_repeated_give_the_same_state(client: FlaskClient, database: Database) -> None:
    orders = list(itertools.permutations(["sent", "delivered", "queued"]))
    enqueue(database, *(planned_message(str(number)) for number in range(len(orders))))
    dispatch(database, Recorder())
    for message, order in zip(load_messages(database), orders, strict=True):
        for status in (*order, *order):
            assert report(client, message, status) == 200
    assert set(states(database)) == {"delivered"}
    with database.reading() as session:
        events = session.scalars(select(ProviderEvent)).all()
        assert len(events) == 3 * len(orders)
        assert json.loads(events[0].raw)["MessageSid"] == events[0].provider_message_id


def test_first_final_status_is_kept_and_unknown_status_ignored(client: FlaskClient, database: Database) -> None:
    message = send_message(database)
    for status, code in (("partially_delivered", ""), ("undelivered", "30003"), ("delivered", "")):
        assert report(client, message, status, code) == 200
    row = load_messages(database)[0]
    assert (row.state, row.error, row.provider_status) == ("undelivered", "30003", "undelivered")


def test_late_report_resolves_an_unknown_message(client: FlaskClient, database: Database) -> None:
    enqueue(database, planned_message())
    with database.transaction() as session:
        assert claim.claim_messages(session, make_send_policy(), NOW, ["recorder"]).messages
        results.expire_leases(session, NOW + 2 * claim.LEASE)
    assert states(database) == ["unknown"]
    assert report(client, load_messages(database)[0], "delivered") == 200
    row = load_messages(database)[0]
    assert (row.state, row.provider_message_id, row.error) == ("delivered", "SMlate", None)


def test_report_before_the_response_to_the_send_is_applied(client: FlaskClient, database: Database) -> None:
    enqueue(database, planned_message())
    with database.transaction() as session:
        claimed = next(iter(claim.claim_messages(session, make_send_policy(), NOW, ["recorder"]).messages), None)
    assert claimed is not None
    assert report(client, load_messages(database)[0], "sent") == 200
    with database.transaction() as session:
        result = results.Result("accepted", receipt=Accepted("SMlate", "queued"))
        results.record_result(session, claimed, result, NOW)
    row = load_messages(database)[0]
    assert (row.state, row.provider_message_id, row.provider_status) == ("accepted", "SMlate", "sent")


def test_opt_out_at_the_provider_is_recorded(client: FlaskClient, database: Database) -> None:
    message = send_message(database)
    assert report(client, message, "failed", "21610") == 200
    with database.reading() as session:
        assert not opt_outs.may_receive(session, PHONE)


def test_late_opt_out_report_does_not_undo_a_later_opt_in(client: FlaskClient, database: Database) -> None:
    message = send_message(database)
    for number, keyword in enumerate(("STOP", "START")):
        assert post(client, "/twilio/inbound", **{**INBOUND, "MessageSid": f"SMw{number}", "Body": keyword}) == 200
    assert report(client, message, "failed", "21610") == 200
    with database.reading() as session:
        assert opt_outs.may_receive(session, PHONE)
    later = datetime(2999, 1, 2, 18, tzinfo=UTC)
    enqueue(
        database,
        planned_message("two", params={"school": "Other"}, not_before=later, expires_at=later + timedelta(hours=2)),
    )
    dispatch(database, Recorder(), later)
    assert report(client, load_messages(database)[-1], "failed", "21610") == 200
    with database.reading() as session:
        assert not opt_outs.may_receive(session, PHONE)


def test_report_for_an_unknown_message_is_stored(client: FlaskClient, database: Database) -> None:
    form = {"MessageSid": "SMother", "MessageStatus": "delivered"}
    path = "/twilio/status/whatever"
    assert client.post(path, data=form, headers=signature_header(path, form)).status_code == 200
    with database.reading() as session:
        assert len(session.scalars(select(ProviderEvent)).all()) == 1


def post(client: FlaskClient, path: str, **form: str) -> int:
    """Post a signed request; return the HTTP status."""
    return client.post(path, data=form, headers=signature_header(path, form)).status_code


def test_report_is_stored_completely_and_refused_without_a_message_id(client: FlaskClient, database: Database) -> None:
    path = "/twilio/status/" + "a" * 32
    assert post(client, path, MessageStatus="sent") == 400
    assert post(client, path, MessageSid="SM9", MessageStatus="Sent", BrandNew="ñ", RawDlrDoneDate="2610051500") == 200
    with database.reading() as session:
        (event,) = session.scalars(select(ProviderEvent)).all()
        stored = (event.status, event.attempt_id, event.applied_at, json.loads(event.raw))
    expected = {"MessageSid": "SM9", "MessageStatus": "Sent", "BrandNew": "ñ", "RawDlrDoneDate": "2610051500"}
    assert stored == ("sent", "a" * 32, None, expected)


def test_failing_webhook_returns_500_and_raises_an_alert(
    client: FlaskClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = send_message(database)

    def fail(*_args: object) -> None:
        raise KeyError(f"a bug that quotes {PHONE}")

    with monkeypatch.context() as patch:
        patch.setattr("homevisits.messages.callbacks.delivery_status._mark_delivered", fail)
        form = {"MessageSid": message.provider_message_id or "", "MessageStatus": "delivered"}
        path = f"/twilio/status/{message.attempt_id}"
        for _ in range(2):
            response = client.post(path, data=form, headers=signature_header(path, form))
            assert (response.status_code, response.data) == (500, b"")
        patch.setattr("homevisits.inbox.processing.store_message", fail)
        assert (
            client.post("/twilio/inbound", data=INBOUND, headers=signature_header("/twilio/inbound", INBOUND)).data
            == b""
        )
    with database.reading() as session:
        assert [row.applied_at for row in session.scalars(select(ProviderEvent))] == [None]
        raised = [(row.kind, row.key, row.times, row.detail) for row in alerts.open_alerts(session)]
    assert sorted(raised) == [("webhook", "inbound", 1, "KeyError"), ("webhook", "status", 2, "KeyError")]
    assert states(database) == ["accepted"]
    assert report(client, message, "delivered") == 200
    assert states(database) == ["delivered"]


def test_webhook_returns_500_while_the_database_is_down(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(sqlite_database)
    message = send_message(sqlite_database)

    def fail() -> None:
        raise OperationalError("SELECT 1", None, OSError("no space left on device"))

    monkeypatch.setattr("homevisits.messages.callbacks.retry_on_error_web.transaction", fail)
    assert report(client, message, "delivered") == 500


def test_report_for_an_id_not_known_yet_is_applied_later(client: FlaskClient, database: Database) -> None:
    """A callback without our token may arrive before the provider's response to the send."""
    enqueue(database, planned_message())
    with database.transaction() as session:
        claimed = next(iter(claim.claim_messages(session, make_send_policy(), NOW, ["recorder"]).messages), None)
    assert claimed is not None
    assert post(client, "/twilio/status/none", MessageSid="SMlate", MessageStatus="delivered") == 200
    assert states(database) == ["sending"]
    with database.transaction() as session:
        result = results.Result("accepted", receipt=Accepted("SMlate", "queued"))
        results.record_result(session, claimed, result, NOW)
    assert states(database) == ["accepted"]
    assert unconfirmed.look_up_unclear(database, [Recorder()], lambda: NOW) == 1
    assert states(database) == ["delivered"]
    assert unconfirmed.look_up_unclear(database, [Recorder()], lambda: NOW) == 0


def test_repeated_report_with_token_resolves_an_unknown_message(client: FlaskClient, database: Database) -> None:
    enqueue(database, planned_message())
    with database.transaction() as session:
        assert claim.claim_messages(session, make_send_policy(), NOW, ["recorder"]).messages
        results.expire_leases(session, NOW + 2 * claim.LEASE)
    assert post(client, "/twilio/status/none", MessageSid="SMlate", MessageStatus="delivered") == 200
    assert states(database) == ["unknown"]
    assert report(client, load_messages(database)[0], "delivered") == 200
    assert states(database) == ["delivered"]


def test_second_id_for_an_attempt_raises_an_alert_and_changes_nothing(client: FlaskClient, database: Database) -> None:
    message = send_message(database)
    assert (
        post(client, f"/twilio/status/{message.attempt_id}", MessageSid="SMother", MessageStatus="undelivered") == 200
    )
    row = load_messages(database)[0]
    assert (row.state, row.provider_message_id) == ("accepted", message.provider_message_id)
    with database.reading() as session:
        assert [alert.kind for alert in alerts.open_alerts(session)] == ["contradiction"]


def test_status_is_applied_to_the_attempt_with_the_message_id(client: FlaskClient, database: Database) -> None:
    """A lookup may give an attempt the id of an identical message. The id decides, not the token in the URL."""
    enqueue(database, planned_message("a"), planned_message("b", to="+15555550102"))
    provider = Recorder(OutcomeUnknown("no_answer"))
    dispatch(database, provider)
    unclear, known = load_messages(database)
    assert (unclear.state, known.state) == ("unknown", "accepted")
    path = f"/twilio/status/{unclear.attempt_id}"
    assert post(client, path, MessageSid=known.provider_message_id or "", MessageStatus="delivered") == 200
    assert states(database) == ["unknown", "delivered"]
