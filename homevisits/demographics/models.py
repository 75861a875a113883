"""Table of student traits. Only fairness, attendance and reports may import it, and only for aggregates."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base


class StudentTraits(Base):
    """Traits for the fairness analysis. Birth place, health, income, immigration and legal data are never stored."""

    __tablename__ = "student_traits"
    student_id: Mapped[int] = mapped_column(ForeignKey("student.id"), primary_key=True)
    sex: Mapped[str | None]
    race_ethnicity: Mapped[str | None]
    english_learner: Mapped[bool | None]
