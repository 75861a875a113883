import csv
import io
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from itertools import count
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select, update

from homevisits.core import clock
from homevisits.core.access import Actor, Grant, Role
from homevisits.core.db import Database
from homevisits.core.problems import NotFound, RulesBroken
from homevisits.messages.models import MessageAlert, OutgoingMessage, Phone, Sender
from homevisits.messages.monitoring import alerts
from homevisits.messages.templates import catalog
from homevisits.operations.delivery import failed
from homevisits.operations.delivery.chart import round_up_axis
from homevisits.people.models import Heartbeat, School
from tests.factories.school import NOW, SchoolFixture, build_school
from tests.shell.clients import create_account, create_client, create_test_app

PHONE = "+15555550101"  # of the Rivera family in the test school
_counter = count(1)


def visible_text(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


class DeliveryFixture:
    """Test school with its coordinator, a district lead and messages in any state."""

    def __init__(self, database: Database, **settings: object) -> None:
        self.school_fixture: SchoolFixture = build_school(database)
        self.database = database
        with database.transaction() as session:
            other = School(source_id="s2", name="=Elsewhere", timezone="America/Denver")
            session.add(other)
            session.flush()
            self.other_school_id: int = other.id
        self.app: Flask = create_test_app(database, texting="live", **settings)
        self.lead_actor: Actor = create_account(database, "lead", Grant(Role.DISTRICT_LEAD, None))
        self.other_coordinator: Actor = create_account(
            database, "stranger", Grant(Role.SITE_COORDINATOR, self.other_school_id)
        )
        clock.set_source(lambda: NOW)

    @property
    def coordinator(self) -> FlaskClient:
        return create_client(self.app, self.school_fixture.actors["coordinator"])

    @property
    def lead(self) -> FlaskClient:
        return create_client(self.app, self.lead_actor)

    def add_message(self, state: str, error: str | None = None, **more: object) -> int:
        """Add a message that was due an hour ago and expires in two hours."""
        number = next(_counter)
        values: dict[str, object] = {
            "dedupe_key": f"k{number}",
            "subject": f"visit:{number}",
            "phone": PHONE,
            "school_id": self.school_fixture.school_id,
            "language": "en",
            "template": "visit_reminder",
            "body": "Hello",
            "segments": 2,
            "not_before": NOW - timedelta(hours=1),
            "next_at": NOW - timedelta(hours=1),
            "expires_at": NOW + timedelta(hours=2),
            "created_at": NOW - timedelta(hours=1),
            **more,
        }
        with self.database.transaction() as session:
            if session.get(Phone, values["phone"]) is None:
                session.add(Phone(e164=str(values["phone"]), state="ok"))
                session.flush()
            row = OutgoingMessage(state=state, error=error, **values)
            session.add(row)
            session.flush()
            return row.id

    def add_delivered(self, seconds: float, **more: object) -> int:
        sent = NOW - timedelta(hours=1)
        return self.add_message("delivered", sent_at=sent, final_at=sent + timedelta(seconds=seconds), **more)

    def read_message(self, message_id: int) -> OutgoingMessage:
        with self.database.reading() as session:
            message = session.scalars(select(OutgoingMessage).where(OutgoingMessage.id == message_id)).one()
            session.expunge_all()
            return message


@pytest.fixture
def delivery(database: Database) -> Iterator[DeliveryFixture]:
    yield DeliveryFixture(database)
    clock.set_source(None)


@pytest.fixture
def sqlite_delivery(sqlite_template: Path, tmp_path: Path) -> Iterator[DeliveryFixture]:
    """Use SQLite only, for tests that do not depend on the database engine."""
    path = tmp_path / "homevisits.sqlite"
    shutil.copyfile(sqlite_template, path)
    yield DeliveryFixture(Database(f"sqlite:///{path}"))
    clock.set_source(None)


def read_page(client: FlaskClient, address: str = "/delivery") -> str:
    response = client.get(address)
    assert response.status_code == 200, response.status_code
    return visible_text(response.get_data(as_text=True))


def test_summary_reports_delivered_texts_and_delivery_times(delivery: DeliveryFixture) -> None:
    for seconds in range(1, 21):
        delivery.add_delivered(seconds)
    text = read_page(delivery.coordinator)
    assert "Yes. All 20 texts with a delivery report arrived." in text
    assert "half within 11 s, 95 of 100 within 20 s" in text
    assert "Nothing is due" in text
    assert "20 40 $0.48" in text  # texts, parts, about


def test_coordinator_sees_counts_of_own_school_and_lead_of_all_schools(delivery: DeliveryFixture) -> None:
    delivery.add_delivered(1)
    delivery.add_delivered(1, school_id=delivery.other_school_id)
    delivery.add_delivered(1, school_id=None)
    assert "Yes. The 1 text with a delivery report arrived." in read_page(delivery.coordinator)
    assert "Yes. All 3 texts" in read_page(delivery.lead)
    assert "Yes. The 1 text" in read_page(delivery.lead, f"/delivery?school={delivery.other_school_id}")
    assert delivery.coordinator.get(f"/delivery?school={delivery.other_school_id}").status_code == 404
    assert delivery.coordinator.get(f"/delivery.csv?school={delivery.other_school_id}").status_code == 404


def test_counts_are_filtered_by_text_language_and_days(delivery: DeliveryFixture) -> None:
    delivery.add_delivered(1)
    delivery.add_delivered(1, template="invitation", language="es")
    delivery.add_delivered(1, not_before=NOW - timedelta(days=20))
    for query, number in (("", 2), ("?days=30", 3), ("?text=invitation", 1), ("?language=es", 1), ("?language=xx", 2)):
        text = read_page(delivery.coordinator, f"/delivery{query}")
        expected = f"All {number} texts" if number > 1 else "The 1 text"
        assert f"Yes. {expected}" in text, query


@pytest.mark.parametrize(
    ("states", "expected_text", "expected_light"),
    [
        ((), "No texts were due on these days.", "No activity"),
        (("accepted",), "The provider has 1 text. There is no delivery report yet.", "Check this"),
        (("unknown", "delivered"), "Mostly. 1 text has no delivery report.", "Check this"),
        (("undelivered", *["delivered"] * 9), "Mostly. 90 % arrived; 1 text did not.", "Check this"),
        (
            ("undelivered", "rejected", "dead", "delivered"),
            "Of 4 texts with a delivery report, 3 did not arrive",
            "Action needed",
        ),
        (("queued", "delivered"), "No. A text is stuck. It should have gone out Mon, Oct 5, 8:00 am.", "Action needed"),
        (("cancelled", "expired", "suppressed"), "No texts were due on these days.", "No activity"),
    ],
)
def test_summary_names_the_worst_state(
    sqlite_delivery: DeliveryFixture, states: tuple[str, ...], expected_text: str, expected_light: str
) -> None:
    for state in states:
        sqlite_delivery.add_message(state, "30003" if state in ("undelivered", "rejected", "dead") else None)
    text = read_page(sqlite_delivery.coordinator)
    assert expected_text in text
    assert f"{expected_light} " in text


def test_held_texts_show_reason_and_time(delivery: DeliveryFixture) -> None:
    later = NOW + timedelta(hours=5)
    delivery.add_message("held", hold_reason="quiet", next_at=later)
    delivery.add_message("held", hold_reason="quiet", next_at=later + timedelta(hours=1))
    delivery.add_message("held", hold_reason="cap", next_at=later)
    delivery.add_message("queued", next_at=NOW + timedelta(days=3))
    text = read_page(delivery.coordinator)
    assert "2 texts are on hold; the first until Mon, Oct 5, 2:00 pm." in text
    assert "Outside texting hours" in text
    assert "1 text is on hold until" in text
    assert "One text is planned for later." in text
    assert "Nothing is due" in text


def test_missing_sender_is_reported_first(sqlite_delivery: DeliveryFixture) -> None:
    with sqlite_delivery.database.transaction() as session:
        session.add(Sender(provider="twilio", address="+13035550100"))
    text = read_page(sqlite_delivery.coordinator)
    assert "No. No sender can send right now." in text
    assert "The district lead can fix this." in text


def test_waiting_for_the_provider_is_not_reported_as_a_dead_worker(sqlite_delivery: DeliveryFixture) -> None:
    sqlite_delivery.add_message("held", hold_reason="sender")
    with sqlite_delivery.database.transaction() as session:
        session.add(Heartbeat(name="worker", at=NOW))
    text = read_page(sqlite_delivery.coordinator)
    assert "Late. A text should have gone out Mon, Oct 5, 8:00 am." in text
    assert "as fast as the provider accepts them" in text


def test_failures_are_explained_with_advice(sqlite_delivery: DeliveryFixture) -> None:
    sqlite_delivery.add_message("rejected", "21211")
    sqlite_delivery.add_message("undelivered", "99999")
    sqlite_delivery.add_message("suppressed", "trial")
    text = read_page(sqlite_delivery.coordinator)
    assert "1 · This number cannot get texts. Ask the family for another number, or call." in text
    sqlite_delivery.add_message("undelivered", "30005")
    assert "2 · This number cannot get texts." in read_page(sqlite_delivery.coordinator)
    assert "1 · The provider rejected it (code 99999). Call the family." in text
    assert "This is a trial, and this is not a test phone." in text


def test_family_and_phone_ending_appear_only_for_lost_texts(delivery: DeliveryFixture) -> None:
    delivery.add_delivered(1)
    for client in (delivery.coordinator, delivery.lead):
        text = client.get("/delivery").get_data(as_text=True)
        assert PHONE not in text
        assert "Rivera" not in text
    delivery.add_message("undelivered", "30005")
    coordinator_text, lead_text = read_page(delivery.coordinator), read_page(delivery.lead)
    assert "Rivera · …0101" in coordinator_text
    assert "Rivera" not in lead_text
    assert "Number ending in 0101" in lead_text
    assert PHONE not in delivery.lead.get("/delivery").get_data(as_text=True)


def test_lost_staff_text_names_no_family_and_offers_no_call(sqlite_delivery: DeliveryFixture) -> None:
    sqlite_delivery.add_message("undelivered", "30005", category="staff", template="staff_reminder")
    text = read_page(sqlite_delivery.coordinator)
    assert "A colleague’s number ending in 0101" in text
    assert "Tell them another way." in text
    assert "Rivera" not in text
    assert "tel:" not in sqlite_delivery.coordinator.get("/delivery").get_data(as_text=True)


def test_lost_text_is_sent_again_once_with_attempts_reset(delivery: DeliveryFixture) -> None:
    message_id = delivery.add_message(
        "undelivered", "30003", attempts=6, attempt_id="t" * 32, provider_message_id="SM1", resolved_at=None
    )
    for _ in range(2):
        response = delivery.coordinator.post(
            f"/delivery/lost/{message_id}", data={"how": "retry", "back": "/delivery?days=30"}
        )
        assert response.status_code == 303
        assert response.location.endswith("/delivery?days=30")
    row = delivery.read_message(message_id)
    assert (row.state, row.attempts, row.next_at, row.error) == ("queued", 0, NOW, None)
    assert (row.resolved_how, row.resolved_at) == ("retried", None)
    assert "Lost texts to follow up on" not in read_page(delivery.coordinator)
    with delivery.database.transaction() as session:
        session.execute(update(OutgoingMessage).values(state="undelivered", error="30003"))
    assert "already sent again once" in read_page(delivery.coordinator)


@pytest.mark.parametrize(
    ("code", "phone_state", "hours_to_expiry", "expected_text"),
    [
        ("30003", "ok", -1, "too late to send this text"),
        ("30003", "landline", 1, "cannot get texts"),
        ("no_answer", "ok", 1, "not sent twice"),
        ("repeated", "ok", 1, "The same text already went to this phone today"),
    ],
)
def test_retry_is_refused_when_it_cannot_help(
    sqlite_delivery: DeliveryFixture, code: str, phone_state: str, hours_to_expiry: int, expected_text: str
) -> None:
    message_id = sqlite_delivery.add_message("dead", code, expires_at=NOW + timedelta(hours=hours_to_expiry))
    with sqlite_delivery.database.transaction() as session:
        session.execute(update(Phone).values(state=phone_state))
    assert "Send again" not in read_page(sqlite_delivery.coordinator)
    client = sqlite_delivery.coordinator
    assert client.post(f"/delivery/lost/{message_id}", data={"how": "retry"}).status_code == 303
    assert expected_text in read_page(client)
    assert sqlite_delivery.read_message(message_id).state == "dead"


@pytest.mark.parametrize("resolution", ["called", "dismissed"])
def test_first_resolution_of_a_lost_text_is_kept(delivery: DeliveryFixture, resolution: str) -> None:
    message_id = delivery.add_message("rejected", "21211")
    delivery.coordinator.post(f"/delivery/lost/{message_id}", data={"how": resolution, "note": " spoke to Ana "})
    delivery.lead.post(f"/delivery/lost/{message_id}", data={"how": "called"})
    row = delivery.read_message(message_id)
    assert (row.resolved_how, row.resolved_at, row.resolved_note) == (resolution, NOW, "spoke to Ana")
    assert row.resolved_by == delivery.school_fixture.actors["coordinator"].account_id
    assert "Lost texts to follow up on" not in read_page(delivery.coordinator)


def test_lost_text_of_another_school_is_not_found(sqlite_delivery: DeliveryFixture) -> None:
    message_id = sqlite_delivery.add_message("dead", "30003")
    client = create_client(sqlite_delivery.app, sqlite_delivery.other_coordinator)
    for resolution in ("retry", "called", "dismissed"):
        assert client.post(f"/delivery/lost/{message_id}", data={"how": resolution}).status_code == 404
    assert sqlite_delivery.coordinator.post(f"/delivery/lost/{message_id}", data={"how": "eaten"}).status_code == 404
    assert sqlite_delivery.read_message(message_id).resolved_at is None
    assert "Rivera" not in read_page(client)


def test_redirect_to_another_site_is_ignored(sqlite_delivery: DeliveryFixture) -> None:
    message_id = sqlite_delivery.add_message("dead", "30003")
    response = sqlite_delivery.coordinator.post(
        f"/delivery/lost/{message_id}", data={"how": "called", "back": "https://evil.example/delivery"}
    )
    assert response.location == "/delivery"


def test_note_over_the_limit_is_refused(sqlite_delivery: DeliveryFixture) -> None:
    message_id = sqlite_delivery.add_message("dead", "30003")
    with sqlite_delivery.database.transaction() as session, pytest.raises(RulesBroken):
        failed.resolve(session, sqlite_delivery.lead_actor, message_id, how="dismissed", note="x" * 201, now=NOW)


def test_lead_sees_alert_until_it_is_acknowledged(sqlite_delivery: DeliveryFixture) -> None:
    with sqlite_delivery.database.transaction() as session:
        alerts.raise_alert(session, "code", "twilio:39999", NOW)
        alert_id = session.scalars(select(MessageAlert.id)).one()
    assert "39999" not in read_page(sqlite_delivery.coordinator)
    assert "39999" in read_page(sqlite_delivery.lead)
    assert sqlite_delivery.coordinator.post(f"/delivery/alerts/{alert_id}").status_code == 403
    assert sqlite_delivery.lead.post(f"/delivery/alerts/{alert_id}").status_code == 303
    assert "39999" not in read_page(sqlite_delivery.lead)


def test_unreachable_families_are_counted_and_small_languages_hidden(delivery: DeliveryFixture) -> None:
    from homevisits.messages.recipients import opt_outs
    from homevisits.people.models import Caregiver, Family

    with delivery.database.transaction() as session:
        session.execute(update(Caregiver).where(Caregiver.phone == "+15555550102").values(phone=None))
        session.add(Phone(e164="+15555550103", state="bad"))
        session.execute(update(Family).where(Family.name == "Quiet").values(language="so"))
        opt_outs.opt_out(session, "+15555550104", "family", NOW)
    for client in (delivery.coordinator, delivery.lead):
        text = read_page(client)
        assert "Families with children at school now 4" in text
        assert "No phone number on file 1" in text
        assert "Only numbers that cannot get texts 1" in text
        assert "Asked us not to text 1" in text
        assert "stopped texts on these days 1" in text
        assert "Somali fewer than 10" in text
    assert "stopped texts on these days 0" in read_page(create_client(delivery.app, delivery.other_coordinator))


def test_costs_group_languages_with_few_texts(delivery: DeliveryFixture) -> None:
    for _ in range(10):
        delivery.add_delivered(1)
    delivery.add_delivered(1, language="so")
    delivery.add_delivered(1, language="vi")
    text = read_page(delivery.lead)
    assert "October 2026 English 10 20 $0.24" in text
    assert "October 2026 Languages with few texts 2 4 $0.05" in text


def test_csv_has_a_row_per_day_school_and_text_and_escapes_formulas(delivery: DeliveryFixture) -> None:
    delivery.add_delivered(1)
    delivery.add_message("dead", "30003", school_id=delivery.other_school_id)
    rows = list(csv.DictReader(io.StringIO(delivery.lead.get("/delivery.csv").get_data(as_text=True))))
    assert [(row["school"], row["text"], row["arrived"], row["did_not_arrive"]) for row in rows] == [
        ("'=Elsewhere", "visit_reminder", "0", "1"),
        ("Lincoln Elementary", "visit_reminder", "1", "0"),
    ]
    assert rows[1]["day"] == "2026-10-05"
    assert rows[1]["parts"] == "2"
    assert rows[1]["dollars"] == "0.0240"
    coordinator_csv = delivery.coordinator.get("/delivery.csv").get_data(as_text=True)
    assert "Elsewhere" not in coordinator_csv


def test_days_are_local_days_across_a_clock_change(delivery: DeliveryFixture) -> None:
    from homevisits.operations.delivery import queries

    first, last = NOW.date().replace(month=10, day=30), NOW.date().replace(month=11, day=3)
    selection = queries.DeliveryFilter(None, None, None, None, first, last, "America/Denver")
    for day in selection.days:
        begin, end = (
            queries.local_midnight(day, selection.zone),
            queries.local_midnight(day + timedelta(days=1), selection.zone),
        )
        delivery.add_message("delivered", not_before=begin)
        delivery.add_message("delivered", not_before=end - timedelta(microseconds=1))
    with delivery.database.reading() as session:
        results = queries.read_results(session, selection)
    assert [results.days[day]["delivered"] for day in selection.days] == [2] * 5


TWILIO = {
    "provider": "twilio",
    "twilio_account_sid": "AC" + "0" * 32,
    "twilio_auth_token": "token",
    "twilio_from": "+13035550100",
}


def test_banner_names_who_gets_texts(sqlite_delivery: DeliveryFixture) -> None:
    trial, without_provider = (
        create_test_app(sqlite_delivery.database, texting="trial", **TWILIO),
        create_test_app(sqlite_delivery.database, mode="production"),
    )
    clock.set_source(lambda: NOW)
    for client, address in (
        (create_client(trial, sqlite_delivery.lead_actor), "/delivery"),
        (create_client(trial, sqlite_delivery.lead_actor), "/senders"),
        (create_client(trial, sqlite_delivery.lead_actor), "/senders/guests"),
        (create_client(trial, sqlite_delivery.school_fixture.actors["coordinator"]), "/asking"),
    ):
        assert "Trial: only 0 test phones get texts. Families get none." in read_page(client, address)
    assert "No text provider is set up" in read_page(create_client(without_provider, sqlite_delivery.lead_actor))
    for address in ("/delivery", "/asking"):
        assert "families get none" not in read_page(sqlite_delivery.coordinator, address)


@pytest.mark.parametrize("mode", ["production", "development"])
@pytest.mark.parametrize("texting", ["trial", "live"])
@pytest.mark.parametrize("provider", [{}, TWILIO])
def test_banner_matches_the_send_policy(
    sqlite_delivery: DeliveryFixture, mode: str, texting: str, provider: dict[str, str]
) -> None:
    from homevisits.worker import build_send_policy

    app = create_test_app(sqlite_delivery.database, mode=mode, texting=texting, **provider)
    clock.set_source(lambda: NOW)
    policy = build_send_policy(app.extensions["homevisits"].settings)
    text = read_page(create_client(app, sqlite_delivery.lead_actor))
    assert ("No text provider is set up" in text) is policy.silent
    assert ("Trial:" in text) is (policy.trial and not policy.silent)


def test_other_roles_are_refused_and_retry_of_unknown_text_is_not_found(sqlite_delivery: DeliveryFixture) -> None:
    assert (
        create_client(sqlite_delivery.app, sqlite_delivery.school_fixture.actors["Grace"]).get("/delivery").status_code
        == 403
    )
    union = create_account(sqlite_delivery.database, "union", Grant(Role.UNION_COORDINATOR, None))
    assert create_client(sqlite_delivery.app, union).get("/delivery").status_code == 403
    with sqlite_delivery.database.transaction() as session, pytest.raises(NotFound):
        failed.retry(session, sqlite_delivery.school_fixture.actors["coordinator"], 999, NOW)


def test_queries_use_indexes_and_are_few(sqlite_delivery: DeliveryFixture) -> None:
    sqlite_delivery.add_message("dead", "30003")
    queries: list[str] = []
    event.listen(
        sqlite_delivery.database.engine, "before_cursor_execute", lambda _c, _u, sql, *_more: queries.append(sql)
    )
    for client in (sqlite_delivery.lead, sqlite_delivery.coordinator):
        read_page(client)
        assert client.get("/delivery.csv").status_code == 200
    assert len(queries) < 60
    with sqlite_delivery.database.reading() as session:
        for sql in [query for query in queries if "FROM outgoing_message" in query]:
            plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?"))
            used = [row[3] for row in plan if "outgoing_message" in row[3] and "anon" not in row[3]]
            # A lookup by phone is allowed: a phone has few messages. It finds the school of a removed family.
            ranges = (
                "not_before>",
                "ix_outgoing_message_due",
                "ix_outgoing_message_lost",
                "state=?",
                "rowid=?",
                "phone=?",
            )
            assert used, sql
            assert all(any(index in row for index in ranges) for row in used), (used, sql)


def test_start_pages_show_lost_texts(sqlite_delivery: DeliveryFixture) -> None:
    assert "lost" not in read_page(sqlite_delivery.lead, "/overview") + read_page(sqlite_delivery.coordinator, "/today")
    sqlite_delivery.add_message("dead", "30003")
    assert "One text was lost" in read_page(sqlite_delivery.lead, "/overview")
    assert "One text was lost" in read_page(sqlite_delivery.coordinator, "/today")
    assert "lost" not in read_page(create_client(sqlite_delivery.app, sqlite_delivery.other_coordinator), "/today")


def test_every_template_has_a_label_in_the_filter(sqlite_delivery: DeliveryFixture) -> None:
    html = sqlite_delivery.lead.get("/delivery").get_data(as_text=True)
    names = [name for name in catalog.list_templates("en") if "canned" not in name and "." not in name]
    assert all(f'<option value="{name}"' in html for name in names)
    # The discreet wording is not a separate entry, and file names are not labels.
    assert ".discreet" not in html
    assert not any(f">{name}</option>" in html for name in names)


@pytest.mark.parametrize(("number", "top"), [(0, 4), (4, 4), (5, 10), (41, 50), (50, 50), (51, 100), (401, 500)])
def test_axis_ends_at_an_even_number(number: int, top: int) -> None:
    assert round_up_axis(number) == top
