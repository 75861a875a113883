"""Request every route as every role at two schools, and compare with the table of permissions."""

import itertools
from datetime import timedelta

import pytest
from flask import Flask
from werkzeug.routing import Rule

from homevisits.core.access import ROLES_BY_PERMISSION, Actor, Grant, Permission, Role
from homevisits.core.db import Database
from homevisits.inbox import processing
from homevisits.inbox.processing import ReceivedMessage
from homevisits.people.models import School
from homevisits.web import security
from tests.factories.school import NOW, POLICY, SchoolFixture, build_school
from tests.pay.factories import add_pay_rule, create_completed_visit
from tests.shell.clients import create_account, create_client, create_test_app

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
OWN = {Permission.OWN_ACCOUNT, Permission.OWN_VISITS, Permission.OWN_PAY}
"""Permissions for a user's own data, independent of the school."""
OF_ALL_SCHOOLS = {"people.new_training", "people.record_training", "people.roster", "people.import_roster"}
"""Pages about all schools: trainers may come from any school, and a roster is for all schools."""


class Place:
    """The test school and a second school, with an account of each role at each of them."""

    def __init__(self, database: Database) -> None:
        self.school_fixture: SchoolFixture = build_school(database)
        add_pay_rule(self.school_fixture)
        create_completed_visit(self.school_fixture, NOW.date())
        with database.transaction() as session:
            text = ReceivedMessage(
                "SM1", self.school_fixture.phones["Rivera"], "+15555550199", "¿Puede venir mi abuela?"
            )
            processing.receive_message(session, text, POLICY, NOW + timedelta(hours=1))
            other = School(source_id="s2", name="Elsewhere Elementary", timezone="America/Denver")
            session.add(other)
            session.flush()
            self.other: int = other.id
        self.app: Flask = create_test_app(database)
        where = {"here": self.school_fixture.school_id, "elsewhere": self.other, "everywhere": None}
        self.actors: dict[tuple[Role, str], Actor] = {
            (role, name): create_account(database, f"{role.value}-{name}", Grant(role, school))
            for role, (name, school) in itertools.product(Role, where.items())
            if role is not Role.EDUCATOR
        }
        self.actors[Role.EDUCATOR, "here"] = self.school_fixture.actors["Grace"]
        self.actors[Role.EDUCATOR, "elsewhere"] = self.school_fixture.actors["Out"]


@pytest.fixture(scope="module")
def place(sqlite_template: object, tmp_path_factory: pytest.TempPathFactory) -> Place:
    import shutil

    path = tmp_path_factory.mktemp("access") / "homevisits.sqlite"
    shutil.copyfile(str(sqlite_template), path)
    return Place(Database(f"sqlite:///{path}"))


def routes(app: Flask) -> list[tuple[Rule, str]]:
    return [
        (rule, method)
        for rule in app.url_map.iter_rules()
        for method in METHODS
        if method in (rule.methods or ()) and not rule.endpoint.endswith("static")
    ]


def address(rule: Rule) -> str:
    """Return an address of the rule with the id 1 for each argument, which is the test school's."""
    values = {name: 1 if "Int" in type(rule._converters[name]).__name__ else "1" for name in rule.arguments}
    built = rule.build(values, append_unknown=False)
    assert built is not None
    return built[1]


def test_every_route_declares_its_permissions(place: Place) -> None:
    views = place.app.view_functions
    assert [rule.rule for rule, _ in routes(place.app) if views[rule.endpoint] not in security._PERMISSIONS] == []


def test_every_private_route_requires_sign_in(place: Place) -> None:
    wrong = []
    for rule, method in routes(place.app):
        if security.permissions_of(place.app.view_functions[rule.endpoint]):
            answer = place.app.test_client().open(address(rule), method=method)
            if answer.status_code != 303 or not answer.location.startswith("/sign-in"):
                wrong.append((method, rule.rule, answer.status_code))
    assert wrong == []


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_each_role_opens_permitted_routes_only(place: Place, role: Role, where: str) -> None:
    who, wrong = place.actors[role, where], []
    for rule, method in routes(place.app):
        question = security.permissions_of(place.app.view_functions[rule.endpoint])
        if not question or rule.endpoint == "account.sign_out":
            continue
        answer = create_client(place.app, who).open(address(rule), method=method)
        status = answer.status_code
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], rule.rule
        assert "Traceback" not in answer.get_data(as_text=True), rule.rule
        may = any(role in ROLES_BY_PERMISSION[permission] for permission in question)
        # An empty form is refused (422), and an id that does not fit is not found (404).
        if (status == 403) == may or (may and status not in (200, 204, 303, 304, 400, 404, 409, 422)):
            wrong.append((method, rule.rule, status))
    assert wrong == []


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.EDUCATOR])
def test_data_of_another_school_is_not_found(place: Place, role: Role) -> None:
    who, wrong = place.actors[role, "elsewhere"], []
    secrets = ("Lincoln Elementary", "Grace Test", "Luis Test", "Rivera", "Nguyen")
    for rule, method in routes(place.app):
        question = security.permissions_of(place.app.view_functions[rule.endpoint])
        mine = {permission for permission in question if role in ROLES_BY_PERMISSION[permission]}
        if not mine or mine <= OWN:
            continue
        answer = create_client(place.app, who).open(address(rule), method=method, follow_redirects=bool(rule.arguments))
        if rule.arguments and answer.status_code not in (400, 404):
            wrong.append((method, rule.rule, answer.status_code))
        shown = [word for word in secrets if word in answer.get_data(as_text=True)]
        if shown and rule.endpoint not in OF_ALL_SCHOOLS:
            wrong.append((method, rule.rule, answer.status_code, *shown))
    assert wrong == []


def test_navigation_shows_permitted_pages_only(place: Place) -> None:
    from homevisits.web import navigation

    for (role, _where), who in place.actors.items():
        client = create_client(place.app, who)
        with place.app.test_request_context():
            places = navigation.visible_places(who, role, security.page_permissions())
        assert places
        for each in places:
            assert client.get(each.path).status_code == 200, each.path
