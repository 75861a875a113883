"""Pages for senders, trial recipients and quiet days."""

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
from tests.messages.test_delivery_page import DeliveryFixture, read_page, visible_text
from tests.shell.clients import create_account, create_client

MOBILE = "+16515550142"


@pytest.fixture
def delivery(sqlite_database: Database) -> Iterator[DeliveryFixture]:
    yield DeliveryFixture(sqlite_database)
    clock.set_source(None)


def add_sender(delivery: DeliveryFixture, **more: object) -> int:
    with delivery.database.transaction() as session:
        row = Sender(**{"provider": "twilio", "address": "+13035550100", **more})
        session.add(row)
        session.flush()
        return row.id


def read_sender(delivery: DeliveryFixture, sender_id: int) -> Sender:
    with delivery.database.reading() as session:
        sender = session.scalars(select(Sender).where(Sender.id == sender_id)).one()
        session.expunge_all()
        return sender


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
    ("more", "expected_texts"),
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
def test_sender_shows_whether_it_can_send_and_what_is_missing(
    delivery: DeliveryFixture, more: dict[str, object], expected_texts: tuple[str, ...]
) -> None:
    add_sender(delivery, **more)
    text = read_page(delivery.lead, "/senders")
    for expected in expected_texts:
        assert expected in text, expected


def test_runbook_shows_the_webhook_url_and_registration_facts(delivery: DeliveryFixture) -> None:
    text = read_page(delivery.lead, "/senders")
    assert "http://localhost/twilio/inbound" in text
    for expected in (
        "Government",
        "US Non Profit",
        "10 to 15 business days",
        "3 to 5",
        "30034",
        "30032",
        "Remove YES from the list",
    ):
        assert expected in text, expected


def test_sender_change_is_stored_with_the_account_that_made_it(delivery: DeliveryFixture) -> None:
    sender_id = add_sender(delivery)
    assert delivery.lead.post(f"/senders/{sender_id}", data=FORM).status_code == 303
    row = read_sender(delivery, sender_id)
    assert (row.registration, row.brand_id, row.campaign_id) == ("registered", "BN1234", "QE1234")
    assert (row.segments_per_second, row.segments_per_day) == (2.5, 2000)
    assert (row.changed_by, row.registered_at) == (delivery.lead_actor.account_id, NOW)
    assert "Ready" in read_page(delivery.lead, "/senders")
    assert delivery.lead.post(f"/senders/{sender_id}", data={**FORM, "registration": "refused"}).status_code == 303
    assert read_sender(delivery, sender_id).registered_at is None


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
def test_invalid_sender_value_is_refused_at_its_field(
    delivery: DeliveryFixture, change: dict[str, str], field: str
) -> None:
    sender_id = add_sender(delivery)
    response = delivery.lead.post(f"/senders/{sender_id}", data={**FORM, **change})
    assert response.status_code == 422
    assert f'<a href="#{field}">' in response.get_data(as_text=True)
    assert read_sender(delivery, sender_id).registration == "unregistered"


def test_not_needed_requires_a_note_and_toll_free_requires_no_brand(delivery: DeliveryFixture) -> None:
    sender_id = add_sender(delivery)
    form = {**FORM, "registration": "not_needed", "brand_id": "", "campaign_id": "", "note": "Abroad"}
    assert delivery.lead.post(f"/senders/{sender_id}", data=form).status_code == 303
    form = {**FORM, "kind": "toll_free", "brand_id": "", "campaign_id": "HH1"}
    assert delivery.lead.post(f"/senders/{sender_id}", data=form).status_code == 422  # the campaign id is too short
    assert delivery.lead.post(f"/senders/{sender_id}", data={**form, "campaign_id": "HH12"}).status_code == 303


def test_only_a_lead_of_the_whole_district_can_change_senders(delivery: DeliveryFixture) -> None:
    sender_id = add_sender(delivery)
    school_lead = create_account(
        delivery.database, "school-lead", Grant(Role.DISTRICT_LEAD, delivery.school_fixture.school_id)
    )
    client = create_client(delivery.app, school_lead)
    assert client.get("/senders").status_code == 200
    assert client.get(f"/senders/{sender_id}").status_code == 404
    assert client.post(f"/senders/{sender_id}", data=FORM).status_code == 404
    assert client.post("/senders/guests", data={"name": "A", "phone": MOBILE}).status_code == 404
    for path in ("/senders", "/senders/guests", f"/senders/{sender_id}"):
        assert delivery.coordinator.get(path).status_code == 403
    with delivery.database.transaction() as session, pytest.raises(NotFound):
        registration.change_sender(session, delivery.lead_actor, 999, registration.read_form(FORM), NOW)


def test_trial_recipient_needs_name_and_number_and_is_stored_once(delivery: DeliveryFixture) -> None:
    assert delivery.lead.post("/senders/guests", data={"name": "", "phone": "12"}).status_code == 422
    for name in ("Ana", "Ana María"):
        assert delivery.lead.post("/senders/guests", data={"name": name, "phone": "(651) 555-0142"}).status_code == 303
    with delivery.database.reading() as session:
        assert [(row.phone, row.name) for row in session.scalars(select(TrialRecipient))] == [(MOBILE, "Ana María")]
    assert "Ana María (651) 555-0142" in read_page(delivery.lead, "/senders/guests")
    for _ in range(2):
        assert delivery.lead.post("/senders/guests/remove", data={"phone": MOBILE}).status_code == 303
    assert "No test phones yet" in read_page(delivery.lead, "/senders/guests")


def test_trial_recipient_may_be_a_caregiver_only_if_also_staff(delivery: DeliveryFixture) -> None:
    with delivery.database.transaction() as session:
        session.get_one(Caregiver, delivery.school_fixture.caregivers["Rivera"]).phone = MOBILE
    form = {"name": "Ana", "phone": MOBILE}
    response = delivery.lead.post("/senders/guests", data=form)
    assert response.status_code == 422
    assert "During a trial, only staff get texts." in response.get_data(as_text=True)
    assert 'value="Ana"' in response.get_data(as_text=True)
    with delivery.database.transaction() as session:
        session.get_one(Person, delivery.school_fixture.educators["Grace"]).phone = MOBILE
    assert delivery.lead.post("/senders/guests", data=form).status_code == 303


def add_days(client: FlaskClient, status: int = 303, **more: object) -> str:
    response = client.post("/quiet-days", data={"name": "Tet", "first": "2026-10-12", "last": "", **more})
    assert response.status_code == status, response.get_data(as_text=True)
    return response.get_data(as_text=True)


def stored_days(delivery: DeliveryFixture) -> list[tuple[int | None, date]]:
    with delivery.database.reading() as session:
        return [
            (row.school_id, row.day) for row in session.scalars(select(QuietDay).order_by(QuietDay.day, QuietDay.id))
        ]


def test_coordinator_adds_quiet_days_for_own_school_only(delivery: DeliveryFixture) -> None:
    school_id = delivery.school_fixture.school_id
    for _ in range(2):
        add_days(delivery.coordinator, school=school_id, last="2026-10-13")
    assert stored_days(delivery) == [(school_id, date(2026, 10, 12)), (school_id, date(2026, 10, 13))]
    for invalid_school in ("district", delivery.other_school_id):
        response = delivery.coordinator.post(
            "/quiet-days", data={"school": invalid_school, "name": "x", "first": "2026-10-12"}
        )
        assert response.status_code == 404
    assert "Mon, Oct 12 · Tet" in read_page(delivery.coordinator, "/quiet-days")
    assert "Tet" not in read_page(create_client(delivery.app, delivery.other_coordinator), "/quiet-days")


def test_only_the_lead_removes_quiet_days_of_the_district(delivery: DeliveryFixture) -> None:
    add_days(delivery.lead, school="district")
    quiet_day_id = 1
    assert "by the district lead" in read_page(delivery.coordinator, "/quiet-days")
    assert delivery.coordinator.post(f"/quiet-days/{quiet_day_id}/remove").status_code == 404
    assert delivery.lead.post(f"/quiet-days/{quiet_day_id}/remove").status_code == 303
    assert stored_days(delivery) == []


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
def test_invalid_quiet_day_is_refused_at_its_field(
    delivery: DeliveryFixture, change: dict[str, str], field: str
) -> None:
    html = add_days(delivery.lead, 422, **{"school": "district", **change})
    assert f'<a href="#{field}">' in html
    assert stored_days(delivery) == []


def test_invalid_first_day_is_reported_once(delivery: DeliveryFixture) -> None:
    html = add_days(delivery.lead, 422, school="district", first="2026-13-45")
    assert '<a href="#last">' not in html


def test_past_quiet_day_is_not_removed(delivery: DeliveryFixture) -> None:
    with delivery.database.transaction() as session:
        session.add(QuietDay(school_id=None, day=date(2026, 10, 2), name="Gone", at=NOW))
    text = read_page(delivery.lead, "/quiet-days")
    assert "Gone" in text
    assert "Over" in text
    delivery.lead.post("/quiet-days/1/remove")
    assert len(stored_days(delivery)) == 1


def test_every_code_hold_reason_and_alert_has_a_label() -> None:
    """Cover all classified provider codes, and all hold reasons, errors and alerts in the source code."""
    from homevisits.messages.providers import error_codes
    from tests.messages import codes_in_source

    for code in (*error_codes.ERROR_CLASSES, "99999", "503"):
        assert str(labels.explain_code(code))
        assert str(labels.advise_on_code(code))
    assert set(labels.ERROR_CLASSES) == set(error_codes.ErrorClass)
    assert codes_in_source.hold_reasons() <= set(labels.HOLD_REASONS)
    assert {"quiet", "cap", "sender", "language", "template"} <= codes_in_source.hold_reasons()
    assert codes_in_source.error_codes() <= {*labels.OWN_CODES, *labels.CANCEL_REASONS, *error_codes.ERROR_CLASSES}
    assert {"trial", "not_found", "visit_changed"} <= codes_in_source.error_codes()
    assert codes_in_source.alert_kinds() <= set(labels.ALERTS)
    assert {"code", "template_paused", "loop"} <= codes_in_source.alert_kinds()


def test_retried_message_is_sent_by_the_worker(delivery: DeliveryFixture) -> None:
    from homevisits.messages.dispatch.eligibility import SendPolicy
    from homevisits.messages.dispatch.quiet_hours import Limits
    from tests.messages.conftest import Recorder

    message_id = delivery.add_message(
        "undelivered", "30003", template="invitation_call_me", params='{"school": "Lincoln"}'
    )
    add_sender(delivery, provider="recorder", registration="not_needed")
    assert delivery.coordinator.post(f"/delivery/lost/{message_id}", data={"how": "retry"}).status_code == 303
    provider = Recorder()
    policy = SendPolicy(limits=Limits.of(delivery.school_fixture.policy), zone="America/Denver")
    dispatcher.dispatch_due(delivery.database, (provider,), policy, lambda: NOW, 10)
    assert len(provider.sent) == 1
    with delivery.database.reading() as session:
        assert session.scalars(select(OutgoingMessage.state)).one() in ("accepted", "delivered")
        assert session.scalars(select(Phone.state)).one() == "ok"


def test_pages_show_no_internal_codes(delivery: DeliveryFixture) -> None:
    add_sender(delivery, registration="registered", breaker="open", breaker_code="30034", breaker_at=NOW)
    delivery.add_message("dead", "worker_went_away")
    for path in ("/senders", "/delivery", "/quiet-days", "/senders/guests"):
        # Options of the filter are covered by a test of the delivery page.
        html = re.sub(r"<select.*?</select>", "", delivery.lead.get(path).get_data(as_text=True), flags=re.DOTALL)
        assert not re.search(r"\b[a-z]+_[a-z_]+\b", visible_text(html)), path


def test_quiet_period_of_another_school_or_in_the_past_is_refused(delivery: DeliveryFixture) -> None:
    from homevisits.messages.recipients import quiet_days

    period = quiet_days.QuietPeriod(delivery.other_school_id, date(2026, 10, 12), date(2026, 10, 12), "x")
    with delivery.database.transaction() as session:
        with pytest.raises(NotFound):
            quiet_days.add_quiet_days(session, delivery.school_fixture.actors["coordinator"], period, NOW.date(), NOW)
        with pytest.raises(RulesBroken):
            quiet_days.add_quiet_days(session, delivery.lead_actor, period, date(2026, 10, 13), NOW)
