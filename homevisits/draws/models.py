"""Tables of draws: the public record of who was drawn, from whom, in what order. Append-only."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey


class Draw(Base):
    """One draw by the rule of `homevisits.draws.rules`; re-run from these columns and its entries it gives the same."""

    __tablename__ = "draw"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    school_id: Mapped[int] = mapped_column(ForeignKey("school.id"), index=True)
    scope: Mapped[str]  # class | grade | school
    scope_value: Mapped[str]  # the class's id, the grade, or ""
    method: Mapped[str]  # everyone | random | stratified
    seed: Mapped[str]
    wanted: Mapped[int]  # households asked for; everyone: all of them
    roster_sha256: Mapped[str]  # of the list drawn from
    selected_sha256: Mapped[str]  # of the households drawn
    allocation: Mapped[str]  # JSON: stratum -> [households, drawn]
    reason: Mapped[str | None]  # why it was drawn again
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("draw.id"), unique=True)
    drawn_at: Mapped[datetime]
    drawn_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    __table_args__ = (
        CheckConstraint("scope IN ('class', 'grade', 'school')", name="scope"),
        CheckConstraint("method IN ('everyone', 'random', 'stratified')", name="method"),
        CheckConstraint("replaces_id IS NULL OR reason IS NOT NULL", name="redraw_reason"),
        CheckConstraint("wanted >= 0", name="wanted"),
    )


class DrawEntry(Base):
    """A household of the list drawn from; ``position`` (from 1) is its place in the order of asking, None: not drawn.

    Those not drawn keep their hash: the next of a stratum may replace a family that says no (``reserve`` order).
    """

    __tablename__ = "draw_entry"
    draw_id: Mapped[int] = mapped_column(ForeignKey("draw.id"), primary_key=True)
    family_id: Mapped[int] = mapped_column(ForeignKey("family.id"), primary_key=True)
    household_key: Mapped[str]  # as it was hashed
    index_student_id: Mapped[int | None] = mapped_column(ForeignKey("student.id"))
    students: Mapped[str]  # JSON: the students' hashed ids, so that the index child can be found again
    stratum: Mapped[str]
    sha256: Mapped[str]
    position: Mapped[int | None]
    __table_args__ = (UniqueConstraint("draw_id", "position"),)
