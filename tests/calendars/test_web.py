"""The feed over HTTP and the page where an educator creates its address."""

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
from homevisits.core.problems import PermissionDenied
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
    loaded_settings = settings.load_settings(
        {}, mode="development", secret_key="k" * 40, public_url="https://visits.example.org",
        database_url=school_fixture.database.url,
    )  # fmt: skip
    app = create_app(loaded_settings, school_fixture.database)
    app.config.update(TESTING=True, WTF_CSRF_ENABLED=False)

    def sign_in(account: int) -> str:
        with context.transaction() as session:
            token = sessions.begin_session(session, account, context.now())
        account_web.start_session(token)
        return "signed in"

    app.add_url_rule("/sign-in-as/<int:account>", view_func=security.public(sign_in))
    return app


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    with app.test_client() as test_client:
        yield test_client


def set_time(school_fixture: SchoolFixture, moment: datetime) -> None:
    school_fixture.now = moment
    clock.set_source(lambda: moment)


def create_feed_path(school_fixture: SchoolFixture, name: str) -> str:
    with school_fixture.session() as session:
        return f"/calendar/{actions.create_feed_url(session, school_fixture.actors[name], school_fixture.now)}.ics"


def book_visit(school_fixture: SchoolFixture, family: str = "Rivera", partner: str = "Luis", day: int = 8) -> int:
    set_time(school_fixture, school_fixture.now)
    with school_fixture.session() as session:
        request = BookingRequest(
            school_fixture.families[family], school_fixture.educators[partner], school_fixture.time_at(day, 16, 30)
        )
        return book(session, school_fixture.actors["Grace"], request, school_fixture.policy, school_fixture.now).id


def parse_events(content: bytes) -> list[Any]:
    read = Calendar.from_ical(content)
    assert read.errors == []
    return list(read.walk("VEVENT"))


def test_both_visitors_see_the_visit_with_their_colleague(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    visit = book_visit(school_fixture)
    for name, other in (("Grace", "Luis Test"), ("Luis", "Grace Test")):
        response = client.get(create_feed_path(school_fixture, name))
        assert response.status_code == 200
        assert response.content_type == "text/calendar; charset=utf-8"
        (event,) = parse_events(response.data)
        assert event["SUMMARY"] == f"Home visit with {other}"
        assert event["STATUS"] == "TENTATIVE"
        assert event.start == school_fixture.time_at(8, 16, 30)
        assert event["URL"] == f"https://visits.example.org/visits/{visit}"


def test_feed_contains_no_family_data(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    book_visit(school_fixture)
    text = client.get(create_feed_path(school_fixture, "Grace")).text
    for secret in ("Rivera", "Ana", "Kid", "Main Street", school_fixture.phones["Rivera"], "Lincoln", "es"):
        assert not re.search(rf"\b{re.escape(secret)}\b", text)


def test_feed_headers_prevent_caching_indexing_and_referrers(
    school_fixture: SchoolFixture, client: FlaskClient
) -> None:
    response = client.get(create_feed_path(school_fixture, "Grace"))
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in response.headers["X-Robots-Tag"]
    assert "Last-Modified" not in response.headers
    assert "Content-Disposition" not in response.headers
    assert "Set-Cookie" not in response.headers


def test_unchanged_feed_returns_304(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    book_visit(school_fixture)
    path = create_feed_path(school_fixture, "Grace")
    tag = client.get(path).headers["ETag"]
    assert not tag.startswith("W/")
    again = client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    later = client.get(path, headers={"If-None-Match": tag, "If-Modified-Since": "Mon, 01 Jan 2035 00:00:00 GMT"})
    assert later.status_code == 304
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("change", ["accepted", "moved", "cancelled", "declined", "renamed", "another", "left"])
def test_every_visible_change_changes_the_etag(school_fixture: SchoolFixture, client: FlaskClient, change: str) -> None:
    visit = book_visit(school_fixture)
    path = create_feed_path(school_fixture, "Grace")
    before = client.get(path)
    set_time(school_fixture, school_fixture.now + timedelta(minutes=11 if change == "renamed" else 1))
    with school_fixture.session() as session:
        if change == "accepted":
            accept(session, school_fixture.actors["Luis"], visit, school_fixture.policy, school_fixture.now)
        elif change == "moved":
            move(
                session,
                school_fixture.actors["Grace"],
                visit,
                school_fixture.time_at(9, 17),
                policy=school_fixture.policy,
                now=school_fixture.now,
            )
        elif change == "cancelled":
            cancel(session, school_fixture.actors["Grace"], visit, school_fixture.policy, school_fixture.now)
        elif change == "declined":
            decline(session, school_fixture.actors["Luis"], visit, school_fixture.policy, school_fixture.now)
        elif change == "renamed":
            session.execute(
                update(Person).where(Person.id == school_fixture.educators["Luis"]).values(given_name="Lou")
            )
        elif change == "left":
            grace = school_fixture.educators["Grace"]
            session.execute(update(Educator).where(Educator.id == grace).values(left_on=school_fixture.now.date()))
    if change == "another":
        book_visit(school_fixture, "Smith", "Amina", day=9)
    after = client.get(path, headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert after.headers["ETag"] != before.headers["ETag"]
    assert after.data != before.data or change == "accepted"


def test_repeated_requests_return_the_same_etag_and_bytes(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    book_visit(school_fixture)
    path = create_feed_path(school_fixture, "Grace")
    first, second = client.get(path), client.get(path)
    assert (first.headers["ETag"], first.data) == (second.headers["ETag"], second.data)


def test_moved_visit_keeps_its_uid_and_increases_its_sequence(
    school_fixture: SchoolFixture, client: FlaskClient
) -> None:
    visit = book_visit(school_fixture)
    path = create_feed_path(school_fixture, "Grace")
    (before,) = parse_events(client.get(path).data)
    with school_fixture.session() as session:
        move(
            session,
            school_fixture.actors["Grace"],
            visit,
            school_fixture.time_at(9, 17),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    (after,) = parse_events(client.get(path).data)
    assert after["UID"] == before["UID"]
    assert int(after["SEQUENCE"]) > int(before["SEQUENCE"])
    assert after.start == school_fixture.time_at(9, 17)


def test_cancelled_visit_is_removed_after_two_weeks(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    visit = book_visit(school_fixture)
    path = create_feed_path(school_fixture, "Grace")
    with school_fixture.session() as session:
        cancel(session, school_fixture.actors["Grace"], visit, school_fixture.policy, school_fixture.now)
    cancelled = school_fixture.now
    (event,) = parse_events(client.get(path).data)
    assert event["STATUS"] == "CANCELLED"
    assert event["SUMMARY"].startswith("Canceled: Home visit")
    set_time(school_fixture, cancelled + timedelta(days=13, hours=23))
    assert len(parse_events(client.get(path).data)) == 1
    set_time(school_fixture, cancelled + timedelta(days=14, hours=1))
    assert parse_events(client.get(path).data) == []


def test_old_visits_are_left_out(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    book_visit(school_fixture)
    path = create_feed_path(school_fixture, "Grace")
    set_time(school_fixture, school_fixture.time_at(8, 17) + timedelta(days=80))
    assert len(parse_events(client.get(path).data)) == 1
    set_time(school_fixture, school_fixture.time_at(8, 17) + timedelta(days=91))
    assert parse_events(client.get(path).data) == []


def test_declined_visit_is_cancelled_without_a_colleague(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    visit = book_visit(school_fixture)
    with school_fixture.session() as session:
        decline(session, school_fixture.actors["Luis"], visit, school_fixture.policy, school_fixture.now)
    (event,) = parse_events(client.get(create_feed_path(school_fixture, "Luis")).data)
    assert event["STATUS"] == "CANCELLED"
    assert event["SUMMARY"] == "Canceled: Home visit"


def test_revoked_url_serves_an_empty_calendar(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    book_visit(school_fixture)
    path = create_feed_path(school_fixture, "Grace")
    tag = client.get(path).headers["ETag"]
    with school_fixture.session() as session:
        actions.revoke_feed_url(session, school_fixture.actors["Grace"], school_fixture.now)
    response = client.get(path, headers={"If-None-Match": tag})
    assert response.status_code == 200
    assert parse_events(response.data) == []


def test_new_url_revokes_the_old_url(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    book_visit(school_fixture)
    old, new = create_feed_path(school_fixture, "Grace"), create_feed_path(school_fixture, "Grace")
    assert parse_events(client.get(old).data) == []
    assert len(parse_events(client.get(new).data)) == 1


def test_feed_is_empty_after_leaving_or_account_closure(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    book_visit(school_fixture)
    paths = {name: create_feed_path(school_fixture, name) for name in ("Grace", "Luis")}
    with school_fixture.session() as session:
        grace, luis = school_fixture.educators["Grace"], school_fixture.educators["Luis"]
        session.execute(update(Educator).where(Educator.id == grace).values(left_on=school_fixture.now.date()))
        session.execute(update(Account).where(Account.educator_id == luis).values(active=False))
    for path in paths.values():
        response = client.get(path)
        assert (response.status_code, parse_events(response.data)) == (200, [])


@pytest.mark.parametrize("token", ["x", "A" * 43, "..%2f..", "%00", "x" * 5000])
def test_unknown_url_returns_404(school_fixture: SchoolFixture, client: FlaskClient, token: str) -> None:
    response = client.get(f"/calendar/{token}.ics")
    assert response.status_code == 404
    assert token not in response.text


def test_token_is_not_stored(school_fixture: SchoolFixture) -> None:
    path = create_feed_path(school_fixture, "Grace")
    token = path.removeprefix("/calendar/").removesuffix(".ics")
    assert len(token) >= 43
    with school_fixture.database.reading() as session:
        row = session.execute(select(*FeedToken.__table__.columns)).one()
    assert token not in repr(row)
    assert actions.hash_token(token) in row


def test_fetch_is_recorded_at_most_once_an_hour(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    path = create_feed_path(school_fixture, "Grace")
    fetch_times = []
    for minutes in (0, 30, 61, 62):
        set_time(school_fixture, school_fixture.time_at(5, 9) + timedelta(minutes=minutes))
        client.get(path)
        with school_fixture.database.reading() as session:
            fetch_times.append(session.scalar(select(FeedToken.last_fetched_at)))
    assert fetch_times == [
        school_fixture.time_at(5, 9),
        school_fixture.time_at(5, 9),
        school_fixture.time_at(5, 10, 1),
        school_fixture.time_at(5, 10, 1),
    ]


def test_feed_uses_the_educators_language(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    path = create_feed_path(school_fixture, "Grace")
    before = client.get(path).headers["ETag"]
    with school_fixture.session() as session:
        session.execute(
            update(Account).where(Account.educator_id == school_fixture.educators["Grace"]).values(language="es")
        )
    assert client.get(path).headers["ETag"] != before


def test_feed_requests_do_not_log_the_url(
    school_fixture: SchoolFixture, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    path = create_feed_path(school_fixture, "Grace")
    with caplog.at_level(logging.DEBUG):
        client.get(path)
        client.get("/calendar/not-one-of-ours.ics")
    assert path not in caplog.text
    assert "not-one-of-ours" not in caplog.text


def sign_in(client: FlaskClient, school_fixture: SchoolFixture, name: str) -> None:
    assert client.get(f"/sign-in-as/{school_fixture.actors[name].account_id}").status_code == 200


def test_url_is_created_shown_once_replaced_and_revoked(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    book_visit(school_fixture)
    sign_in(client, school_fixture, "Grace")
    assert "Create my calendar address" in client.get("/me/calendar").text
    created = client.post("/me/calendar")
    (path,) = re.findall(r"https://visits\.example\.org(/calendar/[\w-]{43}\.ics)", created.text)[:1]
    assert "webcal://visits.example.org" in created.text
    assert created.headers["Cache-Control"] == "no-store"
    assert len(parse_events(client.get(path).data)) == 1
    shown = client.get("/me/calendar").text
    assert path not in shown
    assert "Turn off the address" in shown
    assert client.post("/me/calendar/revoke").status_code == 303
    assert parse_events(client.get(path).data) == []
    assert "Create my calendar address" in client.get("/me/calendar").text


def test_staff_without_visits_have_no_calendar_page(school_fixture: SchoolFixture, client: FlaskClient) -> None:
    assert client.get("/me/calendar").status_code == 303
    sign_in(client, school_fixture, "coordinator")
    assert client.get("/me/calendar").status_code == 403
    assert client.post("/me/calendar").status_code == 403


def test_visit_uid_contains_no_data(school_fixture: SchoolFixture) -> None:
    visit = book_visit(school_fixture)
    with school_fixture.database.reading() as session:
        uid = session.scalar(select(Visit.uid).where(Visit.id == visit))
    assert uid is not None
    assert len(uid) >= 16


def test_account_without_an_educator_has_no_feed(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        for action in (actions.create_feed_url, actions.revoke_feed_url):
            with pytest.raises(PermissionDenied):
                action(session, school_fixture.actors["coordinator"], school_fixture.now)
        assert session.scalars(select(FeedToken.id)).all() == []
