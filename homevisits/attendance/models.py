"""Tables: attendance codes, school days, absences, totals of earlier years, report snapshots."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, false
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey


class AttendanceCode(Base):
    """An attendance code of the district and whether it means that at least half the day was missed."""

    __tablename__ = "attendance_code"
    code: Mapped[str] = mapped_column(primary_key=True)
    description: Mapped[str]
    category: Mapped[str]
    counts_as_absent: Mapped[bool]


class SchoolDay(Base):
    """A school day of the district."""

    __tablename__ = "school_day"
    day: Mapped[date] = mapped_column(primary_key=True)


class Absence(Base):
    """An attendance code of a student on a day. Without a row, the student was present."""

    __tablename__ = "absence"
    student_id: Mapped[int] = mapped_column(ForeignKey("student.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(ForeignKey("attendance_code.code"))
    absent: Mapped[bool] = mapped_column(server_default=false())
    __table_args__ = (Index("ix_absence_day", "day"),)


class PriorYear(Base):
    """A student's totals of an earlier school year."""

    __tablename__ = "prior_year"
    student_id: Mapped[int] = mapped_column(ForeignKey("student.id"), primary_key=True)
    school_year: Mapped[int] = mapped_column(primary_key=True)
    days_enrolled: Mapped[int]
    days_absent: Mapped[int]


class AssociationSnapshot(Base):
    """The attendance report as last computed. The JSON document contains only numbers that may be shown."""

    __tablename__ = "association_snapshot"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    made_at: Mapped[datetime]
    period_from: Mapped[date]
    period_to: Mapped[date]
    document: Mapped[str]
