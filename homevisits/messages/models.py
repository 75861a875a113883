"""Tables of texts: the outbox, what families texted, who asked to stop. Knows phones, no people and no visits."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.db import Base, Key


class OutboxText(Base):
    """A text that is to leave the building. Domain code inserts rows; only delivery changes what happens to them."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    about: Mapped[str]  # "visit:17", "invitation:12"
    asks: Mapped[str | None]  # what a reply to it answers; None: nothing
    phone: Mapped[str]  # E.164
    language: Mapped[str]
    template: Mapped[str]
    body: Mapped[str]
    not_before: Mapped[datetime]
    expires_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default="queued")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[datetime]
    token: Mapped[str | None] = mapped_column(unique=True)  # of the attempt under way or last made
    lease_until: Mapped[datetime | None]
    carrier: Mapped[str | None]
    sid: Mapped[str | None] = mapped_column(unique=True)
    carrier_status: Mapped[str | None]
    error: Mapped[str | None]  # code of what went wrong
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'sending', 'sent', 'delivered', 'unknown', 'withdrawn', 'expired', 'suppressed',"
            " 'failed')",
            name="state",
        ),
        Index(
            "ix_outbox_due",
            "next_at",
            "id",
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index("ix_outbox_about", "about"),
        Index("ix_outbox_phone_id", "phone", "id"),
        Index("ix_outbox_state_created_at", "state", "created_at"),
    )


class InboundText(Base):
    """A text a family sent, raw, and what became of it. ``sid`` makes a repeated webhook harmless."""

    __tablename__ = "inbound"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    sid: Mapped[str] = mapped_column(unique=True)
    phone: Mapped[str]
    to: Mapped[str]
    body: Mapped[str]
    received_at: Mapped[datetime]
    intent: Mapped[str | None]
    answers: Mapped[str | None]  # the question it was taken to answer
    needs_person: Mapped[bool]  # nobody but a person can tell what is meant
    handled_at: Mapped[datetime | None]
    handled_by: Mapped[int | None]
    __table_args__ = (Index("ix_inbound_phone_id", "phone", "id"), Index("ix_inbound_needs_person", "needs_person"))


class TextingEntry(Base):
    """The ledger of who may be texted, append-only: the newest row of a phone counts; no row: may be texted."""

    __tablename__ = "texting_ledger"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    phone: Mapped[str]
    entry: Mapped[str]  # stop | start
    reason: Mapped[str]  # family | carrier | wrong_number | staff
    at: Mapped[datetime]
    evidence: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("entry IN ('stop', 'start')", name="entry"),
        CheckConstraint("reason IN ('family', 'carrier', 'wrong_number', 'staff')", name="reason"),
        Index("ix_texting_ledger_phone_id", "phone", "id"),
    )


class CarrierEvent(Base):
    """What a carrier told us about a text, raw and in order of arrival; doubled callbacks have no second effect."""

    __tablename__ = "carrier_event"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    carrier: Mapped[str]
    sid: Mapped[str]
    status: Mapped[str]
    code: Mapped[str] = mapped_column(server_default="")
    token: Mapped[str | None]
    raw: Mapped[str]
    received_at: Mapped[datetime]
    __table_args__ = (Index("uq_carrier_event_once", "carrier", "sid", "status", "code", unique=True),)
