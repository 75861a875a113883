"""Tables of weekly hours, closures and commitments."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, true
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey


class WeeklyHours(Base):
    """Local time interval of a weekday (0 is Monday) when an educator can be booked, such as "16:00" to "19:30"."""

    __tablename__ = "weekly_hours"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    educator_id: Mapped[int] = mapped_column(ForeignKey("educator.id"), index=True)
    weekday: Mapped[int]
    starts: Mapped[str]
    ends: Mapped[str]
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        CheckConstraint("starts < ends", name="order"),
        UniqueConstraint("educator_id", "weekday", "starts"),
    )


class Closure(Base):
    """A day without visits at a school, or in the whole district if school_id is None."""

    __tablename__ = "closure"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    school_id: Mapped[int | None] = mapped_column(ForeignKey("school.id"))
    day: Mapped[date]
    name: Mapped[str]
    __table_args__ = (Index("ix_closure_day", "day"),)


class Commitment(Base):
    """A time interval, travel included, when a person is not available.

    No two active commitments of a person overlap: an exclusion constraint on PostgreSQL, a trigger on SQLite.
    """

    __tablename__ = "commitment"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    active: Mapped[bool] = mapped_column(server_default=true())
    subject: Mapped[str]  # "visit:17"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="order"),
        UniqueConstraint("id", "person_id"),
        Index("ix_commitment_person_id_starts_at", "person_id", "starts_at"),
        Index("ix_commitment_subject", "subject"),
    )
