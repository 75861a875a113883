"""Tables: invitations, requests of families, and the append-only consent ledger."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey


class Answer(StrEnum):
    """A family's answer. Only ``YES`` allows visits; ``CONFIRMED`` confirms the time of a visit."""

    YES = "yes"
    OTHER_TIME = "other_time"
    NOT_NOW = "not_now"
    CALL_ME = "call_me"
    WITHDRAWN = "withdrawn"
    CONFIRMED = "confirmed"


class FamilyRequest(Base):
    """A family's own request for a visit. Append-only."""

    __tablename__ = "family_request"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    family_id: Mapped[int] = mapped_column(ForeignKey("family.id"), index=True)
    school_id: Mapped[int] = mapped_column(ForeignKey("school.id"))
    how: Mapped[str]
    at: Mapped[datetime]
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    __table_args__ = (
        CheckConstraint("how IN ('text', 'phone', 'in_person', 'paper')", name="how"),
        UniqueConstraint("id", "family_id"),
    )


class Invitation(Base):
    """An invitation of a family, from a draw or from the family's own request; a constraint requires exactly one.

    ``replaces_id`` is the refused invitation that this invitation replaces (next household of the stratum).
    """

    __tablename__ = "invitation"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    family_id: Mapped[int] = mapped_column(ForeignKey("family.id"))
    school_id: Mapped[int] = mapped_column(ForeignKey("school.id"))
    draw_id: Mapped[int | None]
    family_request_id: Mapped[int | None]
    asked_at: Mapped[datetime]
    asked_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    how: Mapped[str]  # text | phone | in_person | paper
    language: Mapped[str]
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("invitation.id"), unique=True)
    closed_at: Mapped[datetime | None]
    __table_args__ = (
        ForeignKeyConstraint(["draw_id", "family_id"], ["draw_entry.draw_id", "draw_entry.family_id"]),
        ForeignKeyConstraint(["family_request_id", "family_id"], ["family_request.id", "family_request.family_id"]),
        CheckConstraint("(draw_id IS NULL) <> (family_request_id IS NULL)", name="draw_or_request"),
        CheckConstraint("how IN ('text', 'phone', 'in_person', 'paper')", name="how"),
        UniqueConstraint("id", "family_id"),
        UniqueConstraint("draw_id", "family_id"),
        Index("ix_invitation_family_id", "family_id"),
        Index("ix_invitation_school_id_asked_at", "school_id", "asked_at"),
    )


class ConsentEntry(Base):
    """An answer of a family. The newest row of a family is its current answer.

    ``consent_ledger`` is append-only: triggers refuse updates and deletes. Consent to messages is separate
    (`homevisits.messages.recipients.opt_outs`).
    """

    __tablename__ = "consent_ledger"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    family_id: Mapped[int] = mapped_column(ForeignKey("family.id"))
    invitation_id: Mapped[int]
    visit_id: Mapped[int | None]  # for CONFIRMED and answers to a visit's time
    caregiver_id: Mapped[int | None] = mapped_column(ForeignKey("caregiver.id"))
    answer: Mapped[str]
    how: Mapped[str]  # text | phone | in_person | paper
    language: Mapped[str]
    at: Mapped[datetime]
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))  # None: the family's own message
    evidence: Mapped[str | None]  # e.g. "inbound:31"
    __table_args__ = (
        ForeignKeyConstraint(["invitation_id", "family_id"], ["invitation.id", "invitation.family_id"]),
        CheckConstraint(
            "answer IN ('yes', 'other_time', 'not_now', 'call_me', 'withdrawn', 'confirmed')", name="answer"
        ),
        CheckConstraint("how IN ('text', 'phone', 'in_person', 'paper')", name="how"),
        CheckConstraint("how = 'text' OR recorded_by IS NOT NULL", name="by_whom"),
        CheckConstraint("answer <> 'confirmed' OR visit_id IS NOT NULL", name="confirmed_visit"),
        UniqueConstraint("id", "family_id"),
        Index("ix_consent_ledger_family_id_id", "family_id", "id"),
        Index("ix_consent_ledger_invitation_id_id", "invitation_id", "id"),
    )
