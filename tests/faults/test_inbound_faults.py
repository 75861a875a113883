"""Faults of incoming messages: opt-outs during a send, keywords, crashes and invalid webhooks."""

import base64
import json
import threading
import time
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from homevisits.app import create_app
from homevisits.core import clock
from homevisits.core.db import Database
from homevisits.inbox import processing
from homevisits.inbox.models import Conversation
from homevisits.inbox.processing import receive
from homevisits.messages import outbox
from homevisits.messages.dispatch.claim import claim_messages
from homevisits.messages.models import IncomingMessage, MessageAlert, OptOutEntry, OutgoingMessage, Phone
from homevisits.messages.providers.base import Accepted, MessageRejected
from homevisits.messages.recipients import opt_outs
from homevisits.visits import actions as visits
from homevisits.visits.actions import BookingRequest
from homevisits.visits.models import Visit
from tests.factories.school import NOW, POLICY, SchoolFixture
from tests.messages.conftest import Recorder, dispatch, make_send_policy, make_sender, make_settings, planned_message
from tests.messages.test_webhooks import signature_header

OUR_NUMBER = "+15555550199"
PATH = "/twilio/inbound"


@pytest.fixture
def client(school_fixture: SchoolFixture) -> FlaskClient:
    """Test client for Twilio's webhooks, at the time of the test school."""
    clock.set_source(lambda: NOW)
    with school_fixture.session() as session:
        make_sender(session)
    return create_app(
        make_settings("http://127.0.0.1:9", school_fixture.database.url), school_fixture.database
    ).test_client()


def post_message(client: FlaskClient, phone: str, body: str, provider_message_id: str = "SM1", **more: str) -> int:
    """Post an incoming message as Twilio; return the HTTP status."""
    form = {"MessageSid": provider_message_id, "From": phone, "To": OUR_NUMBER, "Body": body, "NumMedia": "0", **more}
    return client.post(PATH, data=form, headers=signature_header(PATH, form)).status_code


def list_messages(database: Database, phone: str) -> list[tuple[str, str]]:
    """Template and state of every message to a phone."""
    with database.reading() as session:
        query = (
            select(OutgoingMessage.template, OutgoingMessage.state)
            .where(OutgoingMessage.phone == phone)
            .order_by(OutgoingMessage.id)
        )
        return [(row[0], row[1]) for row in session.execute(query)]


def enqueue_messages(school_fixture: SchoolFixture, count: int, phone: str = "") -> None:
    """Add `count` messages that may be sent now."""
    with school_fixture.session() as session:
        for number in range(count):
            outbox.put(
                session, "invitation:1", planned_message(str(number), to=phone or school_fixture.phones["Smith"]), NOW
            )


def load_newest(database: Database) -> IncomingMessage:
    with database.reading() as session:
        query = session.scalars(select(IncomingMessage).order_by(IncomingMessage.id.desc()).limit(1)).one()
        session.expunge(query)
        return query


def arrange_visit(school_fixture: SchoolFixture) -> int:
    """Book a visit to the Smiths and send the family's message."""
    request = BookingRequest(
        school_fixture.families["Smith"], school_fixture.educators["Luis"], school_fixture.time_at(8, 16, 30)
    )
    with school_fixture.session() as session:
        visit_id = visits.book(session, school_fixture.actors["Grace"], request, POLICY, NOW).id
        visits.accept(session, school_fixture.actors["Luis"], visit_id, POLICY, NOW)
    dispatch(school_fixture.database, Recorder(), NOW)
    return visit_id


def test_f13_stop_takes_effect_within_a_second_and_later_messages_are_refused(
    client: FlaskClient, school_fixture: SchoolFixture
) -> None:
    phone = school_fixture.phones["Smith"]
    enqueue_messages(school_fixture, 50)
    started = time.perf_counter()
    assert post_message(client, phone, "STOP") == 200
    elapsed = time.perf_counter() - started
    assert elapsed <= 1.0, f"{elapsed:.3f} s"
    states = list_messages(school_fixture.database, phone)
    assert [state for template, state in states if template != "stop_confirmed"] == ["suppressed"] * 50
    with school_fixture.session() as session:  # a message added after the stop
        outbox.put(session, "invitation:2", planned_message("late", to=phone), NOW)
    provider = Recorder()
    dispatch(school_fixture.database, provider, NOW)
    assert len(provider.sent) == 1
    assert "no more texts" in provider.sent[0][1]


class StopDuringSend(Recorder):
    """A provider that receives the family's STOP during its first send."""

    def __init__(self, client: FlaskClient, phone: str) -> None:
        super().__init__()
        self.client, self.phone = client, phone

    def send(self, to: str, body: str, token: str, *, sender: str = "", valid_for: int = 36_000) -> Accepted:
        """Receive the STOP, then accept the message."""
        if not self.sent:
            assert post_message(self.client, self.phone, "stop") == 200
        return super().send(to, body, token, sender=sender, valid_for=valid_for)


def test_f13_stop_during_a_send_lets_only_that_message_go(client: FlaskClient, school_fixture: SchoolFixture) -> None:
    phone = school_fixture.phones["Smith"]
    enqueue_messages(school_fixture, 5)
    provider = StopDuringSend(client, phone)
    dispatch(school_fixture.database, provider, NOW)
    assert len(provider.sent) == 2  # the message that was being sent, and the confirmation
    assert dict(list_messages(school_fixture.database, phone))["stop_confirmed"] == "accepted"
    with school_fixture.database.transaction() as session:
        assert not claim_messages(session, make_send_policy(), NOW, ["recorder"]).messages


def test_f13_trap_7_repeated_stops_get_a_single_confirmation(
    client: FlaskClient, school_fixture: SchoolFixture
) -> None:
    phone = school_fixture.phones["Smith"]
    for index, body in enumerate(("STOP", "stop", "Unsubscribe", "ALTO", "please stop texting me", "END")):
        assert post_message(client, phone, body, f"SM{index}") == 200
    for _again in range(3):
        assert post_message(client, phone, "STOP", "SM0") == 200
    provider = Recorder()
    dispatch(school_fixture.database, provider, NOW)
    assert len(provider.sent) == 1
    with school_fixture.database.reading() as session:
        assert [row.reason for row in session.scalars(select(OptOutEntry))] == ["family"]


def test_f13_trap_7_provider_opt_out_is_recorded_and_not_confirmed_twice(
    client: FlaskClient, school_fixture: SchoolFixture
) -> None:
    enqueue_messages(school_fixture, 1)
    dispatch(school_fixture.database, Recorder(MessageRejected("21610")), NOW)
    phone = school_fixture.phones["Smith"]
    with school_fixture.database.reading() as session:
        assert not opt_outs.may_receive(session, phone)
    other = school_fixture.phones["Nguyen"]
    assert post_message(client, other, "No más mensajes por ahora gracias", "SM9", OptOutType="STOP") == 200
    with school_fixture.database.reading() as session:
        assert not opt_outs.may_receive(session, other)
    assert "stop_confirmed" not in dict(list_messages(school_fixture.database, other))
    assert post_message(client, other, "start", "SM10", OptOutType="START") == 200
    with school_fixture.database.reading() as session:
        assert opt_outs.may_receive(session, other)
    assert post_message(client, other, "?", "SM11", OptOutType="HELP") == 200
    assert load_newest(school_fixture.database).intent == "help"
    assert list_messages(school_fixture.database, other) == []


def test_trap_7_yes_classified_as_start_by_the_provider_is_still_an_answer(
    client: FlaskClient, school_fixture: SchoolFixture
) -> None:
    visit_id = arrange_visit(school_fixture)
    assert post_message(client, school_fixture.phones["Smith"], "Yes", OptOutType="START") == 200
    with school_fixture.database.reading() as session:
        assert session.get_one(Visit, visit_id).state == "confirmed"


def test_trap_7_start_lifts_only_family_and_provider_opt_outs(
    client: FlaskClient, school_fixture: SchoolFixture
) -> None:
    lifted = {}
    for index, reason in enumerate(("family", "provider", "staff", "wrong_number")):
        phone = f"+1555555019{index}"
        with school_fixture.session() as session:
            opt_outs.opt_out(session, phone, reason, NOW)
        assert post_message(client, phone, "START", f"SM{index}") == 200
        with school_fixture.database.reading() as session:
            lifted[reason] = opt_outs.may_receive(session, phone)
    assert lifted == {"family": True, "provider": True, "staff": False, "wrong_number": False}


@pytest.mark.parametrize("word", ["CANCEL", "End", "QUIT", "cancelar", "unsubscribe", "Revoke", "opt out", "STOP"])
def test_f14_opt_out_keyword_never_changes_a_visit(
    client: FlaskClient, school_fixture: SchoolFixture, word: str
) -> None:
    visit_id = arrange_visit(school_fixture)
    assert post_message(client, school_fixture.phones["Smith"], word) == 200
    with school_fixture.database.reading() as session:
        assert session.get_one(Visit, visit_id).state == "scheduled"
        assert not opt_outs.may_receive(session, school_fixture.phones["Smith"])
    assert load_newest(
        school_fixture.database
    ).needs_staff  # staff must call, because the visit is ahead and no message is allowed


@pytest.mark.parametrize(
    "body", ["We have to cancel the visit", "don't stop by before 5", "Liked “STOP”", "cancel?? no, come!"]
)
def test_f14_opt_out_keyword_within_a_sentence_neither_opts_out_nor_cancels(
    client: FlaskClient, school_fixture: SchoolFixture, body: str
) -> None:
    visit_id = arrange_visit(school_fixture)
    assert post_message(client, school_fixture.phones["Smith"], body) == 200
    with school_fixture.database.reading() as session:
        assert session.get_one(Visit, visit_id).state == "scheduled"
        assert opt_outs.may_receive(session, school_fixture.phones["Smith"])
    assert load_newest(school_fixture.database).needs_staff


@pytest.mark.parametrize(
    ("body", "language"), [("haa", "so"), ("yog", "hmn"), ("vâng", "vi"), ("نعم", "ar"), ("sí", "es")]
)
def test_f21_yes_in_every_message_language_confirms(
    client: FlaskClient, school_fixture: SchoolFixture, body: str, language: str
) -> None:
    visit_id = arrange_visit(school_fixture)
    assert post_message(client, school_fixture.phones["Smith"], body) == 200
    with school_fixture.database.reading() as session:
        assert session.get_one(Visit, visit_id).state == "confirmed"


def test_f21_base64_message_is_stored_raw_and_shown_decoded(client: FlaskClient, school_fixture: SchoolFixture) -> None:
    text = "Hola maestra, somos la familia Rivera, ese día trabajamos hasta tarde. ¿Puede ser el sábado? Gracias."
    encoded = base64.b64encode(text.encode()).decode()
    assert post_message(client, school_fixture.phones["Rivera"], encoded) == 200
    row = load_newest(school_fixture.database)
    assert row.body == text
    assert json.loads(row.raw)["Body"] == encoded
    assert row.needs_staff


def test_f21_pictures_without_text_need_a_person(client: FlaskClient, school_fixture: SchoolFixture) -> None:
    arrange_visit(school_fixture)
    media = {f"MediaUrl{n}": f"https://api.twilio.com/{n}" for n in range(10)}
    assert post_message(client, school_fixture.phones["Smith"], "", NumMedia="10", **media) == 200
    row = load_newest(school_fixture.database)
    assert (row.media, row.intent, row.needs_staff) == (10, "picture", True)
    assert len([name for name in json.loads(row.raw) if name.startswith("MediaUrl")]) == 10
    assert (
        post_message(client, school_fixture.phones["Smith"], "1", "SM2", NumMedia="1") == 200
    )  # text beside a picture is parsed
    assert load_newest(school_fixture.database).intent == "yes"


@pytest.mark.parametrize(
    "invalid_fields",
    [
        {"From": ""},
        {"From": "anonymous"},
        {"From": "262966"},
        {"From": "whatsapp:+15555550102"},
        {"From": "+1555555010\x00"},
        {"From": "+" + "9" * 40},
        {"MessageSid": ""},
        {"MessageSid": "SM\x001"},
        {"MessageSid": "S" * 5000},
    ],
)
def test_invalid_sender_or_message_id_is_a_bad_request(
    client: FlaskClient, school_fixture: SchoolFixture, invalid_fields: dict[str, str]
) -> None:
    form = {
        "MessageSid": "SM1",
        "From": school_fixture.phones["Smith"],
        "To": OUR_NUMBER,
        "Body": "1",
        **invalid_fields,
    }
    assert client.post(PATH, data=form, headers=signature_header(PATH, form)).status_code == 400
    with school_fixture.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(IncomingMessage)) == 0


@pytest.mark.parametrize("media", ["", "-1", "ten", "99999999999999999999", "²"])
def test_invalid_media_count_and_unprintable_body_are_stored(
    client: FlaskClient, school_fixture: SchoolFixture, media: str
) -> None:
    body = "Hello\x07 \U0001f468\u200d\U0001f469 \ufffd \u202e" + "x" * 5000
    assert post_message(client, school_fixture.phones["Smith"], body, NumMedia=media, OptOutType="MAYBE") == 200
    row = load_newest(school_fixture.database)
    assert row.body.startswith("Hello")
    assert (row.media, row.opt_out_type, row.needs_staff) == (0, None, True)


def test_stop_containing_a_null_character_is_a_stop(client: FlaskClient, school_fixture: SchoolFixture) -> None:
    assert post_message(client, school_fixture.phones["Smith"], "ST\x00OP", Odd="a\x00b") == 200
    with school_fixture.database.reading() as session:
        assert not opt_outs.may_receive(session, school_fixture.phones["Smith"])


def test_trap_9_simultaneous_identical_webhooks_store_a_single_message(
    client: FlaskClient, school_fixture: SchoolFixture
) -> None:
    arrange_visit(school_fixture)
    statuses: list[int] = []
    new_client = client.application.test_client
    start = threading.Barrier(6)

    def post_identical() -> None:
        start.wait()
        statuses.append(post_message(new_client(), school_fixture.phones["Smith"], "1", "SMsame"))

    threads = [threading.Thread(target=post_identical) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 6
    with school_fixture.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(IncomingMessage)) == 1
    assert [name for name, _ in list_messages(school_fixture.database, school_fixture.phones["Smith"])].count(
        "visit_confirmed"
    ) == 1


def test_simultaneous_messages_with_a_stop_opt_out_with_a_single_confirmation(
    client: FlaskClient, school_fixture: SchoolFixture
) -> None:
    arrange_visit(school_fixture)
    phone = school_fixture.phones["Smith"]
    new_client = client.application.test_client
    bodies = ("1", "STOP", "9", "STOP", "what?", "END")
    threads = [
        threading.Thread(target=post_message, args=(new_client(), phone, body, f"SM{index}"))
        for index, body in enumerate(bodies)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with school_fixture.database.reading() as session:
        assert not opt_outs.may_receive(session, phone)
        assert session.scalar(select(func.count()).where(IncomingMessage.processed_at.is_(None))) == 0
    assert [name for name, _ in list_messages(school_fixture.database, phone)].count("stop_confirmed") == 1


def test_error_while_processing_keeps_the_message_and_the_worker_retries(
    client: FlaskClient, school_fixture: SchoolFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit_id = arrange_visit(school_fixture)

    def raise_error(*_args: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(receive, "_handle", raise_error)
        assert post_message(client, school_fixture.phones["Smith"], "1") == 200
    row = load_newest(school_fixture.database)
    assert (row.processed_at, row.attempts, row.body) == (None, 1, "1")
    with school_fixture.database.reading() as session:
        assert [alert.kind for alert in session.scalars(select(MessageAlert))] == ["webhook"]
    # The request that stored the message may still be processing it.
    assert processing.process_waiting(school_fixture.database, POLICY, NOW + timedelta(seconds=2)) == 0
    assert processing.process_waiting(school_fixture.database, POLICY, NOW + timedelta(seconds=10)) == 1
    assert processing.process_waiting(school_fixture.database, POLICY, NOW + timedelta(seconds=20)) == 0
    with school_fixture.database.reading() as session:
        assert session.get_one(Visit, visit_id).state == "confirmed"


def test_message_that_always_fails_needs_a_person_after_three_tries(
    client: FlaskClient, school_fixture: SchoolFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_error(*_args: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(receive, "_handle", raise_error)
    phone = school_fixture.phones["Smith"]
    assert post_message(client, phone, "hello") == 200
    for seconds in (10, 20, 30, 40):
        processing.process_waiting(school_fixture.database, POLICY, NOW + timedelta(seconds=seconds))
    row = load_newest(school_fixture.database)
    assert (row.attempts, row.needs_staff, row.processed_at is not None) == (3, True, True)
    with school_fixture.database.reading() as session:
        assert session.scalars(select(Conversation.waiting_since).where(Conversation.phone == phone)).one() is not None


def test_concurrent_workers_process_each_waiting_message_once(school_fixture: SchoolFixture) -> None:
    arrange_visit(school_fixture)
    with school_fixture.session() as session:
        for index in range(12):
            processing.store_message(
                session, processing.ReceivedMessage(f"SM{index}", f"+1555555{1000 + index}", OUR_NUMBER, "Who?"), NOW
            )
    later = NOW + timedelta(minutes=1)
    done: list[int] = []
    threads = [
        threading.Thread(target=lambda: done.append(processing.process_waiting(school_fixture.database, POLICY, later)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 12
    with school_fixture.database.reading() as session:
        assert session.scalar(select(func.count()).where(OutgoingMessage.template == "unclear")) == 12


def test_time_of_the_last_incoming_message_is_stored(client: FlaskClient, school_fixture: SchoolFixture) -> None:
    assert post_message(client, "+15555550777", "Hola") == 200
    with school_fixture.database.reading() as session:
        assert session.get_one(Phone, "+15555550777").last_inbound_at == NOW
