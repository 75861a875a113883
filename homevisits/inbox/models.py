"""Tables: conversation and disambiguation prompt."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey


class Conversation(Base):
    """A conversation with a phone. Its messages are the phone's inbound and outbox rows."""

    __tablename__ = "conversation"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    phone: Mapped[str] = mapped_column(unique=True)
    last_at: Mapped[datetime]
    waiting_since: Mapped[datetime | None]  # time of the oldest unanswered message; None: no message is waiting
    assigned_to: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    assigned_at: Mapped[datetime | None]
    __table_args__ = (
        Index("ix_conversation_waiting_since", "waiting_since", sqlite_where=text("waiting_since IS NOT NULL"),
              postgresql_where=text("waiting_since IS NOT NULL")),
        Index("ix_conversation_last_at", "last_at"),
    )  # fmt: skip


class PendingChoice(Base):
    """An answer that matches two open questions, stored until the family picks a question by digit."""

    __tablename__ = "pending_choice"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    phone: Mapped[str]
    incoming_message_id: Mapped[int] = mapped_column(ForeignKey("incoming_message.id"), unique=True)
    answer: Mapped[str]  # yes | other_time | not_now | call_me
    options: Mapped[str]  # JSON: the question for each digit, in order: ["visit:17", "invitation:4"]
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    chosen: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("answer IN ('yes', 'other_time', 'not_now', 'call_me')", name="answer"),
        Index("ix_pending_choice_phone_id", "phone", "id"),
        Index("ix_pending_choice_open", "expires_at", sqlite_where=text("resolved_at IS NULL"),
              postgresql_where=text("resolved_at IS NULL")),
    )  # fmt: skip
