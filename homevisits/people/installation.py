"""Distinguish databases of real installations from the demo's, so that neither is used as the other."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.db import Database
from homevisits.core.settings import InvalidSettings, Settings
from homevisits.people.models import District


def find_purpose(session: Session) -> str | None:
    """Return "real" or "demo", or None before the first import."""
    return session.scalar(select(District.purpose).order_by(District.id).limit(1))


def check_database_purpose(database: Database, settings: Settings) -> None:
    """Raise `InvalidSettings` if the demo would use a real database, or the other way around."""
    with database.reading() as session:
        purpose = find_purpose(session)
    if settings.demo and purpose != "demo":
        raise InvalidSettings(["database_url: this database does not belong to the demo; the demo makes its own"])
    if not settings.demo and purpose == "demo":
        raise InvalidSettings(["database_url: this is the demo's database; nobody in it is real. Make a new one"])
