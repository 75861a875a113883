"""The feed over HTTP, as calendars ask for it; and the page where its address is made."""

import logging
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar
from sqlalchemy import select, update

from homevisits.app import create_app
from homevisits.calendars import actions
from homevisits.calendars.models import FeedToken
from homevisits.core import clock, settings
from homevisits.people import account_web
from homevisits.people.models import Account, Educator, Person
from homevisits.people.sign_in import sessions
from homevisits.visits.actions.book import BookingRequest, book
from homevisits.visits.actions.cancel import cancel
from homevisits.visits.actions.move import move
from homevisits.visits.actions.partner_response import accept, decline
from homevisits.visits.models import Visit
from homevisits.web import context, security
from tests.factories.school import SchoolFixture


@pytest.fixture
def app(school_fixture: SchoolFixture) -> Flask:
    given = settings.load_settings(
        {}, mode="development", secret_key="k" * 40, public_url="https://visits.example.org",
        database_url=school_fixture.database.url,
    )  # fmt: skip
    made = create_app(given, school_fixture.database)
    made.config.update(TESTING=True, WTF_CSRF_ENABLED=False)

    def enter(account: int) -> str:
        with context.transaction() as session:
            token = sessions.begin_session(session, account, context.now())
        account_web.start_session(token)
        return "in"

    made.add_url_rule("/enter/<int:account>", view_func=security.public(enter))
    return made


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    with app.test_client() as found:
        yield found


def travel(school_fixture: SchoolFixture, moment: datetime) -> None:
    school_fixture.now = moment
    clock.set_source(lambda: moment)


def address(school_fixture: SchoolFixture, name: str) -> str:
    with school_fixture.session() as session:
        return f"/calendar/{actions.create_feed_url(session, school_fixture.actors[name], school_fixture.now)}.ics"


def booked(school_fixture: SchoolFixture, family: str = "Rivera", partner: str = "Luis", day: int = 8) -> int:
    travel(school_fixture, school_fixture.now)
    with school_fixture.session() as session:
        wanted = BookingRequest(
            school_fixture.families[family], school_fixture.educators[partner], school_fixture.time_at(day, 16, 30)
        )
        return book(session, school_fixture.actors["Grace"], wanted, school_fixture.policy, school_fixture.now).id


def events(content: bytes) -> list[Any]:
    read = Calendar.from_ical(content)
    assert read.errors == []
    return list(read.walk("VEVENT"))


def test_both_visitors_see_the_visit_with_their_colleague(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    visit = booked(school_fixture)
    for mine, other in (("Grace", "Luis Test"), ("Luis", "Grace Test")):
        answer = client.get(address(school_fixture, mine))
        assert answer.status_code == 200
        assert answer.content_type == "text/calendar; charset=utf-8"
        (event,) = events(answer.data)
        assert event["SUMMARY"] == f"Home visit with {other}"
        assert event["STATUS"] == "TENTATIVE"
        assert event.start == school_fixture.time_at(8, 16, 30)
        assert event["URL"] == f"https://visits.example.org/visits/{visit}"


def test_feed_contains_no_family_data(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    booked(school_fixture)
    text = client.get(address(school_fixture, "Grace")).text
    for secret in ("Rivera", "Ana", "Kid", "Main Street", school_fixture.phones["Rivera"], "Lincoln", "es"):
        assert not re.search(rf"\b{re.escape(secret)}\b", text)


def test_a_feed_is_private_and_leaves_no_trace_elsewhere(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    answer = client.get(address(school_fixture, "Grace"))
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert "Last-Modified" not in answer.headers
    assert "Content-Disposition" not in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_an_unchanged_feed_is_not_sent_again(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    booked(school_fixture)
    path = address(school_fixture, "Grace")
    tag = client.get(path).headers["ETag"]
    assert not tag.startswith("W/")
    again = client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    later = client.get(path, headers={"If-None-Match": tag, "If-Modified-Since": "Mon, 01 Jan 2035 00:00:00 GMT"})
    assert later.status_code == 304
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("what", ["accepted", "moved", "cancelled", "declined", "renamed", "another", "left"])
def test_every_change_that_shows_changes_the_etag(
    school_fixture: SchoolFixture, client: FlaskClient, what: str
) -> None:
    visit = booked(school_fixture)
    path = address(school_fixture, "Grace")
    before = client.get(path)
    travel(school_fixture, school_fixture.now + timedelta(minutes=11 if what == "renamed" else 1))
    with school_fixture.session() as session:
        if what == "accepted":
            accept(session, school_fixture.actors["Luis"], visit, school_fixture.policy, school_fixture.now)
        elif what == "moved":
            move(
                session,
                school_fixture.actors["Grace"],
                visit,
                school_fixture.time_at(9, 17),
                policy=school_fixture.policy,
                now=school_fixture.now,
            )
        elif what == "cancelled":
            cancel(session, school_fixture.actors["Grace"], visit, school_fixture.policy, school_fixture.now)
        elif what == "declined":
            decline(session, school_fixture.actors["Luis"], visit, school_fixture.policy, school_fixture.now)
        elif what == "renamed":
            session.execute(
                update(Person).where(Person.id == school_fixture.educators["Luis"]).values(given_name="Lou")
            )
        elif what == "left":
            grace = school_fixture.educators["Grace"]
            session.execute(update(Educator).where(Educator.id == grace).values(left_on=school_fixture.now.date()))
    if what == "another":
        booked(school_fixture, "Smith", "Amina", day=9)
    after = client.get(path, headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert after.headers["ETag"] != before.headers["ETag"]
    assert after.data != before.data or what == "accepted"


def test_an_etag_names_the_same_bytes_each_time(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    booked(school_fixture)
    path = address(school_fixture, "Grace")
    first, second = client.get(path), client.get(path)
    assert (first.headers["ETag"], first.data) == (second.headers["ETag"], second.data)


def test_a_moved_visit_keeps_its_uid_and_raises_its_sequence(
    school_fixture: SchoolFixture, client: FlaskClient
) -> None:
    visit = booked(school_fixture)
    path = address(school_fixture, "Grace")
    (before,) = events(client.get(path).data)
    with school_fixture.session() as session:
        move(
            session,
            school_fixture.actors["Grace"],
            visit,
            school_fixture.time_at(9, 17),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    (after,) = events(client.get(path).data)
    assert after["UID"] == before["UID"]
    assert int(after["SEQUENCE"]) > int(before["SEQUENCE"])
    assert after.start == school_fixture.time_at(9, 17)


def test_a_cancelled_visit_stays_for_two_weeks_and_then_goes(
    school_fixture: SchoolFixture, client: FlaskClient
) -> None:
    visit = booked(school_fixture)
    path = address(school_fixture, "Grace")
    with school_fixture.session() as session:
        cancel(session, school_fixture.actors["Grace"], visit, school_fixture.policy, school_fixture.now)
    cancelled = school_fixture.now
    (event,) = events(client.get(path).data)
    assert event["STATUS"] == "CANCELLED"
    assert event["SUMMARY"].startswith("Canceled: Home visit")
    travel(school_fixture, cancelled + timedelta(days=13, hours=23))
    assert len(events(client.get(path).data)) == 1
    travel(school_fixture, cancelled + timedelta(days=14, hours=1))
    assert events(client.get(path).data) == []


def test_old_visits_are_left_out(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    booked(school_fixture)
    path = address(school_fixture, "Grace")
    travel(school_fixture, school_fixture.time_at(8, 17) + timedelta(days=80))
    assert len(events(client.get(path).data)) == 1
    travel(school_fixture, school_fixture.time_at(8, 17) + timedelta(days=91))
    assert events(client.get(path).data) == []


def test_declined_visit_is_cancelled_without_a_colleague(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    visit = booked(school_fixture)
    with school_fixture.session() as session:
        decline(session, school_fixture.actors["Luis"], visit, school_fixture.policy, school_fixture.now)
    (event,) = events(client.get(address(school_fixture, "Luis")).data)
    assert event["STATUS"] == "CANCELLED"
    assert event["SUMMARY"] == "Canceled: Home visit"


def test_revoked_url_serves_an_empty_calendar(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    booked(school_fixture)
    path = address(school_fixture, "Grace")
    tag = client.get(path).headers["ETag"]
    with school_fixture.session() as session:
        actions.revoke_feed_url(session, school_fixture.actors["Grace"], school_fixture.now)
    answer = client.get(path, headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert events(answer.data) == []


def test_new_url_revokes_the_old_url(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    booked(school_fixture)
    old, new = address(school_fixture, "Grace"), address(school_fixture, "Grace")
    assert events(client.get(old).data) == []
    assert len(events(client.get(new).data)) == 1


def test_feed_is_empty_after_leaving_or_account_closure(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    booked(school_fixture)
    paths = {name: address(school_fixture, name) for name in ("Grace", "Luis")}
    with school_fixture.session() as session:
        grace, luis = school_fixture.educators["Grace"], school_fixture.educators["Luis"]
        session.execute(update(Educator).where(Educator.id == grace).values(left_on=school_fixture.now.date()))
        session.execute(update(Account).where(Account.educator_id == luis).values(active=False))
    for path in paths.values():
        answer = client.get(path)
        assert (answer.status_code, events(answer.data)) == (200, [])


@pytest.mark.parametrize("token", ["x", "A" * 43, "..%2f..", "%00", "x" * 5000])
def test_unknown_url_returns_404(school_fixture: SchoolFixture, client: FlaskClient, token: str) -> None:
    answer = client.get(f"/calendar/{token}.ics")
    assert answer.status_code == 404
    assert token not in answer.text


def test_token_is_not_stored(school_fixture: SchoolFixture) -> None:
    path = address(school_fixture, "Grace")
    token = path.removeprefix("/calendar/").removesuffix(".ics")
    assert len(token) >= 43
    with school_fixture.database.reading() as session:
        row = session.execute(select(*FeedToken.__table__.columns)).one()
    assert token not in repr(row)
    assert actions.hash_token(token) in row


def test_fetch_is_recorded_at_most_once_an_hour(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    path = address(school_fixture, "Grace")
    seen = []
    for minutes in (0, 30, 61, 62):
        travel(school_fixture, school_fixture.time_at(5, 9) + timedelta(minutes=minutes))
        client.get(path)
        with school_fixture.database.reading() as session:
            seen.append(session.scalar(select(FeedToken.last_fetched_at)))
    assert seen == [
        school_fixture.time_at(5, 9),
        school_fixture.time_at(5, 9),
        school_fixture.time_at(5, 10, 1),
        school_fixture.time_at(5, 10, 1),
    ]


def test_feed_uses_the_educators_language(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    path = address(school_fixture, "Grace")
    before = client.get(path).headers["ETag"]
    with school_fixture.session() as session:
        session.execute(
            update(Account).where(Account.educator_id == school_fixture.educators["Grace"]).values(language="es")
        )
    assert client.get(path).headers["ETag"] != before


def test_feed_requests_do_not_log_the_url(
    school_fixture: SchoolFixture, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    path = address(school_fixture, "Grace")
    with caplog.at_level(logging.DEBUG):
        client.get(path)
        client.get("/calendar/not-one-of-ours.ics")
    assert path not in caplog.text
    assert "not-one-of-ours" not in caplog.text


def sign_in(client: FlaskClient, school_fixture: SchoolFixture, name: str) -> None:
    assert client.get(f"/enter/{school_fixture.actors[name].account_id}").status_code == 200


def test_url_is_created_shown_once_replaced_and_revoked(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    booked(school_fixture)
    sign_in(client, school_fixture, "Grace")
    assert "Create my calendar address" in client.get("/me/calendar").text
    made = client.post("/me/calendar")
    (found,) = re.findall(r"https://visits\.example\.org(/calendar/[\w-]{43}\.ics)", made.text)[:1]
    assert "webcal://visits.example.org" in made.text
    assert made.headers["Cache-Control"] == "no-store"
    assert len(events(client.get(found).data)) == 1
    shown = client.get("/me/calendar").text
    assert found not in shown
    assert "Turn off the address" in shown
    assert client.post("/me/calendar/revoke").status_code == 303
    assert events(client.get(found).data) == []
    assert "Create my calendar address" in client.get("/me/calendar").text


def test_staff_without_visits_have_no_calendar_page(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    assert client.get("/me/calendar").status_code == 303
    sign_in(client, school_fixture, "coordinator")
    assert client.get("/me/calendar").status_code == 403
    assert client.post("/me/calendar").status_code == 403


def test_visit_uid_contains_no_data(school_fixture: SchoolFixture) -> None:
    visit = booked(school_fixture)
    with school_fixture.database.reading() as session:
        uid = session.scalar(select(Visit.uid).where(Visit.id == visit))
    assert uid is not None
    assert len(uid) >= 16
