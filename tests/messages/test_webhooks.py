"""Twilio's webhooks: only Twilio's are heard, each once, in any order, whatever proxy stands between."""

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
from tests.messages.conftest import NOW, PHONE, Recorder, made_settings, planned, put, rows, rules, states, tick

PUBLIC = "https://visits.example.org"
INBOUND = {"MessageSid": "SM1", "From": PHONE, "To": "+15555550199", "Body": "STOP", "NumMedia": "0"}


@pytest.fixture
def client(database: Database) -> FlaskClient:
    return client_of(database)


def client_of(database: Database) -> FlaskClient:
    """A caller from outside."""
    return create_app(made_settings("http://127.0.0.1:9", database.url), database).test_client()


def signed(path: str, form: dict[str, str], token: str = "token", public: str = PUBLIC) -> dict[str, str]:
    """The header Twilio would send."""
    return {"X-Twilio-Signature": RequestValidator(token).compute_signature(public + path, form)}


def test_a_signed_text_is_heard_once(client: FlaskClient, database: Database) -> None:
    for _ in range(3):
        answer = client.post("/twilio/inbound", data=INBOUND, headers=signed("/twilio/inbound", INBOUND))
        assert (answer.status_code, answer.data, answer.mimetype) == (200, b"<Response/>", "text/xml")
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
def test_what_is_not_twilios_is_refused_and_never_an_error(sqlite_database: Database, path: str) -> None:
    client = client_of(sqlite_database)
    almost = [
        signed(path, INBOUND, token="another"),
        signed(path, INBOUND, public="https://evil.example.org"),
        signed(path, {**INBOUND, "Body": "1"}),
        signed(path + "/", INBOUND),
    ]
    for headers in FORGED + almost:
        assert client.post(path, data=INBOUND, headers=headers).status_code == 403, headers
    with sqlite_database.reading() as session:
        assert session.scalars(select(IncomingMessage)).all() == []
        assert session.scalars(select(ProviderEvent)).all() == []


def test_a_json_body_or_none_is_refused_and_never_an_error(sqlite_database: Database) -> None:
    client = client_of(sqlite_database)
    header = {"X-Twilio-Signature": "x"}
    for path in ("/twilio/inbound", "/twilio/inbound?bodySHA256=abc", "/twilio/inbound?"):
        assert client.post(path, json={"Body": "1"}, headers=header).status_code == 403
        assert client.post(path, headers=header).status_code == 403
    assert client.get("/twilio/inbound").status_code == 405


def test_the_proxy_in_front_does_not_change_what_was_signed(sqlite_database: Database) -> None:
    client = client_of(sqlite_database)
    headers = signed("/twilio/inbound", INBOUND) | {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "inside:8000"}
    answer = client.post("/twilio/inbound", data=INBOUND, headers=headers, base_url="http://127.0.0.1:8000")
    assert answer.status_code == 200


def test_an_unknown_parameter_and_an_empty_body_are_heard(client: FlaskClient, database: Database) -> None:
    form = {**INBOUND, "Body": "", "NewThing": "ñ", "OptOutType": "STOP"}
    assert client.post("/twilio/inbound", data=form, headers=signed("/twilio/inbound", form)).status_code == 200


def sent(database: Database) -> OutgoingMessage:
    """A text that has left."""
    put(database, planned())
    tick(database, Recorder())
    return rows(database)[0]


def report(client: FlaskClient, text: OutgoingMessage, status: str, code: str = "") -> int:
    """Twilio tells what became of `text`."""
    form = {"MessageSid": text.provider_message_id or "SMlate", "MessageStatus": status} | (
        {"ErrorCode": code} if code else {}
    )
    path = f"/twilio/status/{text.attempt_id}"
    return client.post(path, data=form, headers=signed(path, form)).status_code


def test_reports_in_any_order_and_doubled_end_the_same(client: FlaskClient, database: Database) -> None:
    orders = list(itertools.permutations(["sent", "delivered", "queued"]))
    put(database, *(planned(str(number)) for number in range(len(orders))))
    tick(database, Recorder())
    for text, order in zip(rows(database), orders, strict=True):
        for status in (*order, *order):
            assert report(client, text, status) == 200
    assert set(states(database)) == {"delivered"}
    with database.reading() as session:
        events = session.scalars(select(ProviderEvent)).all()
        assert len(events) == 3 * len(orders)
        assert json.loads(events[0].raw)["MessageSid"] == events[0].provider_message_id


def test_the_first_final_word_counts_and_unknown_words_change_nothing(client: FlaskClient, database: Database) -> None:
    text = sent(database)
    for status, code in (("partially_delivered", ""), ("undelivered", "30003"), ("delivered", "")):
        assert report(client, text, status, code) == 200
    row = rows(database)[0]
    assert (row.state, row.error, row.provider_status) == ("undelivered", "30003", "undelivered")


def test_a_late_report_settles_what_nobody_knew(client: FlaskClient, database: Database) -> None:
    put(database, planned())
    with database.transaction() as session:
        assert claim.claim_messages(session, rules(), NOW, ["recorder"]).messages
        results.expire_leases(session, NOW + 2 * claim.LEASE)
    assert states(database) == ["unknown"]
    assert report(client, rows(database)[0], "delivered") == 200
    row = rows(database)[0]
    assert (row.state, row.provider_message_id, row.error) == ("delivered", "SMlate", None)


def test_a_report_may_come_before_the_answer_to_the_send(client: FlaskClient, database: Database) -> None:
    put(database, planned())
    with database.transaction() as session:
        claimed = next(iter(claim.claim_messages(session, rules(), NOW, ["recorder"]).messages), None)
    assert claimed is not None
    assert report(client, rows(database)[0], "sent") == 200
    with database.transaction() as session:
        came = results.Result("accepted", receipt=Accepted("SMlate", "queued"))
        results.record_result(session, claimed, came, NOW)
    row = rows(database)[0]
    assert (row.state, row.provider_message_id, row.provider_status) == ("accepted", "SMlate", "sent")


def test_a_stop_made_at_the_provider_holds_here_too(client: FlaskClient, database: Database) -> None:
    text = sent(database)
    assert report(client, text, "failed", "21610") == 200
    with database.reading() as session:
        assert not opt_outs.may_receive(session, PHONE)


def test_a_stop_told_late_of_a_text_from_before_a_start_undoes_no_start(
    client: FlaskClient, database: Database
) -> None:
    text = sent(database)
    for number, word in enumerate(("STOP", "START")):
        assert post(client, "/twilio/inbound", **{**INBOUND, "MessageSid": f"SMw{number}", "Body": word}) == 200
    assert report(client, text, "failed", "21610") == 200
    with database.reading() as session:
        assert opt_outs.may_receive(session, PHONE)
    later = datetime(2999, 1, 2, 18, tzinfo=UTC)
    put(database, planned("two", params={"school": "Other"}, not_before=later, expires_at=later + timedelta(hours=2)))
    tick(database, Recorder(), later)
    assert report(client, rows(database)[-1], "failed", "21610") == 200
    with database.reading() as session:
        assert not opt_outs.may_receive(session, PHONE)


def test_a_report_on_something_else_is_kept_and_changes_nothing(client: FlaskClient, database: Database) -> None:
    form = {"MessageSid": "SMother", "MessageStatus": "delivered"}
    path = "/twilio/status/whatever"
    assert client.post(path, data=form, headers=signed(path, form)).status_code == 200
    with database.reading() as session:
        assert len(session.scalars(select(ProviderEvent)).all()) == 1


def post(client: FlaskClient, path: str, **form: str) -> int:
    """A signed call."""
    return client.post(path, data=form, headers=signed(path, form)).status_code


def test_all_that_is_told_is_kept_and_without_an_id_there_is_nothing_to_keep(
    client: FlaskClient, database: Database
) -> None:
    path = "/twilio/status/" + "a" * 32
    assert post(client, path, MessageStatus="sent") == 400
    assert post(client, path, MessageSid="SM9", MessageStatus="Sent", BrandNew="ñ", RawDlrDoneDate="2610051500") == 200
    with database.reading() as session:
        (event,) = session.scalars(select(ProviderEvent)).all()
        kept = (event.status, event.attempt_id, event.applied_at, json.loads(event.raw))
    told = {"MessageSid": "SM9", "MessageStatus": "Sent", "BrandNew": "ñ", "RawDlrDoneDate": "2610051500"}
    assert kept == ("sent", "a" * 32, None, told)


def test_a_webhook_that_fails_is_told_again_and_a_person_hears_of_it(
    client: FlaskClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = sent(database)

    def breaks(*_args: object) -> None:
        raise KeyError(f"a bug that quotes {PHONE}")

    with monkeypatch.context() as patch:
        patch.setattr("homevisits.messages.callbacks.delivery_status._mark_delivered", breaks)
        form = {"MessageSid": text.provider_message_id or "", "MessageStatus": "delivered"}
        path = f"/twilio/status/{text.attempt_id}"
        for _ in range(2):
            answer = client.post(path, data=form, headers=signed(path, form))
            assert (answer.status_code, answer.data) == (500, b"")
        patch.setattr("homevisits.inbox.processing.store_message", breaks)
        assert client.post("/twilio/inbound", data=INBOUND, headers=signed("/twilio/inbound", INBOUND)).data == b""
    with database.reading() as session:
        assert [row.applied_at for row in session.scalars(select(ProviderEvent))] == [None]
        raised = [(row.kind, row.key, row.times, row.detail) for row in alerts.open_alerts(session)]
    assert sorted(raised) == [("webhook", "inbound", 1, "KeyError"), ("webhook", "status", 2, "KeyError")]
    assert states(database) == ["accepted"]
    assert report(client, text, "delivered") == 200
    assert states(database) == ["delivered"]


def test_what_fails_while_the_database_is_away_is_still_an_empty_500(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(sqlite_database)
    text = sent(sqlite_database)

    def away() -> None:
        raise OperationalError("SELECT 1", None, OSError("no space left on device"))

    monkeypatch.setattr("homevisits.messages.callbacks.errors_web.transaction", away)
    assert report(client, text, "delivered") == 500


def test_a_word_on_an_id_that_is_not_known_yet_is_applied_once_it_is(client: FlaskClient, database: Database) -> None:
    """A provider whose callbacks carry no token of ours may be faster than its answer."""
    put(database, planned())
    with database.transaction() as session:
        claimed = next(iter(claim.claim_messages(session, rules(), NOW, ["recorder"]).messages), None)
    assert claimed is not None
    assert post(client, "/twilio/status/none", MessageSid="SMlate", MessageStatus="delivered") == 200
    assert states(database) == ["sending"]
    with database.transaction() as session:
        came = results.Result("accepted", receipt=Accepted("SMlate", "queued"))
        results.record_result(session, claimed, came, NOW)
    assert states(database) == ["accepted"]
    assert unconfirmed.look_up_unclear(database, [Recorder()], lambda: NOW) == 1
    assert states(database) == ["delivered"]
    assert unconfirmed.look_up_unclear(database, [Recorder()], lambda: NOW) == 0


def test_the_same_word_told_again_with_the_token_settles_what_nobody_knew(
    client: FlaskClient, database: Database
) -> None:
    put(database, planned())
    with database.transaction() as session:
        assert claim.claim_messages(session, rules(), NOW, ["recorder"]).messages
        results.expire_leases(session, NOW + 2 * claim.LEASE)
    assert post(client, "/twilio/status/none", MessageSid="SMlate", MessageStatus="delivered") == 200
    assert states(database) == ["unknown"]
    assert report(client, rows(database)[0], "delivered") == 200
    assert states(database) == ["delivered"]


def test_a_second_id_for_one_attempt_is_a_contradiction_and_changes_nothing(
    client: FlaskClient, database: Database
) -> None:
    text = sent(database)
    assert post(client, f"/twilio/status/{text.attempt_id}", MessageSid="SMother", MessageStatus="undelivered") == 200
    row = rows(database)[0]
    assert (row.state, row.provider_message_id) == ("accepted", text.provider_message_id)
    with database.reading() as session:
        assert [one.kind for one in alerts.open_alerts(session)] == ["contradiction"]


def test_a_status_of_another_attempts_id_is_that_attempts(client: FlaskClient, database: Database) -> None:
    """Two alike were unclear at once and a look gave one the other's id: a status goes where its id is."""
    put(database, planned("a"), planned("b", to="+15555550102"))
    provider = Recorder(OutcomeUnknown("no_answer"))
    tick(database, provider)
    unclear, known = rows(database)
    assert (unclear.state, known.state) == ("unknown", "accepted")
    path = f"/twilio/status/{unclear.attempt_id}"
    assert post(client, path, MessageSid=known.provider_message_id or "", MessageStatus="delivered") == 200
    assert states(database) == ["unknown", "delivered"]
