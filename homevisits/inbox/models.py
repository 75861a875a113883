"""Tables of the conversation with a phone: who sees to it, since when it waits, and a question of which question."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey


class Conversation(Base):
    """The conversation with one phone: its texts are the inbound and outbox rows of that phone."""

    __tablename__ = "conversation"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    phone: Mapped[str] = mapped_column(unique=True)
    last_at: Mapped[datetime]
    waiting_since: Mapped[datetime | None]  # the oldest word that nobody has answered; None: nothing waits
    assigned_to: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    assigned_at: Mapped[datetime | None]
    __table_args__ = (
        Index("ix_conversation_waiting_since", "waiting_since", sqlite_where=text("waiting_since IS NOT NULL"),
              postgresql_where=text("waiting_since IS NOT NULL")),
        Index("ix_conversation_last_at", "last_at"),
    )  # fmt: skip


class PendingChoice(Base):
    """A family's answer that fits two open questions, kept until it says by a digit which one it meant."""

    __tablename__ = "pending_choice"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    phone: Mapped[str]
    incoming_message_id: Mapped[int] = mapped_column(ForeignKey("incoming_message.id"), unique=True)
    said: Mapped[str]  # yes | other_time | not_now | call_me
    options: Mapped[str]  # JSON: what each digit stands for, in order: ["visit:17", "invitation:4"]
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    chosen: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("said IN ('yes', 'other_time', 'not_now', 'call_me')", name="said"),
        Index("ix_pending_choice_phone_id", "phone", "id"),
        Index("ix_pending_choice_open", "expires_at", sqlite_where=text("resolved_at IS NULL"),
              postgresql_where=text("resolved_at IS NULL")),
    )  # fmt: skip
