"""Table of the private feed URLs."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey


class FeedToken(Base):
    """SHA-256 of the token of a feed URL. A revoked URL serves an empty calendar."""

    __tablename__ = "feed_token"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_fetched_at: Mapped[datetime | None]
