"""Behavior of all pages: headers, error pages, language, sign-in and sessions."""

import re
import traceback
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from homevisits.app import parse_po_file
from homevisits.core import clock
from homevisits.core.access import Grant, Role
from homevisits.core.db import Database
from homevisits.people.models import Heartbeat
from homevisits.people.sign_in import attempts
from homevisits.web.security import local_path
from tests.factories.school import NOW
from tests.shell.clients import create_account, create_client, create_test_app, district_wide_grants

PASSWORD = "a short sentence here"


@pytest.fixture
def app(sqlite_database: Database) -> Flask:
    app_with_bug = create_test_app(sqlite_database)
    app_with_bug.add_url_rule("/bug", view_func=_bug)
    return app_with_bug


def _bug() -> str:
    raise ZeroDivisionError("the internal detail")


@pytest.fixture(autouse=True)
def _bug_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    from homevisits.web import security

    monkeypatch.setitem(security._PERMISSIONS, _bug, frozenset())


@pytest.fixture(scope="module")
def password_hash() -> str:
    return attempts.hash_password(PASSWORD)


@pytest.mark.parametrize("path", ["/sign-in", "/nowhere", "/bug", "/healthz", "/static/theme.css", "/account"])
def test_every_response_forbids_foreign_scripts_and_frames(app: Flask, path: str) -> None:
    response = app.test_client().get(path)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    if "static" not in path:
        assert response.headers["Cache-Control"] == "no-store"


def test_hsts_is_only_sent_over_tls(app: Flask) -> None:
    client = app.test_client()
    assert "Strict-Transport-Security" not in client.get("/sign-in").headers
    assert "Strict-Transport-Security" in client.get("/sign-in", base_url="https://localhost").headers


def test_bug_page_shows_a_reference_and_no_details(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    response = app.test_client().get("/bug")
    assert response.status_code == 500
    assert "Traceback" not in response.text
    assert "internal detail" not in response.text
    assert response.headers["X-Request-ID"] in response.text
    assert response.headers["X-Request-ID"] in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("get", "/nowhere", 404), ("get", "/role", 405), ("post", "/healthz", 405), ("get", "/sign-in?next=%00", 400)],
)
def test_http_errors_have_pages(app: Flask, method: str, path: str, status: int) -> None:
    answer = getattr(app.test_client(), method)(path)
    assert answer.status_code == status
    assert "<h1>" in answer.text


def test_too_large_request_is_refused(app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 100
    assert app.test_client().post("/sign-in", data={"email": "x" * 200}).status_code == 413


def test_form_without_csrf_token_is_refused(app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    response = app.test_client().post("/sign-in", data={"email": "a"})
    assert response.status_code == 400
    assert "reload the page" in response.text


def test_route_without_permissions_is_forbidden(app: Flask) -> None:
    app.add_url_rule("/forgotten", view_func=lambda: "open")
    assert app.test_client().get("/forgotten").status_code == 403


def test_language_is_of_account_then_cookie_then_browser(app: Flask) -> None:
    client = app.test_client()
    assert '<html lang="es">' in client.get("/sign-in", headers={"Accept-Language": "es-MX,es;q=0.9"}).text
    assert '<html lang="en">' in client.get("/sign-in", headers={"Accept-Language": "tlh"}).text
    client.post("/language", data={"language": "es", "next": "/sign-in"})
    assert '<html lang="es">' in client.get("/sign-in", headers={"Accept-Language": "en"}).text
    client.post("/language", data={"language": "xx"})
    assert '<html lang="es">' in client.get("/sign-in").text


def test_language_outside_the_settings_is_not_offered(sqlite_database: Database) -> None:
    client = create_test_app(sqlite_database, languages=["es"]).test_client()
    client.post("/language", data={"language": "en"})
    page = client.get("/sign-in", headers={"Accept-Language": "en"}).text
    assert '<html lang="es">' in page
    assert 'name="language"' not in page


def test_first_language_of_the_settings_is_the_default(sqlite_database: Database) -> None:
    client = create_test_app(sqlite_database, languages=["es", "en"]).test_client()
    page = client.get("/sign-in", headers={"Accept-Language": "tlh"}).text
    assert '<html lang="es">' in page
    assert re.findall(r'name="language" value="(\w+)"', page) == ["es", "en"]


@pytest.mark.parametrize(
    ("next_path", "redirect"),
    [
        ("/pay?year=2025", "/pay?year=2025"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\nb", "/"),
        (None, "/"),
    ],
)
def test_sign_in_redirects_to_local_addresses_only(next_path: str | None, redirect: str) -> None:
    assert local_path(next_path, "/") == redirect


def test_sign_in_and_sign_out(app: Flask, sqlite_database: Database, password_hash: str) -> None:
    create_account(sqlite_database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=password_hash)
    client = app.test_client()
    response = client.post("/sign-in", data={"email": " Union@Example.org ", "password": PASSWORD})
    assert (response.status_code, response.location) == (303, "/tally")
    assert client.get("/tally").status_code == 200
    client.post("/sign-out")
    assert client.get("/tally").location == "/sign-in?next=/tally"


def test_unknown_account_and_wrong_password_have_the_same_answer(
    app: Flask, sqlite_database: Database, password_hash: str
) -> None:
    create_account(sqlite_database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=password_hash)
    create_account(sqlite_database, "none")
    client = app.test_client()
    texts = set()
    for email in ("union@example.org", "none@example.org", "nobody@example.org"):
        response = client.post("/sign-in", data={"email": email, "password": "wrong"})
        assert response.status_code == 422
        texts.add(re.sub(r'value="[^"]*"', "", response.text))
    assert len(texts) == 1


def test_many_failed_sign_ins_also_block_the_right_password(
    app: Flask, sqlite_database: Database, password_hash: str
) -> None:
    create_account(sqlite_database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=password_hash)
    right = {"email": "union@example.org", "password": PASSWORD}
    client = app.test_client()
    for _ in range(attempts.MAX_ATTEMPTS_PER_ACCOUNT):
        assert client.post("/sign-in", data={**right, "password": "wrong"}).status_code == 422
    assert client.post("/sign-in", data=right).status_code == 429
    # The limit is stored, so it also holds in another process.
    assert create_test_app(sqlite_database).test_client().post("/sign-in", data=right).status_code == 429
    at = clock.now()
    clock.set_source(lambda: at + attempts.THROTTLE_WINDOW + timedelta(seconds=1))
    assert client.post("/sign-in", data=right).status_code == 303


def test_failed_sign_ins_are_limited_per_address(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MAX_ATTEMPTS_PER_ADDRESS", 3)
    client = app.test_client()
    statuses = [
        client.post("/sign-in", data={"email": f"a{n}@example.org", "password": "x"}).status_code for n in range(4)
    ]
    assert statuses == [422, 422, 422, 429]


def test_session_ends_after_idle_time_and_after_its_maximum(app: Flask, sqlite_database: Database) -> None:
    actor = create_account(sqlite_database, "union", Grant(Role.UNION_COORDINATOR, None))
    client, begin = create_client(app, actor), clock.now()
    for minutes in range(0, 12 * 60, 50):
        clock.set_source(lambda minutes=minutes: begin + timedelta(minutes=minutes))
        assert client.get("/account").status_code == 200
    clock.set_source(lambda: begin + timedelta(hours=12, minutes=1))
    assert client.get("/account").status_code == 303
    idle = create_client(app, actor)
    at = clock.now()
    clock.set_source(lambda: at + timedelta(minutes=61))
    assert idle.get("/account").status_code == 303


def test_new_password_ends_other_sessions(app: Flask, sqlite_database: Database, password_hash: str) -> None:
    actor = create_account(sqlite_database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=password_hash)
    this_browser, other_browser = create_client(app, actor), create_client(app, actor)
    wrong_response = {"current": "no", "password": "short", "again": "other"}
    response = this_browser.post("/account/password", data=wrong_response)
    assert response.status_code == 422
    assert response.text.count("field-problem") >= 3
    new = {"current": PASSWORD, "password": "another short sentence", "again": "another short sentence"}
    assert this_browser.post("/account/password", data=new).status_code == 303
    assert this_browser.get("/account").status_code == 200
    assert other_browser.get("/account").status_code == 303


def test_password_guesses_in_a_session_are_limited(app: Flask, sqlite_database: Database, password_hash: str) -> None:
    actor = create_account(sqlite_database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=password_hash)
    client = create_client(app, actor)
    new = {"current": "no", "password": "another short sentence", "again": "another short sentence"}
    statuses = {
        client.post("/account/password", data=new).status_code for _ in range(attempts.MAX_ATTEMPTS_PER_ACCOUNT)
    }
    assert statuses == {422}
    assert client.post("/account/password", data={**new, "current": PASSWORD}).status_code == 429


def test_catalog_is_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "messages.po"
    path.write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
        'msgid "Sign in"\nmsgstr "Entrar"\n\n#, fuzzy\nmsgid "Account"\nmsgstr "¿Cuenta?"\n\n'
        'msgid "One visit"\nmsgid_plural "%(num)d visits"\nmsgstr[0] "Una visita"\nmsgstr[1] "%(num)d visitas"\n',
        encoding="utf-8",
    )
    found = parse_po_file(path, "es")
    assert found.ugettext("Sign in") == "Entrar"
    assert found.ugettext("Account") == "Account"
    assert [found.ungettext("One visit", "%(num)d visits", n) for n in (1, 2)] == ["Una visita", "%(num)d visitas"]


def test_closed_account_is_signed_out_at_once(app: Flask, sqlite_database: Database) -> None:
    from homevisits.people.models import Account

    actor = create_account(sqlite_database, "union", Grant(Role.UNION_COORDINATOR, None))
    client = create_client(app, actor)
    with sqlite_database.transaction() as session:
        session.get_one(Account, actor.account_id).active = False
    assert client.get("/account").status_code == 303


def test_person_with_two_roles_can_switch(app: Flask, sqlite_database: Database) -> None:
    actor = create_account(
        sqlite_database, "both", Grant(Role.UNION_COORDINATOR, None), Grant(Role.DISTRICT_LEAD, None)
    )
    client = create_client(app, actor)
    assert client.get("/").location == "/overview"
    assert client.post("/role", data={"role": "union_coordinator"}).location == "/tally"
    assert "/contract" in client.get("/tally").text
    client.post("/role", data={"role": "educator"})
    assert client.get("/").location == "/tally"


def test_cookies_over_tls_are_limited_to_the_host(sqlite_database: Database) -> None:
    app = create_test_app(sqlite_database, public_url="https://visits.example.org")
    response = app.test_client().get("/sign-in", base_url="https://visits.example.org")
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-homevisits=")
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_unreachable_database_has_a_plain_error_page(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = create_test_app(Database(f"sqlite:///{tmp_path}/gone/homevisits.sqlite"))
    signed_in = app.test_client()
    with signed_in.session_transaction() as kept:
        kept["_user_id"] = "a token"
    response = signed_in.get("/account")
    assert response.status_code == 500
    assert "went wrong on our side" in response.text
    assert "Traceback" not in response.text
    assert "homevisits.sqlite" not in response.text
    assert app.test_client().get("/healthz").status_code == 200
    ready = app.test_client().get("/readyz")
    assert (ready.status_code, ready.json["database"]) == (503, "unreachable")
    assert "unable to open database file" in caplog.text


def test_health_checks(app: Flask, sqlite_database: Database) -> None:
    client = app.test_client()
    assert client.get("/healthz").json == {"status": "ok"}
    response = client.get("/readyz")
    assert (response.status_code, response.json["worker"]) == (503, "silent")
    with sqlite_database.transaction() as session:
        session.add(Heartbeat(name="worker", at=NOW + timedelta(days=2)))
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json == {"status": "ok", "database": "ok", "migrations": "ok", "worker": "ok"}


def test_id_out_of_range_is_not_found(app: Flask, sqlite_database: Database) -> None:
    actor = create_account(sqlite_database, "all", *district_wide_grants().values())
    for path in (f"/visits/{2**63}", f"/visits/{'9' * 25}/office", f"/draws/{2**64}", f"/asking/{2**63}/answer"):
        assert create_client(app, actor).get(path).status_code == 404


def test_parameters_of_a_failed_statement_are_not_logged(database: Database) -> None:
    with pytest.raises(DBAPIError) as error, database.transaction() as session:
        session.execute(text("INSERT INTO nowhere VALUES (:phone)"), {"phone": "+13035550123"})
    assert "+13035550123" not in str(error.value)


def test_refused_row_is_not_logged(database: Database) -> None:
    create_account(database, "somebody")
    with pytest.raises(DBAPIError) as error:
        create_account(database, "somebody")
    assert "somebody@" not in "".join(traceback.format_exception(error.value))
    assert "account" in str(error.value)


def test_secret_calendar_address_is_not_logged(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def fail(*_given: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("homevisits.calendars.queries.feeds.find_feed", fail)
    assert app.test_client().get("/calendar/a-secret-of-mine.ics").status_code == 500
    assert "/calendar/" in caplog.text
    assert "a-secret-of-mine" not in caplog.text
