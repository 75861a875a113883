from datetime import date, timedelta

import pytest
from flask import Flask

from homevisits.core.access import Grant, Role
from homevisits.core.db import Database
from homevisits.pay import actions, rules
from homevisits.pay.rules import PayType
from tests.factories.school import NOW, SchoolFixture, build_school
from tests.pay.factories import add_pay_rule, create_completed_visit
from tests.shell.clients import create_account, create_client, create_test_app

DAY = date(2026, 10, 6)


@pytest.fixture
def school_with_visit(sqlite_database: Database) -> SchoolFixture:
    """A school with a completed visit and its two pay lines."""
    school_fixture = build_school(sqlite_database)
    add_pay_rule(school_fixture)
    create_completed_visit(school_fixture, DAY)
    with school_fixture.session() as session:
        actions.write_missing_lines(session, NOW + timedelta(days=2))
    return school_fixture


@pytest.fixture
def app(school_with_visit: SchoolFixture) -> Flask:
    return create_test_app(school_with_visit.database)


def create_union_account(school_fixture: SchoolFixture) -> object:
    return create_account(school_fixture.database, "union", Grant(Role.UNION_COORDINATOR, None))


def test_claim_is_approved_twice_and_exported(app: Flask, school_with_visit: SchoolFixture) -> None:
    site, union = (
        create_client(app, school_with_visit.actors["coordinator"]),
        create_client(app, create_union_account(school_with_visit)),
    )
    assert "2 claims, $120.00" in site.get("/approvals").text
    assert site.post("/approvals", data={"line": ["1", "2"]}).status_code == 303
    assert "2 claims approved: $120.00" in site.get("/approvals").text
    assert "2 claims, $120.00" in union.get("/approvals").text
    assert union.post("/approvals", data={"line": ["1", "2"]}).status_code == 303
    response = union.post("/payroll", data={"first": "2026-10-01", "last": "2026-10-31"})
    assert response.status_code == 303
    file = union.get("/payroll/1.csv")
    assert file.mimetype == "text/csv"
    assert file.headers["Cache-Control"] == "no-store"
    assert b"PGrace,Test,Grace,HV-1,1,0.75,60.00" in file.data
    union.post("/payroll", data={"first": "2026-10-01", "last": "2026-10-31"})
    assert union.get("/payroll/1.csv").data == file.data
    assert union.get("/payroll/2.csv").status_code == 404
    own_page = create_client(app, school_with_visit.actors["Grace"]).get("/pay").text
    assert "in payroll" in own_page
    assert "Article 12.3" in own_page


def test_approval_can_be_undone(app: Flask, school_with_visit: SchoolFixture) -> None:
    site = create_client(app, school_with_visit.actors["coordinator"])
    site.post("/approvals", data={"line": ["1", "2"]})
    page = site.get("/approvals").text
    assert 'action="/approvals/take-back?step=site&amp;line=1&amp;line=2"' in page
    assert site.post("/approvals/take-back?step=site&line=1&line=2").status_code == 303
    page = site.get("/approvals").text
    assert "2 claims, $120.00" in page
    assert "Undone." in page
    assert site.post("/approvals/take-back?step=site&line=1").status_code == 422


def test_navigation_shows_the_number_of_waiting_claims(app: Flask, school_with_visit: SchoolFixture) -> None:
    site, union = (
        create_client(app, school_with_visit.actors["coordinator"]),
        create_client(app, create_union_account(school_with_visit)),
    )
    assert "</span> 2</span>" in " ".join(site.get("/account").text.split())
    assert 'class="count"' not in union.get("/account").text
    site.post("/approvals", data={"line": ["1"]})
    assert "</span> 1</span>" in " ".join(union.get("/account").text.split())


def test_my_pay_shows_only_own_lines(app: Flask, school_with_visit: SchoolFixture) -> None:
    create_completed_visit(school_with_visit, DAY + timedelta(days=1), lead="Amina", partner="Hoa", family="Smith")
    with school_with_visit.session() as session:
        actions.write_missing_lines(session, NOW + timedelta(days=3))
    assert create_client(app, school_with_visit.actors["Grace"]).get("/pay").text.count("Why this amount") == 1
    assert "Nothing here yet" in create_client(app, school_with_visit.actors["Out"]).get("/pay").text


def test_returning_a_claim_requires_a_comment(app: Flask, school_with_visit: SchoolFixture) -> None:
    site = create_client(app, school_with_visit.actors["coordinator"])
    response = site.post("/approvals/1/return", data={"comment": ""})
    assert response.status_code == 422
    assert "autofocus" in response.text
    too_long = "Which day was it, and who went? " * 20
    response = site.post("/approvals/1/return", data={"comment": too_long})
    assert too_long.strip() in response.text
    assert site.post("/approvals/1/return", data={"comment": "Which day?"}).status_code == 303
    assert "Which day?" in site.get("/approvals").text
    assert (
        "Which day?"
        in create_client(app, school_with_visit.actors["Grace"]).get("/pay").text
        + create_client(app, school_with_visit.actors["Luis"]).get("/pay").text
    )


def test_claim_approved_meanwhile_is_refused(app: Flask, school_with_visit: SchoolFixture) -> None:
    site = create_client(app, school_with_visit.actors["coordinator"])
    site.post("/approvals", data={"line": ["1"]})
    response = site.post("/approvals", data={"line": ["1", "2"]})
    assert response.status_code == 422
    assert "just decided" in response.text
    assert site.post("/approvals", data={}).status_code == 422
    assert site.post("/approvals", data={"line": ["x", "٣", "9" * 40]}).status_code == 422


NEW_RULE_FORM = {
    "unit": "hourly", "rate": "35.00", "minimum_minutes": "60", "round_to_minutes": "15", "pay_code": "HV-H",
    "clause": "Article 12.4", "effective_from": "2026-11-01",
}  # fmt: skip


def test_new_rule_is_confirmed_before_it_is_added(app: Flask, school_with_visit: SchoolFixture) -> None:
    union = create_client(app, create_union_account(school_with_visit))
    preview = union.post("/contract/new", data=NEW_RULE_FORM)
    assert "$35.00 an hour, at least 1 h, rounded up to the next 15 minutes" in preview.text
    assert "Article 12.4" not in union.get("/contract").text
    assert union.post("/contract/new", data={**NEW_RULE_FORM, "confirmed": "change"}).text.count('value="35.00"') == 1
    assert union.post("/contract/new", data={**NEW_RULE_FORM, "confirmed": "yes"}).status_code == 303
    page = union.get("/contract").text
    assert "Article 12.4" in page
    assert "coming" in page


def test_pay_type_of_a_new_rule_is_chosen_when_there_are_several(
    app: Flask, school_with_visit: SchoolFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    union = create_client(app, create_union_account(school_with_visit))
    assert 'name="pay_type"' not in union.get("/contract/new").text
    monkeypatch.setattr(rules, "RULE_TYPES", (PayType.VISIT, PayType.CORRECTION))
    assert 'value="visit" checked' in " ".join(union.get("/contract/new").text.split())
    form = NEW_RULE_FORM | {"pay_type": "correction"}
    assert "Correction · From" in union.post("/contract/new", data=form).text
    assert union.post("/contract/new", data=form | {"confirmed": "yes"}).status_code == 303
    page = union.get("/contract").text
    assert "Correction · From" in page
    visit_rule = page.split("Home visit · ")[1].split(" · ")[0]
    assert visit_rule.startswith("From ")
    assert " to " not in visit_rule  # a rule of another pay type does not end it


def test_invalid_new_rule_keeps_the_typed_values(app: Flask, school_with_visit: SchoolFixture) -> None:
    union = create_client(app, create_union_account(school_with_visit))
    response = union.post("/contract/new", data={**NEW_RULE_FORM, "rate": "lots", "effective_from": "2026-10-01"})
    assert response.status_code == 422
    assert "Please fix 2 items" in response.text
    assert 'value="lots"' in response.text
    assert 'value="Article 12.4"' in response.text


def test_role_at_one_school_cannot_change_the_contract(app: Flask, school_with_visit: SchoolFixture) -> None:
    local = create_account(
        school_with_visit.database, "local", Grant(Role.UNION_COORDINATOR, school_with_visit.school_id)
    )
    client = create_client(app, local)
    assert client.get("/contract").status_code == 200
    assert client.get("/contract/new").status_code == 404
    assert client.post("/contract/new", data=NEW_RULE_FORM).status_code == 404
    assert client.get("/payroll").status_code == 404


def test_invalid_period_is_refused(app: Flask, school_with_visit: SchoolFixture) -> None:
    union = create_client(app, create_union_account(school_with_visit))
    assert union.post("/payroll", data={"first": "x", "last": ""}).text.count("Enter a date") == 4
    assert "is before the first" in union.post("/payroll", data={"first": "2026-10-31", "last": "2026-10-01"}).text
