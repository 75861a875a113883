"""What kind of installation a database is: real, or the demo's. Neither can be started as the other."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.db import Database
from homevisits.core.settings import InvalidSettings, Settings
from homevisits.people.models import District


def find_purpose(session: Session) -> str | None:
    """``real`` or ``demo``; None while nothing has been imported."""
    return session.scalar(select(District.purpose).order_by(District.id).limit(1))


def check_database_purpose(database: Database, settings: Settings) -> None:
    """Raise `InvalidSettings` when the demo is pointed at a real database, or anything else at the demo's."""
    with database.reading() as session:
        found = find_purpose(session)
    if settings.demo and found != "demo":
        raise InvalidSettings(["database_url: this database does not belong to the demo; the demo makes its own"])
    if not settings.demo and found == "demo":
        raise InvalidSettings(["database_url: this is the demo's database; nobody in it is real. Make a new one"])
