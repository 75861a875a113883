"""Pay through its pages: approve, return, a new rule, the payroll file, my pay."""

from datetime import date, timedelta

import pytest
from flask import Flask

from homevisits.core.access import Grant, Role
from homevisits.core.db import Database
from homevisits.pay import actions
from tests.factories.school import NOW, SchoolFixture, build_school
from tests.pay.held import hold, with_rule
from tests.shell.doors import account, app_of, browser_of

DAY = date(2026, 10, 6)


@pytest.fixture
def lived(sqlite_database: Database) -> SchoolFixture:
    """A test school in which one visit was held and settled."""
    school_fixture = build_school(sqlite_database)
    with_rule(school_fixture)
    hold(school_fixture, DAY)
    with school_fixture.session() as session:
        actions.settle(session, NOW + timedelta(days=2))
    return school_fixture


@pytest.fixture
def app(lived: SchoolFixture) -> Flask:
    return app_of(lived.database)


def union_of(school_fixture: SchoolFixture) -> object:
    return account(school_fixture.database, "union", Grant(Role.UNION_COORDINATOR, None))


def test_from_the_line_to_the_payroll_file(app: Flask, lived: SchoolFixture) -> None:
    site, union = browser_of(app, lived.actors["coordinator"]), browser_of(app, union_of(lived))
    assert "2 claims, $120.00" in site.get("/approvals").text
    assert site.post("/approvals", data={"line": ["1", "2"]}).status_code == 303
    assert "2 claims approved: $120.00" in site.get("/approvals").text
    assert "2 claims, $120.00" in union.get("/approvals").text
    assert union.post("/approvals", data={"line": ["1", "2"]}).status_code == 303
    made = union.post("/payroll", data={"first": "2026-10-01", "last": "2026-10-31"})
    assert made.status_code == 303
    file = union.get("/payroll/1.csv")
    assert file.mimetype == "text/csv"
    assert file.headers["Cache-Control"] == "no-store"
    assert b"PGrace,Test,Grace,HV-1,1,0.75,60.00" in file.data
    union.post("/payroll", data={"first": "2026-10-01", "last": "2026-10-31"})
    assert union.get("/payroll/1.csv").data == file.data
    assert union.get("/payroll/2.csv").status_code == 404
    mine = browser_of(app, lived.actors["Grace"]).get("/pay").text
    assert "in payroll" in mine
    assert "Article 12.3" in mine


def test_an_approval_can_be_taken_back(app: Flask, lived: SchoolFixture) -> None:
    site = browser_of(app, lived.actors["coordinator"])
    site.post("/approvals", data={"line": ["1", "2"]})
    page = site.get("/approvals").text
    assert 'action="/approvals/take-back?step=site&amp;line=1&amp;line=2"' in page
    assert site.post("/approvals/take-back?step=site&line=1&line=2").status_code == 303
    page = site.get("/approvals").text
    assert "2 claims, $120.00" in page
    assert "Taken back." in page
    assert site.post("/approvals/take-back?step=site&line=1").status_code == 422


def test_the_navigation_counts_what_waits(app: Flask, lived: SchoolFixture) -> None:
    site, union = browser_of(app, lived.actors["coordinator"]), browser_of(app, union_of(lived))
    assert "</span> 2</span>" in site.get("/account").text
    assert 'class="count"' not in union.get("/account").text
    site.post("/approvals", data={"line": ["1"]})
    assert "</span> 1</span>" in union.get("/account").text


def test_my_pay_shows_nobody_elses(app: Flask, lived: SchoolFixture) -> None:
    hold(lived, DAY + timedelta(days=1), lead="Amina", partner="Hoa", family="Smith")
    with lived.session() as session:
        actions.settle(session, NOW + timedelta(days=3))
    assert browser_of(app, lived.actors["Grace"]).get("/pay").text.count("Why this amount") == 1
    assert "Nothing here yet" in browser_of(app, lived.actors["Out"]).get("/pay").text


def test_a_claim_is_returned_only_with_a_comment(app: Flask, lived: SchoolFixture) -> None:
    site = browser_of(app, lived.actors["coordinator"])
    answer = site.post("/approvals/1/return", data={"comment": ""})
    assert answer.status_code == 422
    assert "autofocus" in answer.text
    longer = "Which day was it, and who went? " * 20
    assert longer.strip() in site.post("/approvals/1/return", data={"comment": longer}).text  # nothing typed is lost
    assert site.post("/approvals/1/return", data={"comment": "Which day?"}).status_code == 303
    assert "Which day?" in site.get("/approvals").text
    assert (
        "Which day?"
        in browser_of(app, lived.actors["Grace"]).get("/pay").text
        + browser_of(app, lived.actors["Luis"]).get("/pay").text
    )


def test_a_claim_decided_meanwhile_is_said(app: Flask, lived: SchoolFixture) -> None:
    site = browser_of(app, lived.actors["coordinator"])
    site.post("/approvals", data={"line": ["1"]})
    answer = site.post("/approvals", data={"line": ["1", "2"]})
    assert answer.status_code == 422
    assert "a moment ago" in answer.text
    assert site.post("/approvals", data={}).status_code == 422
    assert site.post("/approvals", data={"line": ["x", "٣", "9" * 40]}).status_code == 422


NEW = {
    "unit": "hourly", "rate": "35.00", "minimum_minutes": "60", "round_to_minutes": "15", "pay_code": "HV-H",
    "clause": "Article 12.4", "effective_from": "2026-11-01",
}  # fmt: skip


def test_a_rule_is_read_once_more_before_it_is_added(app: Flask, lived: SchoolFixture) -> None:
    union = browser_of(app, union_of(lived))
    preview = union.post("/contract/new", data=NEW)
    assert "$35.00 an hour, at least 1 h, rounded up to the next 15 minutes" in preview.text
    assert "Article 12.4" not in union.get("/contract").text
    assert union.post("/contract/new", data={**NEW, "confirmed": "change"}).text.count('value="35.00"') == 1
    assert union.post("/contract/new", data={**NEW, "confirmed": "yes"}).status_code == 303
    page = union.get("/contract").text
    assert "Article 12.4" in page
    assert "coming" in page


def test_what_was_typed_is_kept_when_it_cannot_be(app: Flask, lived: SchoolFixture) -> None:
    union = browser_of(app, union_of(lived))
    answer = union.post("/contract/new", data={**NEW, "rate": "lots", "effective_from": "2026-10-01"})
    assert answer.status_code == 422
    assert "2 things to change" in answer.text
    assert 'value="lots"' in answer.text
    assert 'value="Article 12.4"' in answer.text


def test_a_role_at_one_school_changes_no_contract(app: Flask, lived: SchoolFixture) -> None:
    local = account(lived.database, "local", Grant(Role.UNION_COORDINATOR, lived.school_id))
    client = browser_of(app, local)
    assert client.get("/contract").status_code == 200
    assert client.get("/contract/new").status_code == 404
    assert client.post("/contract/new", data=NEW).status_code == 404
    assert client.get("/payroll").status_code == 404


def test_a_wrong_period_is_said(app: Flask, lived: SchoolFixture) -> None:
    union = browser_of(app, union_of(lived))
    assert union.post("/payroll", data={"first": "x", "last": ""}).text.count("Write a day here") == 4
    assert "comes before the first" in union.post("/payroll", data={"first": "2026-10-31", "last": "2026-10-01"}).text
