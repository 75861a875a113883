"""Queries of the demo pages."""

from sqlalchemy import update

from homevisits.core.db import Database
from homevisits.demo.queries import guide
from homevisits.people.models import Caregiver
from tests.factories.school import ZONE, build_school


def test_phone_of_a_restricted_caregiver_is_not_offered(sqlite_database: Database) -> None:
    school_fixture = build_school(sqlite_database)
    with school_fixture.session() as session:
        session.execute(
            update(Caregiver).where(Caregiver.id == school_fixture.caregivers["Smith"]).values(restricted=True)
        )
        found = guide.phone(session, school_fixture.families["Smith"], ZONE)
    assert (found.number, found.owner) == ("", "")
