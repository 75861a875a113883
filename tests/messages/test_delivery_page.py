"""The page that says whether texts arrive: its sentence, its numbers, what was lost and what a person did about it."""

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
from homevisits.people.models import Heartbeat, School
from tests.factories.school import NOW, SchoolFixture, build_school
from tests.shell.clients import create_account, create_client, create_test_app

PHONE = "+15555550101"
"""The Riveras', in the test school."""
_numbers = count(1)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


class Desk:
    """The test school, a coordinator of it, a lead of the district, and texts in whatever state."""

    def __init__(self, database: Database, **changed: object) -> None:
        self.school_fixture: SchoolFixture = build_school(database)
        self.database = database
        with database.transaction() as session:
            other = School(source_id="s2", name="=Elsewhere", timezone="America/Denver")
            session.add(other)
            session.flush()
            self.other: int = other.id
        self.app: Flask = create_test_app(database, texting="live", **changed)
        self.lead_actor: Actor = create_account(database, "lead", Grant(Role.DISTRICT_LEAD, None))
        self.stranger: Actor = create_account(database, "stranger", Grant(Role.SITE_COORDINATOR, self.other))
        clock.set_source(lambda: NOW)

    @property
    def coordinator(self) -> FlaskClient:
        return create_client(self.app, self.school_fixture.actors["coordinator"])

    @property
    def lead(self) -> FlaskClient:
        return create_client(self.app, self.lead_actor)

    def text(self, state: str, error: str | None = None, **more: object) -> int:
        """A text due an hour ago, useful for two hours more."""
        number = next(_numbers)
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

    def arrived(self, seconds: float, **more: object) -> int:
        sent = NOW - timedelta(hours=1)
        return self.text("delivered", sent_at=sent, final_at=sent + timedelta(seconds=seconds), **more)

    def row(self, number: int) -> OutgoingMessage:
        with self.database.reading() as session:
            found = session.scalars(select(OutgoingMessage).where(OutgoingMessage.id == number)).one()
            session.expunge_all()
            return found


@pytest.fixture
def desk(database: Database) -> Iterator[Desk]:
    yield Desk(database)
    clock.set_source(None)


@pytest.fixture
def quick(sqlite_template: Path, tmp_path: Path) -> Iterator[Desk]:
    """For what is above the engines."""
    path = tmp_path / "homevisits.sqlite"
    shutil.copyfile(sqlite_template, path)
    yield Desk(Database(f"sqlite:///{path}"))
    clock.set_source(None)


def page(client: FlaskClient, address: str = "/delivery") -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.status_code
    return words(answer.get_data(as_text=True))


def test_it_says_yes_when_texts_arrive_and_how_long_that_took(desk: Desk) -> None:
    for seconds in range(1, 21):
        desk.arrived(seconds)
    said = page(desk.coordinator)
    assert "Yes. All 20 texts with a delivery report arrived." in said
    assert "half within 11 s, 95 of 100 within 20 s" in said
    assert "Nothing is due" in said
    assert "20 40 $0.48" in said  # texts, parts, about


def test_a_coordinator_counts_the_texts_of_their_school_and_a_lead_all(desk: Desk) -> None:
    desk.arrived(1)
    desk.arrived(1, school_id=desk.other)
    desk.arrived(1, school_id=None)
    assert "Yes. The 1 text with a delivery report arrived." in page(desk.coordinator)
    assert "Yes. All 3 texts" in page(desk.lead)
    assert "Yes. The 1 text" in page(desk.lead, f"/delivery?school={desk.other}")
    assert desk.coordinator.get(f"/delivery?school={desk.other}").status_code == 404
    assert desk.coordinator.get(f"/delivery.csv?school={desk.other}").status_code == 404


def test_it_is_narrowed_by_text_language_and_days(desk: Desk) -> None:
    desk.arrived(1)
    desk.arrived(1, template="invitation", language="es")
    desk.arrived(1, not_before=NOW - timedelta(days=20))
    for query, number in (("", 2), ("?days=30", 3), ("?text=invitation", 1), ("?language=es", 1), ("?language=xx", 2)):
        said = page(desk.coordinator, f"/delivery{query}")
        expected = f"All {number} texts" if number > 1 else "The 1 text"
        assert f"Yes. {expected}" in said, query


@pytest.mark.parametrize(
    ("states", "says", "light"),
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
def test_the_sentence_names_the_worst(quick: Desk, states: tuple[str, ...], says: str, light: str) -> None:
    for state in states:
        quick.text(state, "30003" if state in ("undelivered", "rejected", "dead") else None)
    said = page(quick.coordinator)
    assert says in said
    assert f"{light} " in said


def test_what_waits_says_why_and_until_when(desk: Desk) -> None:
    later = NOW + timedelta(hours=5)
    desk.text("held", hold_reason="quiet", next_at=later)
    desk.text("held", hold_reason="quiet", next_at=later + timedelta(hours=1))
    desk.text("held", hold_reason="cap", next_at=later)
    desk.text("queued", next_at=NOW + timedelta(days=3))
    said = page(desk.coordinator)
    assert "2 texts are on hold; the first until Mon, Oct 5, 2:00 pm." in said
    assert "Outside texting hours" in said
    assert "1 text is on hold until" in said
    assert "One text is planned for later." in said
    assert "Nothing is due" in said


def test_nothing_that_may_send_is_said_first(quick: Desk) -> None:
    with quick.database.transaction() as session:
        session.add(Sender(provider="twilio", address="+13035550100"))
    said = page(quick.coordinator)
    assert "No. No sender can send right now." in said
    assert "The district lead can fix this." in said


def test_a_worker_that_is_alive_is_not_blamed_for_what_waits_for_the_provider(quick: Desk) -> None:
    quick.text("held", hold_reason="sender")
    with quick.database.transaction() as session:
        session.add(Heartbeat(name="worker", at=NOW))
    said = page(quick.coordinator)
    assert "Late. A text should have gone out Mon, Oct 5, 8:00 am." in said
    assert "as fast as the provider accepts them" in said


def test_failures_are_said_in_words_with_what_can_be_done(quick: Desk) -> None:
    quick.text("rejected", "21211")
    quick.text("undelivered", "99999")
    quick.text("suppressed", "trial")
    said = page(quick.coordinator)
    assert "1 · This number cannot get texts. Ask the family for another number, or call." in said
    quick.text("undelivered", "30005")
    assert "2 · This number cannot get texts." in page(quick.coordinator)
    assert "1 · The provider rejected it (code 99999). Call the family." in said
    assert "This is a trial, and this is not a test phone." in said


def test_no_phone_and_no_family_is_on_the_page_but_among_the_lost(desk: Desk) -> None:
    desk.arrived(1)
    for client in (desk.coordinator, desk.lead):
        said = client.get("/delivery").get_data(as_text=True)
        assert PHONE not in said
        assert "Rivera" not in said
    desk.text("undelivered", "30005")
    mine, all_of_them = page(desk.coordinator), page(desk.lead)
    assert "Rivera · …0101" in mine
    assert "Rivera" not in all_of_them
    assert "Number ending in 0101" in all_of_them
    assert PHONE not in desk.lead.get("/delivery").get_data(as_text=True)


def test_a_colleagues_lost_text_names_no_family_and_offers_no_call(quick: Desk) -> None:
    quick.text("undelivered", "30005", category="staff", template="staff_reminder")
    said = page(quick.coordinator)
    assert "A colleague’s number ending in 0101" in said
    assert "Tell them another way." in said
    assert "Rivera" not in said
    assert "tel:" not in quick.coordinator.get("/delivery").get_data(as_text=True)


def test_a_lost_text_is_sent_again_once_with_all_its_tries(desk: Desk) -> None:
    number = desk.text(
        "undelivered", "30003", attempts=6, attempt_id="t" * 32, provider_message_id="SM1", resolved_at=None
    )
    for _ in range(2):
        answer = desk.coordinator.post(f"/delivery/lost/{number}", data={"how": "retry", "back": "/delivery?days=30"})
        assert answer.status_code == 303
        assert answer.location.endswith("/delivery?days=30")
    row = desk.row(number)
    assert (row.state, row.attempts, row.next_at, row.error) == ("queued", 0, NOW, None)
    assert (row.resolved_how, row.resolved_at) == ("retried", None)
    assert "Lost texts to follow up on" not in page(desk.coordinator)
    with desk.database.transaction() as session:
        session.execute(update(OutgoingMessage).values(state="undelivered", error="30003"))
    assert "already sent again once" in page(desk.coordinator)


@pytest.mark.parametrize(
    ("code", "phone", "expires", "says"),
    [
        ("30003", "ok", -1, "too late to send this text"),
        ("30003", "landline", 1, "cannot get texts"),
        ("no_answer", "ok", 1, "not sent twice"),
        ("repeated", "ok", 1, "The same text already went to this phone today"),
    ],
)
def test_it_is_not_sent_again_when_that_is_no_use(quick: Desk, code: str, phone: str, expires: int, says: str) -> None:
    number = quick.text("dead", code, expires_at=NOW + timedelta(hours=expires))
    with quick.database.transaction() as session:
        session.execute(update(Phone).values(state=phone))
    assert "Send again" not in page(quick.coordinator)
    client = quick.coordinator
    assert client.post(f"/delivery/lost/{number}", data={"how": "retry"}).status_code == 303
    assert says in page(client)
    assert quick.row(number).state == "dead"


@pytest.mark.parametrize("how", ["called", "dismissed"])
def test_a_lost_text_is_settled_once_by_whoever_came_first(desk: Desk, how: str) -> None:
    number = desk.text("rejected", "21211")
    desk.coordinator.post(f"/delivery/lost/{number}", data={"how": how, "note": " spoke to Ana "})
    desk.lead.post(f"/delivery/lost/{number}", data={"how": "called"})
    row = desk.row(number)
    assert (row.resolved_how, row.resolved_at, row.resolved_note) == (how, NOW, "spoke to Ana")
    assert row.resolved_by == desk.school_fixture.actors["coordinator"].account_id
    assert "Lost texts to follow up on" not in page(desk.coordinator)


def test_another_schools_lost_text_is_not_found(quick: Desk) -> None:
    number = quick.text("dead", "30003")
    client = create_client(quick.app, quick.stranger)
    for how in ("retry", "called", "dismissed"):
        assert client.post(f"/delivery/lost/{number}", data={"how": how}).status_code == 404
    assert quick.coordinator.post(f"/delivery/lost/{number}", data={"how": "eaten"}).status_code == 404
    assert quick.row(number).resolved_at is None
    assert "Rivera" not in page(client)


def test_an_answer_leads_nowhere_else(quick: Desk) -> None:
    number = quick.text("dead", "30003")
    answer = quick.coordinator.post(
        f"/delivery/lost/{number}", data={"how": "called", "back": "https://evil.example/delivery"}
    )
    assert answer.location == "/delivery"


def test_too_long_a_note_is_refused(quick: Desk) -> None:
    number = quick.text("dead", "30003")
    with quick.database.transaction() as session, pytest.raises(RulesBroken):
        failed.resolve(session, quick.lead_actor, number, how="dismissed", note="x" * 201, now=NOW)


def test_an_alert_is_shown_to_the_lead_until_seen(quick: Desk) -> None:
    with quick.database.transaction() as session:
        alerts.raise_alert(session, "code", "twilio:39999", NOW)
        number = session.scalars(select(MessageAlert.id)).one()
    assert "39999" not in page(quick.coordinator)
    assert "39999" in page(quick.lead)
    assert quick.coordinator.post(f"/delivery/alerts/{number}").status_code == 403
    assert quick.lead.post(f"/delivery/alerts/{number}").status_code == 303
    assert "39999" not in page(quick.lead)


def test_families_no_text_can_reach_are_counted_and_few_of_a_language_are_not(desk: Desk) -> None:
    from homevisits.messages.recipients import opt_outs
    from homevisits.people.models import Caregiver, Family

    with desk.database.transaction() as session:
        session.execute(update(Caregiver).where(Caregiver.phone == "+15555550102").values(phone=None))
        session.add(Phone(e164="+15555550103", state="bad"))
        session.execute(update(Family).where(Family.name == "Quiet").values(language="so"))
        opt_outs.opt_out(session, "+15555550104", "family", NOW)
    for client in (desk.coordinator, desk.lead):
        said = page(client)
        assert "Families with children at school now 4" in said
        assert "No phone number on file 1" in said
        assert "Only numbers that cannot get texts 1" in said
        assert "Asked us not to text 1" in said
        assert "stopped texts on these days 1" in said
        assert "Somali fewer than 10" in said
    assert "stopped texts on these days 0" in page(create_client(desk.app, desk.stranger))


def test_a_language_with_few_texts_has_no_name_among_the_costs(desk: Desk) -> None:
    for _ in range(10):
        desk.arrived(1)
    desk.arrived(1, language="so")
    desk.arrived(1, language="vi")
    said = page(desk.lead)
    assert "October 2026 English 10 20 $0.24" in said
    assert "October 2026 Languages with few texts 2 4 $0.05" in said


def test_the_file_has_a_row_for_day_school_and_text_and_no_formula(desk: Desk) -> None:
    desk.arrived(1)
    desk.text("dead", "30003", school_id=desk.other)
    rows = list(csv.DictReader(io.StringIO(desk.lead.get("/delivery.csv").get_data(as_text=True))))
    assert [(row["school"], row["text"], row["arrived"], row["did_not_arrive"]) for row in rows] == [
        ("'=Elsewhere", "visit_reminder", "0", "1"),
        ("Lincoln Elementary", "visit_reminder", "1", "0"),
    ]
    assert rows[1]["day"] == "2026-10-05"
    assert rows[1]["parts"] == "2"
    assert rows[1]["dollars"] == "0.0240"
    of_one = desk.coordinator.get("/delivery.csv").get_data(as_text=True)
    assert "Elsewhere" not in of_one


def test_the_day_is_the_schools_day_also_when_clocks_change(desk: Desk) -> None:
    from homevisits.operations.delivery import queries

    first, last = NOW.date().replace(month=10, day=30), NOW.date().replace(month=11, day=3)
    asked = queries.DeliveryFilter(None, None, None, None, first, last, "America/Denver")
    for day in asked.days:
        begin, end = (
            queries.local_midnight(day, asked.zone),
            queries.local_midnight(day + timedelta(days=1), asked.zone),
        )
        desk.text("delivered", not_before=begin)
        desk.text("delivered", not_before=end - timedelta(microseconds=1))
    with desk.database.reading() as session:
        found = queries.read_results(session, asked)
    assert [found.days[day]["delivered"] for day in asked.days] == [2] * 5


TWILIO = {
    "provider": "twilio",
    "twilio_account_sid": "AC" + "0" * 32,
    "twilio_auth_token": "token",
    "twilio_from": "+13035550100",
}


def test_the_banner_says_who_gets_texts(quick: Desk) -> None:
    trial, nobody = (
        create_test_app(quick.database, texting="trial", **TWILIO),
        create_test_app(quick.database, mode="production"),
    )
    clock.set_source(lambda: NOW)
    for client, address in (
        (create_client(trial, quick.lead_actor), "/delivery"),
        (create_client(trial, quick.lead_actor), "/senders"),
        (create_client(trial, quick.lead_actor), "/senders/guests"),
        (create_client(trial, quick.school_fixture.actors["coordinator"]), "/asking"),
    ):
        assert "Trial: only 0 test phones get texts. Families get none." in page(client, address)
    assert "No text provider is set up" in page(create_client(nobody, quick.lead_actor))
    for address in ("/delivery", "/asking"):
        assert "families get none" not in page(quick.coordinator, address)


@pytest.mark.parametrize("mode", ["production", "development"])
@pytest.mark.parametrize("texting", ["trial", "live"])
@pytest.mark.parametrize("provider", [{}, TWILIO])
def test_the_banner_is_there_when_the_worker_texts_no_family(
    quick: Desk, mode: str, texting: str, provider: dict[str, str]
) -> None:
    from homevisits.worker import build_send_policy

    app = create_test_app(quick.database, mode=mode, texting=texting, **provider)
    clock.set_source(lambda: NOW)
    rules = build_send_policy(app.extensions["homevisits"].settings)
    said = page(create_client(app, quick.lead_actor))
    assert ("No text provider is set up" in said) is rules.silent
    assert ("Trial:" in said) is (rules.trial and not rules.silent)


def test_nobody_but_those_who_may_sees_it(quick: Desk) -> None:
    assert create_client(quick.app, quick.school_fixture.actors["Grace"]).get("/delivery").status_code == 403
    union = create_account(quick.database, "union", Grant(Role.UNION_COORDINATOR, None))
    assert create_client(quick.app, union).get("/delivery").status_code == 403
    with quick.database.transaction() as session, pytest.raises(NotFound):
        failed.retry(session, quick.school_fixture.actors["coordinator"], 999, NOW)


def test_no_old_text_is_read_and_few_questions_are_asked(quick: Desk) -> None:
    quick.text("dead", "30003")
    asked: list[str] = []
    event.listen(quick.database.engine, "before_cursor_execute", lambda _c, _u, sql, *_more: asked.append(sql))
    for client in (quick.lead, quick.coordinator):
        page(client)
        assert client.get("/delivery.csv").status_code == 200
    assert len(asked) < 60
    with quick.database.reading() as session:
        for sql in [each for each in asked if "FROM outgoing_message" in each]:
            plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?"))
            used = [row[3] for row in plan if "outgoing_message" in row[3] and "anon" not in row[3]]
            # One phone has few texts: whose a conversation is that no family has any more.
            ranges = (
                "not_before>",
                "ix_outgoing_message_due",
                "ix_outgoing_message_lost",
                "state=?",
                "rowid=?",
                "phone=?",
            )
            assert used, sql
            assert all(any(each in row for each in ranges) for row in used), (used, sql)


def test_lost_texts_are_told_on_the_page_people_begin_on(quick: Desk) -> None:
    assert "lost" not in page(quick.lead, "/overview") + page(quick.coordinator, "/today")
    quick.text("dead", "30003")
    assert "One text was lost" in page(quick.lead, "/overview")
    assert "One text was lost" in page(quick.coordinator, "/today")
    assert "lost" not in page(create_client(quick.app, quick.stranger), "/today")


def test_every_text_has_a_name_in_the_list(quick: Desk) -> None:
    html = quick.lead.get("/delivery").get_data(as_text=True)
    named = [name for name in catalog.list_templates("en") if "canned" not in name and "." not in name]
    assert all(f'<option value="{name}"' in html for name in named)
    # A discreet wording is no text of its own, and no name of a file is a name for people.
    assert ".discreet" not in html
    assert not any(f">{name}</option>" in html for name in named)
