"""Tables of the public record of draws. Append-only."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey


class Draw(Base):
    """A draw by the algorithm of `draws.rules`. These columns and its entries are enough to repeat it."""

    __tablename__ = "draw"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    school_id: Mapped[int] = mapped_column(ForeignKey("school.id"), index=True)
    scope: Mapped[str]  # class | grade | school
    scope_value: Mapped[str]  # the class's id, the grade, or ""
    method: Mapped[str]  # everyone | random | stratified
    seed: Mapped[str]
    sample_size: Mapped[int]  # number of households; all of them for the method everyone
    roster_sha256: Mapped[str]  # of all households on the list
    selected_sha256: Mapped[str]  # of the households drawn
    allocation: Mapped[str]  # JSON: stratum -> [households, drawn]
    reason: Mapped[str | None]  # for replacing an earlier draw
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("draw.id"), unique=True)
    drawn_at: Mapped[datetime]
    drawn_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    __table_args__ = (
        CheckConstraint("scope IN ('class', 'grade', 'school')", name="scope"),
        CheckConstraint("method IN ('everyone', 'random', 'stratified')", name="method"),
        CheckConstraint("replaces_id IS NULL OR reason IS NOT NULL", name="redraw_reason"),
        CheckConstraint("sample_size >= 0", name="sample_size"),
    )


class DrawEntry(Base):
    """A household on the list of a draw. `position` is its rank from 1 for invitations; None means not drawn.

    Households that were not drawn keep their hash, which orders the replacements within a stratum.
    """

    __tablename__ = "draw_entry"
    draw_id: Mapped[int] = mapped_column(ForeignKey("draw.id"), primary_key=True)
    family_id: Mapped[int] = mapped_column(ForeignKey("family.id"), primary_key=True)
    household_key: Mapped[str]  # value used in the hash
    index_student_id: Mapped[int | None] = mapped_column(ForeignKey("student.id"))
    students: Mapped[str]  # JSON: students' ids, to recompute the index child
    stratum: Mapped[str]
    sha256: Mapped[str]
    position: Mapped[int | None]
    __table_args__ = (UniqueConstraint("draw_id", "position"),)
