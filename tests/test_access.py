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


class TwoSchools:
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
        schools = {"here": self.school_fixture.school_id, "elsewhere": self.other, "everywhere": None}
        self.actors: dict[tuple[Role, str], Actor] = {
            (role, name): create_account(database, f"{role.value}-{name}", Grant(role, school))
            for role, (name, school) in itertools.product(Role, schools.items())
            if role is not Role.EDUCATOR
        }
        self.actors[Role.EDUCATOR, "here"] = self.school_fixture.actors["Grace"]
        self.actors[Role.EDUCATOR, "elsewhere"] = self.school_fixture.actors["Out"]


@pytest.fixture(scope="module")
def two_schools(sqlite_template: object, tmp_path_factory: pytest.TempPathFactory) -> TwoSchools:
    import shutil

    path = tmp_path_factory.mktemp("access") / "homevisits.sqlite"
    shutil.copyfile(str(sqlite_template), path)
    return TwoSchools(Database(f"sqlite:///{path}"))


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


def test_every_route_declares_its_permissions(two_schools: TwoSchools) -> None:
    views = two_schools.app.view_functions
    assert [rule.rule for rule, _ in routes(two_schools.app) if views[rule.endpoint] not in security._PERMISSIONS] == []


def test_every_private_route_requires_sign_in(two_schools: TwoSchools) -> None:
    failures = []
    for rule, method in routes(two_schools.app):
        if security.permissions_of(two_schools.app.view_functions[rule.endpoint]):
            response = two_schools.app.test_client().open(address(rule), method=method)
            if response.status_code != 303 or not response.location.startswith("/sign-in"):
                failures.append((method, rule.rule, response.status_code))
    assert failures == []


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("location", ["here", "elsewhere"])
def test_each_role_opens_permitted_routes_only(two_schools: TwoSchools, role: Role, location: str) -> None:
    actor, failures = two_schools.actors[role, location], []
    for rule, method in routes(two_schools.app):
        question = security.permissions_of(two_schools.app.view_functions[rule.endpoint])
        if not question or rule.endpoint == "account.sign_out":
            continue
        response = create_client(two_schools.app, actor).open(address(rule), method=method)
        status = response.status_code
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"], rule.rule
        assert "Traceback" not in response.get_data(as_text=True), rule.rule
        is_permitted = any(role in ROLES_BY_PERMISSION[permission] for permission in question)
        # An empty form is refused (422), and an id that does not fit is not found (404).
        if (status == 403) == is_permitted or (is_permitted and status not in (200, 204, 303, 304, 400, 404, 409, 422)):
            failures.append((method, rule.rule, status))
    assert failures == []


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.EDUCATOR])
def test_data_of_another_school_is_not_found(two_schools: TwoSchools, role: Role) -> None:
    actor, failures = two_schools.actors[role, "elsewhere"], []
    secrets = ("Lincoln Elementary", "Grace Test", "Luis Test", "Rivera", "Nguyen")
    for rule, method in routes(two_schools.app):
        question = security.permissions_of(two_schools.app.view_functions[rule.endpoint])
        allowed = {permission for permission in question if role in ROLES_BY_PERMISSION[permission]}
        if not allowed or allowed <= OWN:
            continue
        response = create_client(two_schools.app, actor).open(
            address(rule), method=method, follow_redirects=bool(rule.arguments)
        )
        if rule.arguments and response.status_code not in (400, 404):
            failures.append((method, rule.rule, response.status_code))
        shown = [word for word in secrets if word in response.get_data(as_text=True)]
        if shown and rule.endpoint not in OF_ALL_SCHOOLS:
            failures.append((method, rule.rule, response.status_code, *shown))
    assert failures == []


def test_navigation_shows_permitted_pages_only(two_schools: TwoSchools) -> None:
    from homevisits.web import navigation

    for (role, _location), actor in two_schools.actors.items():
        client = create_client(two_schools.app, actor)
        with two_schools.app.test_request_context():
            links = navigation.visible_places(actor, role, security.page_permissions())
        assert links
        for link in links:
            assert client.get(link.path).status_code == 200, link.path
