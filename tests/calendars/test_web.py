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
from homevisits.visits.actions.book import Wanted, book
from homevisits.visits.actions.cancel import cancel
from homevisits.visits.actions.move import move
from homevisits.visits.actions.partner_response import accept, decline
from homevisits.visits.models import Visit
from homevisits.web import security
from tests.world import Town


@pytest.fixture
def app(town: Town) -> Flask:
    given = settings.load(
        {}, mode="development", secret_key="k" * 40, public_url="https://visits.example.org",
        database_url=town.database.url,
    )  # fmt: skip
    made = create_app(given, town.database)
    made.config.update(TESTING=True, WTF_CSRF_ENABLED=False)

    def enter(account: int) -> str:
        account_web.begin_session(account, 0)
        return "in"

    made.add_url_rule("/enter/<int:account>", view_func=security.public(enter))
    return made


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    with app.test_client() as found:
        yield found


def travel(town: Town, moment: datetime) -> None:
    town.now = moment
    clock.use(lambda: moment)


def address(town: Town, name: str) -> str:
    with town.session() as session:
        return f"/calendar/{actions.make(session, town.actors[name], town.now)}.ics"


def booked(town: Town, family: str = "Rivera", partner: str = "Luis", day: int = 8) -> int:
    travel(town, town.now)
    with town.session() as session:
        wanted = Wanted(town.families[family], town.educators[partner], town.at(day, 16, 30))
        return book(session, town.actors["Grace"], wanted, town.policy, town.now).id


def events(content: bytes) -> list[Any]:
    read = Calendar.from_ical(content)
    assert read.errors == []
    return list(read.walk("VEVENT"))


def test_both_visitors_see_the_visit_with_their_colleague(town: Town, client: FlaskClient) -> None:
    visit = booked(town)
    for mine, other in (("Grace", "Luis Test"), ("Luis", "Grace Test")):
        answer = client.get(address(town, mine))
        assert answer.status_code == 200
        assert answer.content_type == "text/calendar; charset=utf-8"
        (event,) = events(answer.data)
        assert event["SUMMARY"] == f"Home visit with {other}"
        assert event["STATUS"] == "TENTATIVE"
        assert event.start == town.at(8, 16, 30)
        assert event["URL"] == f"https://visits.example.org/visits/{visit}"


def test_nothing_of_the_family_is_in_a_feed(town: Town, client: FlaskClient) -> None:
    booked(town)
    text = client.get(address(town, "Grace")).text
    for secret in ("Rivera", "Ana", "Kid", "Main Street", town.phones["Rivera"], "Lincoln", "es"):
        assert not re.search(rf"\b{re.escape(secret)}\b", text)


def test_a_feed_is_private_and_leaves_no_trace_elsewhere(town: Town, client: FlaskClient) -> None:
    answer = client.get(address(town, "Grace"))
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert "Last-Modified" not in answer.headers
    assert "Content-Disposition" not in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_an_unchanged_feed_is_not_sent_again(town: Town, client: FlaskClient) -> None:
    booked(town)
    path = address(town, "Grace")
    tag = client.get(path).headers["ETag"]
    assert not tag.startswith("W/")
    again = client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    later = client.get(path, headers={"If-None-Match": tag, "If-Modified-Since": "Mon, 01 Jan 2035 00:00:00 GMT"})
    assert later.status_code == 304
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("what", ["accepted", "moved", "cancelled", "declined", "renamed", "another", "left"])
def test_every_change_that_shows_changes_the_etag(town: Town, client: FlaskClient, what: str) -> None:
    visit = booked(town)
    path = address(town, "Grace")
    before = client.get(path)
    travel(town, town.now + timedelta(minutes=11 if what == "renamed" else 1))
    with town.session() as session:
        if what == "accepted":
            accept(session, town.actors["Luis"], visit, town.policy, town.now)
        elif what == "moved":
            move(session, town.actors["Grace"], visit, town.at(9, 17), town.policy, town.now)
        elif what == "cancelled":
            cancel(session, town.actors["Grace"], visit, town.policy, town.now)
        elif what == "declined":
            decline(session, town.actors["Luis"], visit, town.policy, town.now)
        elif what == "renamed":
            session.execute(update(Person).where(Person.id == town.educators["Luis"]).values(given_name="Lou"))
        elif what == "left":
            grace = town.educators["Grace"]
            session.execute(update(Educator).where(Educator.id == grace).values(left_on=town.now.date()))
    if what == "another":
        booked(town, "Smith", "Amina", day=9)
    after = client.get(path, headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert after.headers["ETag"] != before.headers["ETag"]
    assert after.data != before.data or what == "accepted"


def test_an_etag_names_the_same_bytes_each_time(town: Town, client: FlaskClient) -> None:
    booked(town)
    path = address(town, "Grace")
    first, second = client.get(path), client.get(path)
    assert (first.headers["ETag"], first.data) == (second.headers["ETag"], second.data)


def test_a_moved_visit_keeps_its_uid_and_raises_its_sequence(town: Town, client: FlaskClient) -> None:
    visit = booked(town)
    path = address(town, "Grace")
    (before,) = events(client.get(path).data)
    with town.session() as session:
        move(session, town.actors["Grace"], visit, town.at(9, 17), town.policy, town.now)
    (after,) = events(client.get(path).data)
    assert after["UID"] == before["UID"]
    assert int(after["SEQUENCE"]) > int(before["SEQUENCE"])
    assert after.start == town.at(9, 17)


def test_a_cancelled_visit_stays_for_two_weeks_and_then_goes(town: Town, client: FlaskClient) -> None:
    visit = booked(town)
    path = address(town, "Grace")
    with town.session() as session:
        cancel(session, town.actors["Grace"], visit, town.policy, town.now)
    cancelled = town.now
    (event,) = events(client.get(path).data)
    assert event["STATUS"] == "CANCELLED"
    assert event["SUMMARY"].startswith("Cancelled: Home visit")
    travel(town, cancelled + timedelta(days=13, hours=23))
    assert len(events(client.get(path).data)) == 1
    travel(town, cancelled + timedelta(days=14, hours=1))
    assert events(client.get(path).data) == []


def test_visits_of_long_ago_are_not_carried_along(town: Town, client: FlaskClient) -> None:
    booked(town)
    path = address(town, "Grace")
    travel(town, town.at(8, 17) + timedelta(days=80))
    assert len(events(client.get(path).data)) == 1
    travel(town, town.at(8, 17) + timedelta(days=91))
    assert events(client.get(path).data) == []


def test_who_declined_sees_the_visit_as_cancelled_without_a_colleague(town: Town, client: FlaskClient) -> None:
    visit = booked(town)
    with town.session() as session:
        decline(session, town.actors["Luis"], visit, town.policy, town.now)
    (event,) = events(client.get(address(town, "Luis")).data)
    assert event["STATUS"] == "CANCELLED"
    assert event["SUMMARY"] == "Cancelled: Home visit"


def test_a_revoked_address_answers_an_empty_calendar(town: Town, client: FlaskClient) -> None:
    booked(town)
    path = address(town, "Grace")
    tag = client.get(path).headers["ETag"]
    with town.session() as session:
        actions.revoke(session, town.actors["Grace"], town.now)
    answer = client.get(path, headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert events(answer.data) == []


def test_a_new_address_ends_the_old_one(town: Town, client: FlaskClient) -> None:
    booked(town)
    old, new = address(town, "Grace"), address(town, "Grace")
    assert events(client.get(old).data) == []
    assert len(events(client.get(new).data)) == 1


def test_whoever_leaves_or_is_shut_out_has_an_empty_calendar(town: Town, client: FlaskClient) -> None:
    booked(town)
    paths = {name: address(town, name) for name in ("Grace", "Luis")}
    with town.session() as session:
        grace, luis = town.educators["Grace"], town.educators["Luis"]
        session.execute(update(Educator).where(Educator.id == grace).values(left_on=town.now.date()))
        session.execute(update(Account).where(Account.educator_id == luis).values(active=False))
    for path in paths.values():
        answer = client.get(path)
        assert (answer.status_code, events(answer.data)) == (200, [])


@pytest.mark.parametrize("token", ["x", "A" * 43, "..%2f..", "%00", "x" * 5000])
def test_an_unknown_address_is_not_found_and_says_little(town: Town, client: FlaskClient, token: str) -> None:
    answer = client.get(f"/calendar/{token}.ics")
    assert answer.status_code == 404
    assert token not in answer.text


def test_the_secret_is_not_kept(town: Town) -> None:
    path = address(town, "Grace")
    token = path.removeprefix("/calendar/").removesuffix(".ics")
    assert len(token) >= 43
    with town.database.reading() as session:
        row = session.execute(select(*FeedToken.__table__.columns)).one()
    assert token not in repr(row)
    assert actions.hashed(token) in row


def test_the_last_fetch_is_noted_at_most_once_an_hour(town: Town, client: FlaskClient) -> None:
    path = address(town, "Grace")
    seen = []
    for minutes in (0, 30, 61, 62):
        travel(town, town.at(5, 9) + timedelta(minutes=minutes))
        client.get(path)
        with town.database.reading() as session:
            seen.append(session.scalar(select(FeedToken.last_fetched_at)))
    assert seen == [town.at(5, 9), town.at(5, 9), town.at(5, 10, 1), town.at(5, 10, 1)]


def test_a_feed_speaks_its_readers_language(town: Town, client: FlaskClient) -> None:
    path = address(town, "Grace")
    before = client.get(path).headers["ETag"]
    with town.session() as session:
        session.execute(update(Account).where(Account.educator_id == town.educators["Grace"]).values(language="es"))
    assert client.get(path).headers["ETag"] != before


def test_asking_for_a_feed_logs_no_address(town: Town, client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    path = address(town, "Grace")
    with caplog.at_level(logging.DEBUG):
        client.get(path)
        client.get("/calendar/not-one-of-ours.ics")
    assert path not in caplog.text
    assert "not-one-of-ours" not in caplog.text


def sign_in(client: FlaskClient, town: Town, name: str) -> None:
    assert client.get(f"/enter/{town.actors[name].account_id}").status_code == 200


def test_the_address_is_made_shown_once_replaced_and_stopped(town: Town, client: FlaskClient) -> None:
    booked(town)
    sign_in(client, town, "Grace")
    assert "Make my calendar address" in client.get("/me/calendar").text
    made = client.post("/me/calendar")
    (found,) = re.findall(r"https://visits\.example\.org(/calendar/[\w-]{43}\.ics)", made.text)[:1]
    assert "webcal://visits.example.org" in made.text
    assert made.headers["Cache-Control"] == "no-store"
    assert len(events(client.get(found).data)) == 1
    shown = client.get("/me/calendar").text
    assert found not in shown
    assert "Stop the address" in shown
    assert client.post("/me/calendar/revoke").status_code == 303
    assert events(client.get(found).data) == []
    assert "Make my calendar address" in client.get("/me/calendar").text


def test_who_does_not_visit_has_no_calendar_page(town: Town, client: FlaskClient) -> None:
    assert client.get("/me/calendar").status_code == 303
    sign_in(client, town, "coordinator")
    assert client.get("/me/calendar").status_code == 403
    assert client.post("/me/calendar").status_code == 403


def test_a_visits_uid_says_nothing(town: Town) -> None:
    visit = booked(town)
    with town.database.reading() as session:
        uid = session.scalar(select(Visit.uid).where(Visit.id == visit))
    assert uid is not None
    assert len(uid) >= 16
