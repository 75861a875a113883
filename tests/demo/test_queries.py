"""The readings of the demo's own pages."""

from sqlalchemy import update

from homevisits.core.db import Database
from homevisits.demo import queries
from homevisits.people.models import Caregiver
from tests.world import ZONE, build


def test_nobody_holds_the_phone_of_a_restricted_caregiver(sqlite_database: Database) -> None:
    town = build(sqlite_database)
    with town.session() as session:
        session.execute(update(Caregiver).where(Caregiver.id == town.caregivers["Smith"]).values(restricted=True))
        found = queries.phone(session, town.families["Smith"], ZONE)
    assert (found.number, found.owner) == ("", "")
