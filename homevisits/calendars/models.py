"""Tables of calendars: each person's private feed."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey


class FeedToken(Base):
    """The secret part of a private feed's address; only its SHA-256 is kept. Revoked ones answer an empty calendar."""

    __tablename__ = "feed_token"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_fetched_at: Mapped[datetime | None]
