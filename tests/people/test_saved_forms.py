"""A form that is sent after its session ended is kept and shown again, only to the same account."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from homevisits import worker
from homevisits.core import clock
from homevisits.core.access import Actor, Role
from homevisits.core.db import Database
from homevisits.pay import actions as pay
from homevisits.people.models import Account, SavedForm
from homevisits.people.sign_in import attempts, saved_forms
from homevisits.people.sign_in.saved_forms_web import OWN_FIELDS, SECRET_FIELDS
from homevisits.visits import actions as visits
from homevisits.web import security
from tests.factories.school import POLICY
from tests.people.page_forms import Form, parse_forms
from tests.shell.clients import create_client
from tests.test_access import TwoSchools, address, routes

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}
WITHOUT_ACCOUNT = {"/sign-in", "/sign-out", "/language"}


@dataclass
class RecordedPost:
    """A call of a view that accepts a form."""

    endpoint: str
    fields: list[tuple[str, str]]


class SavedFormScenario:
    """The test school with its pages. Views that accept a form can be replaced by a recorder."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.two_schools = TwoSchools(database)
        self.app: Flask = self.two_schools.app
        self.app.config.update(WTF_CSRF_ENABLED=True)
        school_fixture = self.two_schools.school_fixture
        with school_fixture.session() as session:
            booking = visits.BookingRequest(
                school_fixture.families["Smith"], school_fixture.educators["Luis"], school_fixture.time_at(14, 16, 30)
            )
            visits.book(session, school_fixture.actors["Grace"], booking, POLICY, clock.now())
            pay.write_missing_lines(session, clock.now())
        self.people = [
            school_fixture.actors["Grace"], school_fixture.actors["Luis"],
            *(self.two_schools.actors[role, "here"] for role in Role
            if role is not Role.EDUCATOR), self.two_schools.actors[Role.DISTRICT_LEAD, "everywhere"],
        ]  # fmt: skip
        self.begin = clock.now()
        self.sent: list[RecordedPost] = []

    def record_posts(self) -> None:
        """Replace every view that accepts a form with a recorder of calls."""
        for rule, method in routes(self.app):
            if method == "POST" and not rule.rule.startswith(("/twilio", "/kannel", "/kept-form")):
                question = security.permissions_of(self.app.view_functions[rule.endpoint])
                self.app.view_functions[rule.endpoint] = self._recorder(rule.endpoint, question)

    def _recorder(self, endpoint: str, question: Any) -> Any:
        original = self.app.view_functions[endpoint]

        def view(**arguments: object) -> Any:
            if request.method == "GET":
                return original(**arguments)
            self.sent.append(RecordedPost(endpoint, list(request.form.items(multi=True))))
            return "recorded"

        return security.allow(*question)(view) if question else security.public(view)

    def forms(self) -> Iterator[tuple[Actor, FlaskClient, Form]]:
        """Yield every form that any account sees, each kind of form once."""
        seen = set()
        for actor in self.people:
            client = create_client(self.app, actor)
            for rule, method in routes(self.app):
                if method != "GET" or rule.endpoint.endswith("static") or "kept-form" in rule.rule:
                    continue
                for path in self._addresses(rule):
                    response = client.get(path)
                    if response.status_code != 200 or response.mimetype != "text/html":
                        continue
                    for form in parse_forms(response.text, path):
                        endpoint = self.app.url_map.bind("localhost").match(urlsplit(form.action).path, "POST")[0]
                        kind = (endpoint, tuple((c.kind, c.name) for c in form.controls), bool(form.editable))
                        if kind not in seen:
                            seen.add(kind)
                            yield actor, client, form

    def _addresses(self, rule: Any) -> list[str]:
        first = address(rule)
        if rule.rule == "/asking/request":
            return [first, "/asking/request?q=Quiet"]
        return [first] if "1" not in first.split("/") else [first, first.replace("/1", "/2", 1)]

    def post(self, client: FlaskClient, form: Form, fields: list[tuple[str, str]], **headers: str) -> TestResponse:
        """Send a form as a browser does."""
        data: Any = MultiDict(fields)
        kind = "multipart/form-data" if form.multipart else "application/x-www-form-urlencoded"
        if form.multipart:
            data.add("file", (BytesIO(b"the content of a file"), "roster.zip"))
        return client.post(form.action, data=data, content_type=kind, headers={**SAME_ORIGIN, **headers})

    def end_session(self, client: FlaskClient, session_end: str) -> None:
        """End the session of a browser: delete its cookie, or let it be idle too long."""
        if session_end == "gone":
            client.delete_cookie("homevisits")
        else:
            clock.set_source(lambda: self.begin + timedelta(minutes=61))

    def saved_forms(self) -> list[SavedForm]:
        with self.database.reading() as session:
            rows = list(session.scalars(select(SavedForm)))
            session.expunge_all()
            return rows


def next_address_of(answer: TestResponse) -> str:
    """Return the address to which the sign-in page redirects."""
    assert answer.status_code == 303, answer.text
    parts = urlsplit(answer.location)
    assert parts.path == "/sign-in"
    (next_address,) = parse_qs(parts.query)["next"]
    return next_address


def without_own_fields(fields: list[tuple[str, str]], *excluded: str) -> list[tuple[str, str]]:
    return sorted(field for field in fields if field[0] not in (*OWN_FIELDS, *excluded))


@pytest.fixture
def scenario(database: Database) -> SavedFormScenario:
    return SavedFormScenario(database)


@pytest.fixture
def sqlite_scenario(sqlite_database: Database) -> SavedFormScenario:
    """A scenario on SQLite only, for rules that do not depend on the database."""
    return SavedFormScenario(sqlite_database)


def load_form(scenario: SavedFormScenario, actor: Actor, page: str, action: str) -> tuple[FlaskClient, Form]:
    client = create_client(scenario.app, actor)
    return client, next(form for form in parse_forms(client.get(page).text, page) if form.action == action)


@pytest.mark.parametrize("session_end", ["gone", "idle"])
def test_saved_form_is_shown_to_its_account_and_sent_on_request(scenario: SavedFormScenario, session_end: str) -> None:
    forms = [item for item in scenario.forms() if urlsplit(item[2].action).path not in WITHOUT_ACCOUNT]
    scenario.record_posts()
    assert len({urlsplit(form.action).path for _who, _client, form in forms}) >= 25
    for actor, _client, form in forms:
        clock.set_source(lambda: scenario.begin)
        client = create_client(scenario.app, actor)
        form = next(
            candidate
            for candidate in parse_forms(client.get(form.page).text, form.page)
            if (candidate.action, [control.name for control in candidate.controls])
            == (form.action, [control.name for control in form.controls])
        )
        typed, scenario.sent = form.fill(), []
        scenario.end_session(client, session_end)
        kept_url = next_address_of(scenario.post(client, form, typed))
        assert kept_url.startswith("/kept-form/"), form
        page = create_client(scenario.app, actor)
        shown = page.get(kept_url)
        assert shown.status_code == 200, form
        assert scenario.sent == [], form
        assert "Your session ended before this was saved" in shown.text
        again = next(
            candidate
            for candidate in parse_forms(shown.text, kept_url)
            if "saved_form" in [c.name for c in candidate.controls]
        )
        assert urlsplit(again.action).path == urlsplit(form.action).path
        assert bool(again.editable) == bool(form.editable), form
        expected = without_own_fields(typed, *SECRET_FIELDS)
        assert without_own_fields(again.fields(), *SECRET_FIELDS) == expected, form
        assert not [c for c in again.controls if c.kind == "password" and c.value]
        assert scenario.post(page, again, again.fields()).text == "recorded"
        (sent,) = scenario.sent
        assert without_own_fields(sent.fields, *SECRET_FIELDS) == expected
        assert scenario.saved_forms() == [], form


@pytest.mark.parametrize("session_end", ["gone", "idle"])
def test_saved_form_is_not_shown_to_another_account(scenario: SavedFormScenario, session_end: str) -> None:
    forms = [item for item in scenario.forms() if urlsplit(item[2].action).path not in WITHOUT_ACCOUNT]
    scenario.record_posts()
    for actor, client, form in forms:
        clock.set_source(lambda: scenario.begin)
        scenario.end_session(client := create_client(scenario.app, actor), session_end)
        kept_url = next_address_of(scenario.post(client, form, form.fill()))
        assert len(scenario.saved_forms()) == 1
        other = next(person for person in scenario.people if person.account_id != actor.account_id)
        response = create_client(scenario.app, other).get(kept_url)
        assert response.status_code == 303
        assert scenario.saved_forms() == [], form
        assert create_client(scenario.app, actor).get(kept_url).status_code == 303
        assert scenario.sent == []


def test_form_without_account_is_shown_again_immediately(sqlite_scenario: SavedFormScenario) -> None:
    client = sqlite_scenario.app.test_client()
    page = client.get("/sign-in?next=/pay", headers={"Accept-Language": "en"}).text
    for form in parse_forms(page, "/sign-in?next=/pay"):
        fields = form.fill()
        response = sqlite_scenario.post(sqlite_scenario.app.test_client(), form, fields)
        assert response.status_code == 400
        if form.action == "/sign-in":
            (again,) = [
                candidate for candidate in parse_forms(response.text, "/sign-in") if candidate.action == "/sign-in"
            ]
            assert ("email", "someone@example.org") in again.fields()
            assert ("next", "/pay") in again.fields()
            assert ("password", "") in again.fields()
        else:
            assert "You pressed “English”" in response.text
    assert sqlite_scenario.saved_forms() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "none", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Referer": "https://evil.example/http://localhost/"},
        {"Origin": "http://localhost", "Referer": "https://evil.example/"},
        {},
    ],
)
@pytest.mark.parametrize("session_end", ["gone", "idle"])
def test_form_of_another_site_is_not_kept(
    sqlite_scenario: SavedFormScenario, session_end: str, headers: dict[str, str]
) -> None:
    client, form = load_form(sqlite_scenario, sqlite_scenario.people[0], "/hours", "/hours")
    fields = form.fill()
    sqlite_scenario.end_session(client, session_end)
    response = client.post("/hours", data=MultiDict(fields), headers=headers)
    assert sqlite_scenario.saved_forms() == []
    assert "kept-form" not in response.headers.get("Location", "")
    assert client.post("/language", data={**dict(fields), "language": "es"}, headers=headers).status_code in (303, 400)
    assert "You pressed" not in response.text


@pytest.mark.parametrize("headers", [{"Origin": "http://localhost"}, {"Referer": "http://localhost/hours"}])
def test_form_without_fetch_metadata_is_recognized_by_its_origin(
    sqlite_scenario: SavedFormScenario, headers: dict[str, str]
) -> None:
    client, form = load_form(sqlite_scenario, sqlite_scenario.people[0], "/hours", "/hours")
    client.delete_cookie("homevisits")
    response = client.post("/hours", data=MultiDict(form.fill()), headers=headers)
    assert next_address_of(response).startswith("/kept-form/")


@pytest.mark.parametrize("origin", [None, "", "1 /hours", "1 /hours.forged", "é"])
def test_form_without_valid_signature_is_not_kept(sqlite_scenario: SavedFormScenario, origin: str | None) -> None:
    client, form = load_form(sqlite_scenario, sqlite_scenario.people[0], "/hours", "/hours")
    fields = [(n, v) for n, v in form.fill() if n != "form_origin"]
    client.delete_cookie("homevisits")
    response = sqlite_scenario.post(client, form, [*fields, *([("form_origin", origin)] if origin is not None else [])])
    assert response.status_code == 400
    assert sqlite_scenario.saved_forms() == []


def test_passwords_tokens_and_files_are_not_stored(scenario: SavedFormScenario) -> None:
    client, form = load_form(scenario, scenario.people[0], "/account", "/account/password")
    typed = [(name, f"secret {name}" if name in SECRET_FIELDS else value) for name, value in form.fill()]
    client.delete_cookie("homevisits")
    kept_url = next_address_of(scenario.post(client, form, typed))
    (row,) = scenario.saved_forms()
    assert row.fields == "[]"
    shown = create_client(scenario.app, scenario.people[0]).get(kept_url).text
    assert "secret" not in shown
    assert "Please enter your password again." in shown
    lead = next(actor for actor in scenario.people if Role.DISTRICT_LEAD in actor.roles)
    client, form = load_form(scenario, lead, "/roster", "/roster")
    client.delete_cookie("homevisits")
    kept_url = next_address_of(scenario.post(client, form, form.fill()))
    assert "content of a file" not in scenario.saved_forms()[-1].fields
    assert "roster.zip" not in scenario.saved_forms()[-1].fields
    shown = create_client(scenario.app, lead).get(kept_url).text
    assert "Please choose the file again." in shown
    assert [c.kind for c in parse_forms(shown, kept_url)[-1].editable] == ["file"]


def test_password_fields_are_listed_in_secret_fields(sqlite_scenario: SavedFormScenario) -> None:
    controls = [c for _who, _client, form in sqlite_scenario.forms() for c in form.controls]
    assert {c.name for c in controls if c.kind == "password"} == SECRET_FIELDS
    assert not {c.name for c in controls if c.kind != "password"} & SECRET_FIELDS


def test_form_is_kept_for_one_hour(scenario: SavedFormScenario) -> None:
    actor = scenario.people[0]
    client, form = load_form(scenario, actor, "/hours", "/hours")
    client.delete_cookie("homevisits")
    first = next_address_of(scenario.post(client, form, form.fill()))
    second = next_address_of(scenario.post(client, form, form.fill()))
    job = next(
        job
        for job in worker.build_jobs(scenario.app.extensions["homevisits"].settings, scenario.database)
        if job.name == "sign_in"
    )
    clock.set_source(lambda: scenario.begin + timedelta(hours=1))
    job.run()
    assert create_client(scenario.app, actor).get(first).status_code == 200
    clock.set_source(lambda: scenario.begin + timedelta(hours=1, seconds=1))
    # The form has expired, although the worker has not deleted it yet.
    assert create_client(scenario.app, actor).get(first).location == "/my-day"
    assert len(scenario.saved_forms()) == 1
    job.run()
    assert scenario.saved_forms() == []
    assert create_client(scenario.app, actor).get(second).location == "/my-day"


def test_saved_form_can_be_deleted(scenario: SavedFormScenario) -> None:
    actor = scenario.people[0]
    client, form = load_form(scenario, actor, "/hours", "/hours")
    client.delete_cookie("homevisits")
    kept_url = next_address_of(scenario.post(client, form, form.fill()))
    page = create_client(scenario.app, actor)
    (delete,) = [
        candidate
        for candidate in parse_forms(page.get(kept_url).text, kept_url)
        if candidate.action == f"{kept_url}/discard"
    ]
    assert scenario.post(page, delete, delete.fields()).location == "/hours"
    assert scenario.saved_forms() == []


@pytest.mark.parametrize("session_end", ["signed out in another tab", "signed in again", "new password"])
def test_form_is_kept_however_the_session_ended(scenario: SavedFormScenario, session_end: str) -> None:
    actor, password = scenario.people[0], "a short sentence here"
    client, form = load_form(scenario, actor, "/hours", "/hours")
    typed = form.fill()
    if session_end == "new password":
        with scenario.database.transaction() as session:
            attempts.set_password(session, "grace@example.org", password, clock.now())
    elif session_end == "signed out in another tab":
        (out,) = [
            candidate for candidate in parse_forms(client.get("/me").text, "/me") if candidate.action == "/sign-out"
        ]
        assert scenario.post(client, out, out.fields()).status_code == 303
    else:
        client = create_client(scenario.app, actor)
    response = scenario.post(client, form, typed)
    kept_url = response.location if session_end == "signed in again" else next_address_of(response)
    assert kept_url.startswith("/kept-form/")
    shown = create_client(scenario.app, actor).get(kept_url).text
    (again,) = [candidate for candidate in parse_forms(shown, kept_url) if candidate.action == "/hours"]
    assert without_own_fields(again.fields()) == without_own_fields(typed)


def test_form_is_dropped_when_another_account_is_signed_in(scenario: SavedFormScenario) -> None:
    _client, form = load_form(scenario, scenario.people[0], "/hours", "/hours")
    response = scenario.post(create_client(scenario.app, scenario.people[1]), form, form.fill())
    assert response.status_code == 400
    assert scenario.saved_forms() == []


def test_sign_in_leads_back_to_the_form(scenario: SavedFormScenario) -> None:
    password = "a short sentence here"
    with scenario.database.transaction() as session:
        attempts.set_password(session, "grace@example.org", password, clock.now())
    client, form = load_form(scenario, scenario.people[0], "/hours", "/hours")
    client.delete_cookie("homevisits")
    page = scenario.post(client, form, form.fill()).location
    text = client.get(page).text
    assert "nothing was sent" in text
    (sign_in,) = [candidate for candidate in parse_forms(text, page) if candidate.action == "/sign-in"]
    credentials = {"email": "grace@example.org", "password": password}
    response = scenario.post(client, sign_in, list({**dict(sign_in.fields()), **credentials}.items()))
    assert response.location.startswith("/kept-form/")
    assert "Your session ended" in client.get(response.location).text


def test_saved_form_is_shown_in_the_language_of_the_account(sqlite_scenario: SavedFormScenario) -> None:
    actor = sqlite_scenario.people[0]
    with sqlite_scenario.database.transaction() as session:
        session.get_one(Account, actor.account_id).language = "es"
    for page, action in (("/hours", "/hours"), ("/me", "/me/opt-out")):
        client, form = load_form(sqlite_scenario, actor, page, action)
        client.delete_cookie("homevisits")
        kept_url = next_address_of(sqlite_scenario.post(client, form, form.fill()))
        shown = create_client(sqlite_scenario.app, actor).get(kept_url).text
        assert "Su sesión terminó antes de guardar" in shown
        assert "No se envió nada." in shown


def test_too_large_form_is_not_kept(sqlite_scenario: SavedFormScenario) -> None:
    client, form = load_form(sqlite_scenario, sqlite_scenario.people[0], "/hours", "/hours")
    client.delete_cookie("homevisits")
    response = sqlite_scenario.post(client, form, [*form.fill(), ("more", "x" * saved_forms.MAX_CHARACTERS)])
    assert response.status_code == 400
    assert sqlite_scenario.saved_forms() == []


def test_number_of_saved_forms_per_account_is_limited(scenario: SavedFormScenario) -> None:
    client, form = load_form(scenario, scenario.people[0], "/hours", "/hours")
    client.delete_cookie("homevisits")
    kept_url = [
        next_address_of(scenario.post(client, form, form.fill())) for _ in range(saved_forms.MAX_PER_ACCOUNT + 2)
    ]
    with scenario.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(SavedForm)) == saved_forms.MAX_PER_ACCOUNT
    page = create_client(scenario.app, scenario.people[0])
    assert [page.get(path).status_code for path in (kept_url[1], kept_url[2], kept_url[-1])] == [303, 200, 200]


def test_saved_form_without_its_page_shows_the_typed_values(sqlite_scenario: SavedFormScenario) -> None:
    actor = sqlite_scenario.people[0]
    client, form = load_form(sqlite_scenario, actor, "/hours", "/hours")
    client.delete_cookie("homevisits")
    origin = dict(form.fields())["form_origin"]
    response = client.post(
        "/visits/1/reflect",
        data={"learned": "She keeps <bees> at home", "will_do": "Bees", "form_origin": origin},
        headers=SAME_ORIGIN,
    )
    shown = create_client(sqlite_scenario.app, actor).get(next_address_of(response)).text
    assert "She keeps &lt;bees&gt; at home" in shown
    (again,) = [candidate for candidate in parse_forms(shown, "") if candidate.action == "/visits/1/reflect"]
    assert without_own_fields(again.fields()) == [("learned", "She keeps <bees> at home"), ("will_do", "Bees")]
