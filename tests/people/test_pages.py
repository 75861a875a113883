"""The pages about people, as a browser without script sees them."""

import io
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from homevisits.core.access import Grant, Role
from homevisits.core.db import Database
from homevisits.people.models import Certification, OptIn, Student
from homevisits.visits import actions as visits
from homevisits.visits.models import Visit, VisitMember
from tests.factories.school import SchoolFixture, build_school
from tests.people import rosters
from tests.shell import clients


@pytest.fixture
def school_fixture(sqlite_database: Database) -> SchoolFixture:
    return build_school(sqlite_database)


def client_of(school_fixture: SchoolFixture, who: str) -> FlaskClient:
    return clients.create_client(clients.create_test_app(school_fixture.database), school_fixture.actors[who])


def test_a_coordinator_records_a_training_and_sees_it(school_fixture: SchoolFixture) -> None:
    client = client_of(school_fixture, "coordinator")
    form = {
        "title": "Autumn training",
        "held_on": "2026-10-06",
        "hours": "3.5",
        "educator_trainer": str(school_fixture.educators["Grace"]),
        "parent_trainer": "",
        "parent_given": "Rosa",
        "parent_family": "Tapia",
        "participants": [str(school_fixture.educators["Out"])],
    }
    answer = client.post("/people/training", data=form)
    assert answer.status_code == 303
    page = client.get("/people").text
    assert "Autumn training" in page
    assert "Rosa Tapia" in page
    with school_fixture.database.reading() as session:
        assert session.scalar(select(func.max(Certification.educator_id))) == school_fixture.educators["Out"]


def test_a_refused_training_keeps_what_was_typed_and_says_everything(school_fixture: SchoolFixture) -> None:
    client = client_of(school_fixture, "coordinator")
    answer = client.post("/people/training", data={"title": "Autumn <b>", "held_on": "soon", "hours": "many"})
    assert answer.status_code == 422
    assert "Autumn &lt;b&gt;" in answer.text
    assert 'href="#held_on"' in answer.text
    assert 'href="#hours"' in answer.text
    longer = client.post("/people/training", data={"title": "T", "parent_given": "N" * 200, "parent_family": "Lee"})
    assert 'href="#parent_given"' in longer.text  # the field that is too long, not another
    assert "N" * 200 in longer.text
    answer = client.post("/people/training", data={"title": "T", "held_on": "2026-10-01", "hours": "3"})
    assert answer.status_code == 422
    for field in ("educator_trainer", "parent_trainer", "participants"):
        assert f'href="#{field}"' in answer.text
        assert f'id="{field}"' in answer.text


def test_an_educator_takes_part_from_the_own_page(school_fixture: SchoolFixture) -> None:
    client = client_of(school_fixture, "Out")
    assert "/me/opt-in" in client.get("/me").text
    assert client.post("/me/opt-in").status_code == 303
    assert "/me/opt-out" in client.get("/me").text
    with school_fixture.database.reading() as session:
        newest = session.scalars(select(OptIn).order_by(OptIn.id.desc())).first()
        assert newest is not None
        assert (newest.educator_id, newest.answer) == (school_fixture.educators["Out"], "in")


def test_a_district_lead_brings_a_roster_in_and_reads_what_is_wrong(sqlite_database: Database, tmp_path: Path) -> None:
    app = clients.create_test_app(sqlite_database)
    lead = clients.create_account(sqlite_database, "lead", Grant(Role.DISTRICT_LEAD, None))
    client = clients.create_client(app, lead)
    bad = rosters.archive(tmp_path / "bad.zip", rosters.files({("users.csv", 3, "role"): "wizard"}))
    answer = client.post("/roster", data={"file": (io.BytesIO(bad.read_bytes()), "roster.zip")})
    assert answer.status_code == 422
    assert "“wizard” is not allowed" in answer.text
    good = rosters.archive(tmp_path / "good.zip", rosters.files())
    answer = client.post("/roster", data={"file": (io.BytesIO(good.read_bytes()), "roster.zip")})
    assert answer.status_code == 303
    assert "Alder School" in client.get("/roster").text
    assert client.post("/roster").status_code == 422
    with sqlite_database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Student)) == 3


def test_an_educator_leaves_and_is_taken_out_of_what_was_planned(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        wanted = visits.BookingRequest(
            school_fixture.families["Rivera"], school_fixture.educators["Luis"], school_fixture.time_at(8, 16)
        )
        planned = visits.book(
            session, school_fixture.actors["Grace"], wanted, school_fixture.policy, school_fixture.now
        ).id
        visits.accept(session, school_fixture.actors["Luis"], planned, school_fixture.policy, school_fixture.now)
    client = client_of(school_fixture, "Luis")
    assert client.post("/me/opt-out").status_code == 303
    assert "/me/opt-in" in client.get("/me").text
    with school_fixture.database.reading() as session:
        assert session.scalar(select(Visit.state)) == "proposed"
        member = session.get_one(VisitMember, (planned, school_fixture.educators["Luis"]))
        assert member.state == "withdrawn"
