"""The one table of traits, kept apart: only fairness, attendance and reports may import this, as aggregates."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base


class StudentTraits(Base):
    """Traits for the fairness test only. Birth place, health, income, immigration, legal matters: no column exists."""

    __tablename__ = "student_traits"
    student_id: Mapped[int] = mapped_column(ForeignKey("student.id"), primary_key=True)
    sex: Mapped[str | None]
    race_ethnicity: Mapped[str | None]
    english_learner: Mapped[bool | None]
