"""Sign-in sessions through the pages, with copies of the session cookie."""

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
    password_hash = attempts.hash_password(PASSWORD)
    return create_account(database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=password_hash)


def sign_in(app: Flask) -> FlaskClient:
    """Return a browser in which the union coordinator has signed in with the form."""
    client = app.test_client()
    response = client.post("/sign-in", data={"email": "union@example.org", "password": PASSWORD})
    assert response.status_code == 303
    return client


def copy_session(client: FlaskClient, app: Flask) -> FlaskClient:
    """Return another browser with a copy of the session cookie."""
    cookie = client.get_cookie("homevisits")
    assert cookie is not None
    other = app.test_client()
    other.set_cookie("homevisits", cookie.value)
    return other


def is_open(client: FlaskClient) -> bool:
    return client.get("/account").status_code == 200


def test_sign_out_ends_all_copies_of_the_session_only(app: Flask, union: Actor) -> None:
    this_browser, other_browser = sign_in(app), sign_in(app)
    copy = copy_session(this_browser, app)
    assert is_open(copy)
    this_browser.post("/sign-out")
    assert not is_open(copy)
    assert not is_open(this_browser)
    assert is_open(other_browser)


def test_new_password_ends_all_other_sessions(app: Flask, union: Actor) -> None:
    this_browser, other_browser = sign_in(app), sign_in(app)
    copy = copy_session(this_browser, app)
    new = {"current": PASSWORD, "password": "another short sentence", "again": "another short sentence"}
    assert this_browser.post("/account/password", data=new).status_code == 303
    assert is_open(this_browser)
    assert not is_open(copy)
    assert not is_open(other_browser)


@pytest.mark.parametrize("session_end", ["password", "close"])
def test_command_ends_all_sessions_of_the_account(
    app: Flask, database: Database, union: Actor, session_end: str
) -> None:
    other = create_client(app, create_account(database, "lead", Grant(Role.DISTRICT_LEAD, None)))
    clients = sign_in(app), sign_in(app)
    with database.transaction() as session:
        if session_end == "close":
            accounts.set_account_active(session, "union@example.org", clock.now())
        else:
            attempts.set_password(session, "union@example.org", "another short sentence", clock.now())
    assert not any(is_open(client) for client in clients)
    assert is_open(other)
    if session_end == "close":
        with database.transaction() as session:
            accounts.set_account_active(session, "union@example.org", clock.now(), active=True)
        assert not any(is_open(client) for client in clients)


def test_new_sign_in_ends_the_previous_session_of_the_browser(app: Flask, union: Actor) -> None:
    client = sign_in(app)
    copy = copy_session(client, app)
    client.post("/sign-in", data={"email": "union@example.org", "password": PASSWORD})
    assert is_open(client)
    assert not is_open(copy)


def test_old_copy_of_the_cookie_does_not_change_the_idle_limit(app: Flask, union: Actor) -> None:
    client, begin = sign_in(app), clock.now()
    copy = copy_session(client, app)
    clock.set_source(lambda: begin + timedelta(minutes=59))
    assert is_open(client)
    clock.set_source(lambda: begin + timedelta(minutes=118))
    assert is_open(copy)  # the last use of the session counts, not the age of the cookie
    clock.set_source(lambda: begin + timedelta(minutes=179))
    assert not is_open(client)


def test_session_token_is_stored_as_a_hash(database: Database, union: Actor) -> None:
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
def test_session_length_and_idle_limit_are_exact(
    database: Database, union: Actor, seen: timedelta, now: timedelta, valid: bool
) -> None:
    with database.transaction() as session:
        token = sessions.begin_session(session, union.account_id, NOW)
        sessions.refresh_session(session, token, NOW + seen)
    with database.reading() as session:
        signed_in = sessions.find_session(session, token, LIMITS, NOW + now)
        assert (signed_in is not None) is valid
        without_end = sessions.find_session(session, token, None, NOW + timedelta(days=400))
    assert signed_in is None or signed_in.actor == union
    assert without_end is not None


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """List of the SQL statements sent to the database."""
    sent: list[str] = []

    def record_statement(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", record_statement)
    yield sent
    event.remove(database.engine, "before_cursor_execute", record_statement)


def test_request_needs_one_query_and_at_most_one_write_per_minute(
    app: Flask, union: Actor, statements: list[str]
) -> None:
    client, begin = sign_in(app), clock.now()
    statements.clear()
    for seconds in (0, 10, 59):
        clock.set_source(lambda seconds=seconds: begin + timedelta(seconds=seconds))
        assert is_open(client)
    session_statements = [sql for sql in statements if "sign_in_session" in sql]
    assert len(session_statements) == 3
    assert all(sql.startswith("SELECT") for sql in session_statements)
    assert not [sql for sql in statements if "account_grant" in sql and "sign_in_session" not in sql]
    statements.clear()
    clock.set_source(lambda: begin + timedelta(seconds=61))
    assert is_open(client)
    assert is_open(client)
    assert [sql.split()[0] for sql in statements if "sign_in_session" in sql] == ["SELECT", "UPDATE", "SELECT"]


def test_worker_deletes_ended_sessions(app: Flask, database: Database, union: Actor) -> None:
    out, old, current = (sign_in(app) for _ in range(3))
    out.post("/sign-out")
    begin = clock.now()
    clock.set_source(lambda: begin + timedelta(minutes=50))
    assert is_open(current)
    clock.set_source(lambda: begin + timedelta(minutes=70))
    job = next(
        job for job in worker.build_jobs(app.extensions["homevisits"].settings, database) if job.name == "sign_in"
    )
    assert job.run() == 2
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(SignInSession)) == 1
    assert is_open(current)
    assert not is_open(old)
