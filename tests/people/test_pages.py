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


def create_client_of(school_fixture: SchoolFixture, name: str) -> FlaskClient:
    return clients.create_client(clients.create_test_app(school_fixture.database), school_fixture.actors[name])


def test_recorded_training_is_shown_to_the_coordinator(school_fixture: SchoolFixture) -> None:
    client = create_client_of(school_fixture, "coordinator")
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
    response = client.post("/people/training", data=form)
    assert response.status_code == 303
    page = client.get("/people").text
    assert "Autumn training" in page
    assert "Rosa Tapia" in page
    with school_fixture.database.reading() as session:
        assert session.scalar(select(func.max(Certification.educator_id))) == school_fixture.educators["Out"]


def test_refused_training_keeps_typed_values_and_shows_all_problems(school_fixture: SchoolFixture) -> None:
    client = create_client_of(school_fixture, "coordinator")
    response = client.post("/people/training", data={"title": "Autumn <b>", "held_on": "soon", "hours": "many"})
    assert response.status_code == 422
    assert "Autumn &lt;b&gt;" in response.text
    assert 'href="#held_on"' in response.text
    assert 'href="#hours"' in response.text
    too_long = client.post("/people/training", data={"title": "T", "parent_given": "N" * 200, "parent_family": "Lee"})
    assert 'href="#parent_given"' in too_long.text  # only the field that is too long
    assert "N" * 200 in too_long.text
    response = client.post("/people/training", data={"title": "T", "held_on": "2026-10-01", "hours": "3"})
    assert response.status_code == 422
    for field in ("educator_trainer", "parent_trainer", "participants"):
        assert f'href="#{field}"' in response.text
        assert f'id="{field}"' in response.text


def test_educator_opts_in_on_own_page(school_fixture: SchoolFixture) -> None:
    client = create_client_of(school_fixture, "Out")
    assert "/me/opt-in" in client.get("/me").text
    assert client.post("/me/opt-in").status_code == 303
    assert "/me/opt-out" in client.get("/me").text
    with school_fixture.database.reading() as session:
        newest = session.scalars(select(OptIn).order_by(OptIn.id.desc())).first()
        assert newest is not None
        assert (newest.educator_id, newest.answer) == (school_fixture.educators["Out"], "in")


def test_district_lead_imports_a_roster_and_sees_its_errors(sqlite_database: Database, tmp_path: Path) -> None:
    app = clients.create_test_app(sqlite_database)
    lead = clients.create_account(sqlite_database, "lead", Grant(Role.DISTRICT_LEAD, None))
    client = clients.create_client(app, lead)
    invalid = rosters.write_zip(tmp_path / "invalid.zip", rosters.build_files({("users.csv", 3, "role"): "wizard"}))
    response = client.post("/roster", data={"file": (io.BytesIO(invalid.read_bytes()), "roster.zip")})
    assert response.status_code == 422
    assert "“wizard” is not allowed" in response.text
    valid = rosters.write_zip(tmp_path / "valid.zip", rosters.build_files())
    response = client.post("/roster", data={"file": (io.BytesIO(valid.read_bytes()), "roster.zip")})
    assert response.status_code == 303
    assert "Alder School" in client.get("/roster").text
    assert client.post("/roster").status_code == 422
    with sqlite_database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Student)) == 3


def test_educator_who_opts_out_is_withdrawn_from_planned_visits(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        booking = visits.BookingRequest(
            school_fixture.families["Rivera"], school_fixture.educators["Luis"], school_fixture.time_at(8, 16)
        )
        visit_id = visits.book(
            session, school_fixture.actors["Grace"], booking, school_fixture.policy, school_fixture.now
        ).id
        visits.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    client = create_client_of(school_fixture, "Luis")
    assert client.post("/me/opt-out").status_code == 303
    assert "/me/opt-in" in client.get("/me").text
    with school_fixture.database.reading() as session:
        assert session.scalar(select(Visit.state)) == "proposed"
        member = session.get_one(VisitMember, (visit_id, school_fixture.educators["Luis"]))
        assert member.state == "withdrawn"
