"""Tables of attendance: the district's codes, school days, absences, last year's totals."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, false
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey


class AttendanceCode(Base):
    """A code of the district's system and whether half the day or more was missed."""

    __tablename__ = "attendance_code"
    code: Mapped[str] = mapped_column(primary_key=True)
    description: Mapped[str]
    category: Mapped[str]
    counts_as_absent: Mapped[bool]


class SchoolDay(Base):
    """A day on which school was held in the district."""

    __tablename__ = "school_day"
    day: Mapped[date] = mapped_column(primary_key=True)


class Absence(Base):
    """An exception to presence: a student, a day, a code. A day without a row: present."""

    __tablename__ = "absence"
    student_id: Mapped[int] = mapped_column(ForeignKey("student.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(ForeignKey("attendance_code.code"))
    absent: Mapped[bool] = mapped_column(server_default=false())
    __table_args__ = (Index("ix_absence_day", "day"),)


class PriorYear(Base):
    """A student's days of the year before."""

    __tablename__ = "prior_year"
    student_id: Mapped[int] = mapped_column(ForeignKey("student.id"), primary_key=True)
    school_year: Mapped[int] = mapped_column(primary_key=True)
    days_enrolled: Mapped[int]
    days_absent: Mapped[int]


class AssociationSnapshot(Base):
    """The association report as last worked out (JSON of shown numbers only), so that the page need not compute."""

    __tablename__ = "association_snapshot"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    made_at: Mapped[datetime]
    period_from: Mapped[date]
    period_to: Mapped[date]
    document: Mapped[str]
