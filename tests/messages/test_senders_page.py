"""The pages of what texts go out from: what is missing in words, what a lead says of it, guests, quiet days."""

import re
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from homevisits.core import clock
from homevisits.core.access import Grant, Role
from homevisits.core.db import Database
from homevisits.core.problems import NotFound, RulesBroken
from homevisits.messages import labels
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.models import OutgoingMessage, Phone, QuietDay, Sender, TrialRecipient
from homevisits.messages.senders import registration
from homevisits.people.models import Caregiver, Person
from tests.factories.school import NOW
from tests.messages.test_delivery_page import Desk, page, words
from tests.shell.clients import create_account, create_client

MOBILE = "+16515550142"


@pytest.fixture
def desk(sqlite_database: Database) -> Iterator[Desk]:
    yield Desk(sqlite_database)
    clock.set_source(None)


def sender(desk: Desk, **more: object) -> int:
    with desk.database.transaction() as session:
        row = Sender(**{"provider": "twilio", "address": "+13035550100", **more})
        session.add(row)
        session.flush()
        return row.id


def the(desk: Desk, number: int) -> Sender:
    with desk.database.reading() as session:
        found = session.scalars(select(Sender).where(Sender.id == number)).one()
        session.expunge_all()
        return found


FORM = {
    "kind": "long_code",
    "registration": "registered",
    "brand_id": "BN1234",
    "campaign_id": "QE1234",
    "segments_per_second": "2.5",
    "segments_per_day": "2000",
    "note": "",
}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {},
            (
                "Blocked",
                "This sender cannot send",
                "The brand",
                "The campaign",
                "Your confirmation here that it is registered",
            ),
        ),
        ({"brand_id": "BN1"}, ("Blocked", "The campaign")),
        ({"kind": "toll_free"}, ("Blocked", "The verification of the toll-free number")),
        ({"registration": "pending"}, ("Blocked", "The phone companies’ approval")),
        ({"registration": "refused"}, ("Blocked", "A new registration")),
        ({"registration": "registered"}, ("Ready",)),
        (
            {"registration": "registered", "breaker": "open", "breaker_code": "20003", "breaker_at": NOW},
            (
                "Stopped",
                "not registered, not paid for or not allowed",
                "Since Mon, Oct 5, 9:00 am",
                "We retry automatically",
            ),
        ),
        (
            {
                "registration": "registered",
                "paused_until": NOW + timedelta(hours=16),
                "pause_reason": "daily_cap",
            },
            ("Paused until Tue, Oct 6, 1:00 am", "daily limit"),
        ),
        ({"active": False}, ("No longer used",)),
    ],
)
def test_a_sender_says_whether_it_may_send_and_what_is_missing(
    desk: Desk, more: dict[str, object], says: tuple[str, ...]
) -> None:
    sender(desk, **more)
    said = page(desk.lead, "/senders")
    for each in says:
        assert each in said, each


def test_the_runbook_names_the_address_for_replies(desk: Desk) -> None:
    said = page(desk.lead, "/senders")
    assert "http://localhost/twilio/inbound" in said
    for each in (
        "Government",
        "US Non Profit",
        "10 to 15 business days",
        "3 to 5",
        "30034",
        "30032",
        "Remove YES from the list",
    ):
        assert each in said, each


def test_what_a_lead_says_of_a_sender_is_kept_with_who_said_it(desk: Desk) -> None:
    number = sender(desk)
    assert desk.lead.post(f"/senders/{number}", data=FORM).status_code == 303
    row = the(desk, number)
    assert (row.registration, row.brand_id, row.campaign_id) == ("registered", "BN1234", "QE1234")
    assert (row.segments_per_second, row.segments_per_day) == (2.5, 2000)
    assert (row.changed_by, row.registered_at) == (desk.lead_actor.account_id, NOW)
    assert "Ready" in page(desk.lead, "/senders")
    assert desk.lead.post(f"/senders/{number}", data={**FORM, "registration": "refused"}).status_code == 303
    assert the(desk, number).registered_at is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "service"}, "kind"),
        ({"registration": "perhaps"}, "registration"),
        ({"brand_id": ""}, "brand_id"),
        ({"campaign_id": ""}, "campaign_id"),
        ({"campaign_id": "QE 12; drop"}, "campaign_id"),
        ({"registration": "not_needed"}, "note"),
        ({"note": "x" * 301}, "note"),
        *(
            ({"segments_per_second": typed}, "segments_per_second")
            for typed in ("", "0", "-1", "nan", "inf", "501", "x")
        ),
        *(({"segments_per_day": typed}, "segments_per_day") for typed in ("0", "-1", "1.5", "many", "1e9")),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(desk: Desk, change: dict[str, str], field: str) -> None:
    number = sender(desk)
    answer = desk.lead.post(f"/senders/{number}", data={**FORM, **change})
    assert answer.status_code == 422
    assert f'<a href="#{field}">' in answer.get_data(as_text=True)
    assert the(desk, number).registration == "unregistered"


def test_not_needed_takes_a_reason_and_a_toll_free_number_no_brand(desk: Desk) -> None:
    number = sender(desk)
    given = {**FORM, "registration": "not_needed", "brand_id": "", "campaign_id": "", "note": "Abroad"}
    assert desk.lead.post(f"/senders/{number}", data=given).status_code == 303
    given = {**FORM, "kind": "toll_free", "brand_id": "", "campaign_id": "HH1"}
    assert desk.lead.post(f"/senders/{number}", data=given).status_code == 422  # too short an id
    assert desk.lead.post(f"/senders/{number}", data={**given, "campaign_id": "HH12"}).status_code == 303


def test_only_a_lead_of_the_whole_district_changes_anything(desk: Desk) -> None:
    number = sender(desk)
    of_one = create_account(desk.database, "of-one", Grant(Role.DISTRICT_LEAD, desk.school_fixture.school_id))
    client = create_client(desk.app, of_one)
    assert client.get("/senders").status_code == 200
    assert client.get(f"/senders/{number}").status_code == 404
    assert client.post(f"/senders/{number}", data=FORM).status_code == 404
    assert client.post("/senders/guests", data={"name": "A", "phone": MOBILE}).status_code == 404
    for path in ("/senders", "/senders/guests", f"/senders/{number}"):
        assert desk.coordinator.get(path).status_code == 403
    with desk.database.transaction() as session, pytest.raises(NotFound):
        registration.change_sender(session, desk.lead_actor, 999, registration.read_form(FORM), NOW)


def test_a_guest_is_a_name_and_a_number_and_twice_the_same_is_once(desk: Desk) -> None:
    assert desk.lead.post("/senders/guests", data={"name": "", "phone": "12"}).status_code == 422
    for name in ("Ana", "Ana María"):
        assert desk.lead.post("/senders/guests", data={"name": name, "phone": "(651) 555-0142"}).status_code == 303
    with desk.database.reading() as session:
        assert [(row.phone, row.name) for row in session.scalars(select(TrialRecipient))] == [(MOBILE, "Ana María")]
    assert "Ana María (651) 555-0142" in page(desk.lead, "/senders/guests")
    for _ in range(2):
        assert desk.lead.post("/senders/guests/remove", data={"phone": MOBILE}).status_code == 303
    assert "No test phones yet" in page(desk.lead, "/senders/guests")


def test_a_family_is_no_guest_of_a_trial_but_a_colleague_who_is_a_parent_is(desk: Desk) -> None:
    with desk.database.transaction() as session:
        session.get_one(Caregiver, desk.school_fixture.caregivers["Rivera"]).phone = MOBILE
    given = {"name": "Ana", "phone": MOBILE}
    answer = desk.lead.post("/senders/guests", data=given)
    assert answer.status_code == 422
    assert "During a trial, only staff get texts." in answer.get_data(as_text=True)
    assert 'value="Ana"' in answer.get_data(as_text=True)
    with desk.database.transaction() as session:
        session.get_one(Person, desk.school_fixture.educators["Grace"]).phone = MOBILE
    assert desk.lead.post("/senders/guests", data=given).status_code == 303


def add_days(client: FlaskClient, status: int = 303, **more: object) -> str:
    answer = client.post("/quiet-days", data={"name": "Tet", "first": "2026-10-12", "last": "", **more})
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def days(desk: Desk) -> list[tuple[int | None, date]]:
    with desk.database.reading() as session:
        return [
            (row.school_id, row.day) for row in session.scalars(select(QuietDay).order_by(QuietDay.day, QuietDay.id))
        ]


def test_a_coordinator_makes_days_quiet_at_their_school_once(desk: Desk) -> None:
    here = desk.school_fixture.school_id
    for _ in range(2):
        add_days(desk.coordinator, school=here, last="2026-10-13")
    assert days(desk) == [(here, date(2026, 10, 12)), (here, date(2026, 10, 13))]
    for elsewhere in ("district", desk.other):
        answer = desk.coordinator.post("/quiet-days", data={"school": elsewhere, "name": "x", "first": "2026-10-12"})
        assert answer.status_code == 404
    assert "Mon, Oct 12 · Tet" in page(desk.coordinator, "/quiet-days")
    assert "Tet" not in page(create_client(desk.app, desk.stranger), "/quiet-days")


def test_the_districts_days_count_for_all_and_only_its_lead_takes_them_back(desk: Desk) -> None:
    add_days(desk.lead, school="district")
    number = 1
    assert "by the district lead" in page(desk.coordinator, "/quiet-days")
    assert desk.coordinator.post(f"/quiet-days/{number}/remove").status_code == 404
    assert desk.lead.post(f"/quiet-days/{number}/remove").status_code == 303
    assert days(desk) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"first": "soon"}, "first"),
        ({"first": "2026-10-04"}, "first"),
        ({"first": "2029-10-04"}, "first"),
        ({"last": "2026-10-11"}, "last"),
        ({"last": "2026-12-31"}, "last"),
        ({"last": "never"}, "last"),
        ({"school": "all"}, "school"),
    ],
)
def test_a_day_that_cannot_be_is_refused_at_its_field(desk: Desk, change: dict[str, str], field: str) -> None:
    html = add_days(desk.lead, 422, **{"school": "district", **change})
    assert f'<a href="#{field}">' in html
    assert days(desk) == []


def test_one_day_that_cannot_be_is_said_once(desk: Desk) -> None:
    html = add_days(desk.lead, 422, school="district", first="2026-13-45")
    assert '<a href="#last">' not in html


def test_a_day_that_is_over_stays(desk: Desk) -> None:
    with desk.database.transaction() as session:
        session.add(QuietDay(school_id=None, day=date(2026, 10, 2), name="Gone", at=NOW))
    said = page(desk.lead, "/quiet-days")
    assert "Gone" in said
    assert "Over" in said
    desk.lead.post("/quiet-days/1/remove")
    assert len(days(desk)) == 1


def test_every_word_the_code_says_of_a_text_has_words_for_people() -> None:
    """Every provider's code with a rule; every hold, state, error and alert that our own code writes."""
    from homevisits.messages.providers import error_codes
    from tests.messages.said import alerts, errors, holds

    for code in (*error_codes.ERROR_CLASSES, "99999", "503"):
        assert str(labels.explain_code(code))
        assert str(labels.advise_on_code(code))
    assert set(labels.ERROR_CLASSES) == set(error_codes.ErrorClass)
    assert holds() <= set(labels.HOLD_REASONS)
    assert {"quiet", "cap", "sender", "language", "template"} <= holds()
    assert errors() <= {*labels.OWN_CODES, *labels.CANCEL_REASONS, *error_codes.ERROR_CLASSES}
    assert {"trial", "not_found", "visit_changed"} <= errors()
    assert alerts() <= set(labels.ALERTS)
    assert {"code", "template_paused", "loop"} <= alerts()


def test_a_text_that_is_sent_again_is_taken_by_the_worker(desk: Desk) -> None:
    from homevisits.messages.dispatch.eligibility import SendPolicy
    from homevisits.messages.dispatch.quiet_hours import Limits
    from tests.messages.conftest import Recorder

    number = desk.text("undelivered", "30003", template="invitation_call_me", params='{"school": "Lincoln"}')
    sender(desk, provider="recorder", registration="not_needed")
    assert desk.coordinator.post(f"/delivery/lost/{number}", data={"how": "retry"}).status_code == 303
    provider = Recorder()
    rules = SendPolicy(limits=Limits.of(desk.school_fixture.policy), zone="America/Denver")
    dispatcher.dispatch_due(desk.database, (provider,), rules, lambda: NOW, 10)
    assert len(provider.sent) == 1
    with desk.database.reading() as session:
        assert session.scalars(select(OutgoingMessage.state)).one() in ("accepted", "delivered")
        assert session.scalars(select(Phone.state)).one() == "ok"


def test_no_word_of_a_page_is_a_code(desk: Desk) -> None:
    sender(desk, registration="registered", breaker="open", breaker_code="30034", breaker_at=NOW)
    desk.text("dead", "worker_went_away")
    for path in ("/senders", "/delivery", "/quiet-days", "/senders/guests"):
        # The list of texts is named on the page of texts, which has a test of its own.
        html = re.sub(r"<select.*?</select>", "", desk.lead.get(path).get_data(as_text=True), flags=re.DOTALL)
        assert not re.search(r"\b[a-z]+_[a-z_]+\b", words(html)), path


def test_a_quiet_stretch_of_another_school_is_not_found(desk: Desk) -> None:
    from homevisits.messages.recipients import quiet_days

    wanted = quiet_days.QuietPeriod(desk.other, date(2026, 10, 12), date(2026, 10, 12), "x")
    with desk.database.transaction() as session:
        with pytest.raises(NotFound):
            quiet_days.add_quiet_days(session, desk.school_fixture.actors["coordinator"], wanted, NOW.date(), NOW)
        with pytest.raises(RulesBroken):
            quiet_days.add_quiet_days(session, desk.lead_actor, wanted, date(2026, 10, 13), NOW)
