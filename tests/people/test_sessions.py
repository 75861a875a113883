"""Sign-in sessions as rows, on both engines: through the pages, with copies of the cookie as a thief would have."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select

from homevisits import worker
from homevisits.core import clock
from homevisits.core.access import Actor, Grant, Role
from homevisits.core.db import Database
from homevisits.people import accounts
from homevisits.people.models import SignInSession
from homevisits.people.sign_in import attempts, sessions
from tests.factories.school import NOW
from tests.shell.clients import create_account, create_client, create_test_app

PASSWORD = "a short sentence here"
LIMITS = sessions.SessionLimits(timedelta(hours=12), timedelta(minutes=60))


@pytest.fixture
def app(database: Database) -> Flask:
    return create_test_app(database)


@pytest.fixture
def union(database: Database) -> Actor:
    hashed = attempts.hash_password(PASSWORD)
    return create_account(database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=hashed)


def signed_in(app: Flask) -> FlaskClient:
    """A browser in which the union coordinator has signed in by hand."""
    client = app.test_client()
    answer = client.post("/sign-in", data={"email": "union@example.org", "password": PASSWORD})
    assert answer.status_code == 303
    return client


def copy_of(client: FlaskClient, app: Flask) -> FlaskClient:
    """Another browser with a copy of the session cookie."""
    cookie = client.get_cookie("homevisits")
    assert cookie is not None
    other = app.test_client()
    other.set_cookie("homevisits", cookie.value)
    return other


def is_open(client: FlaskClient) -> bool:
    return client.get("/account").status_code == 200


def test_signing_out_ends_every_copy_of_the_session_and_no_other(app: Flask, union: Actor) -> None:
    here, elsewhere = signed_in(app), signed_in(app)
    copy = copy_of(here, app)
    assert is_open(copy)
    here.post("/sign-out")
    assert not is_open(copy)
    assert not is_open(here)
    assert is_open(elsewhere)


def test_a_new_password_ends_every_copy_and_every_other_device(app: Flask, union: Actor) -> None:
    here, elsewhere = signed_in(app), signed_in(app)
    copy = copy_of(here, app)
    new = {"current": PASSWORD, "password": "another short sentence", "again": "another short sentence"}
    assert here.post("/account/password", data=new).status_code == 303
    assert is_open(here)
    assert not is_open(copy)
    assert not is_open(elsewhere)


@pytest.mark.parametrize("how", ["password", "close"])
def test_the_commands_end_every_session_of_the_account(app: Flask, database: Database, union: Actor, how: str) -> None:
    other = create_client(app, create_account(database, "lead", Grant(Role.DISTRICT_LEAD, None)))
    clients = signed_in(app), signed_in(app)
    with database.transaction() as session:
        if how == "close":
            accounts.set_account_active(session, "union@example.org", clock.now())
        else:
            attempts.set_password(session, "union@example.org", "another short sentence", clock.now())
    assert not any(is_open(client) for client in clients)
    assert is_open(other)
    if how == "close":
        with database.transaction() as session:
            accounts.set_account_active(session, "union@example.org", clock.now(), active=True)
        assert not any(is_open(client) for client in clients)


def test_signing_in_again_ends_the_session_the_browser_had(app: Flask, union: Actor) -> None:
    client = signed_in(app)
    copy = copy_of(client, app)
    client.post("/sign-in", data={"email": "union@example.org", "password": PASSWORD})
    assert is_open(client)
    assert not is_open(copy)


def test_an_old_copy_of_the_cookie_does_not_prolong_or_shorten_the_session(app: Flask, union: Actor) -> None:
    client, begin = signed_in(app), clock.now()
    copy = copy_of(client, app)
    clock.set_source(lambda: begin + timedelta(minutes=59))
    assert is_open(client)
    clock.set_source(lambda: begin + timedelta(minutes=118))
    assert is_open(copy)  # in use: judged by the row, not by the copy's age
    clock.set_source(lambda: begin + timedelta(minutes=179))
    assert not is_open(client)


def test_the_token_is_stored_hashed(database: Database, union: Actor) -> None:
    with database.transaction() as session:
        token = sessions.begin_session(session, union.account_id, NOW)
        row = session.scalars(select(SignInSession)).one()
    assert token not in (row.token_sha256, str(row.id))
    assert row.token_sha256 == sessions.hash_token(token)
    with database.reading() as session:
        assert sessions.find_session(session, row.token_sha256, LIMITS, NOW) is None
        assert sessions.find_session(session, "", LIMITS, NOW) is None


@pytest.mark.parametrize(
    ("seen", "now", "valid"),
    [
        (timedelta(0), timedelta(minutes=60), True),
        (timedelta(0), timedelta(minutes=60, seconds=1), False),
        (timedelta(hours=11, minutes=50), timedelta(hours=12), True),
        (timedelta(hours=11, minutes=50), timedelta(hours=12, seconds=1), False),
    ],
)
def test_length_and_idle_time_have_exact_ends(
    database: Database, union: Actor, seen: timedelta, now: timedelta, valid: bool
) -> None:
    with database.transaction() as session:
        token = sessions.begin_session(session, union.account_id, NOW)
        sessions.refresh_session(session, token, NOW + seen)
    with database.reading() as session:
        found = sessions.find_session(session, token, LIMITS, NOW + now)
        assert (found is not None) is valid
        without_end = sessions.find_session(session, token, None, NOW + timedelta(days=400))
    assert found is None or found.actor == union
    assert without_end is not None


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """Every statement the database is sent."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine, "before_cursor_execute", note)


def test_a_request_costs_one_query_and_writes_at_most_once_a_minute(
    app: Flask, union: Actor, statements: list[str]
) -> None:
    client, begin = signed_in(app), clock.now()
    statements.clear()
    for seconds in (0, 10, 59):
        clock.set_source(lambda seconds=seconds: begin + timedelta(seconds=seconds))
        assert is_open(client)
    subject = [each for each in statements if "sign_in_session" in each]
    assert len(subject) == 3
    assert all(each.startswith("SELECT") for each in subject)
    assert not [each for each in statements if "account_grant" in each and "sign_in_session" not in each]
    statements.clear()
    clock.set_source(lambda: begin + timedelta(seconds=61))
    assert is_open(client)
    assert is_open(client)
    assert [each.split()[0] for each in statements if "sign_in_session" in each] == ["SELECT", "UPDATE", "SELECT"]


def test_the_worker_deletes_sessions_that_are_over(app: Flask, database: Database, union: Actor) -> None:
    out, old, current = (signed_in(app) for _ in range(3))
    out.post("/sign-out")
    begin = clock.now()
    clock.set_source(lambda: begin + timedelta(minutes=50))
    assert is_open(current)
    clock.set_source(lambda: begin + timedelta(minutes=70))
    tick = next(
        tick for tick in worker.build_jobs(app.extensions["homevisits"].settings, database) if tick.name == "sign_in"
    )
    assert tick.run() == 2
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(SignInSession)) == 1
    assert is_open(current)
    assert not is_open(old)
