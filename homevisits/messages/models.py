"""Tables of texts: the outbox and its attempts, the phones, the senders, what came back. Knows no people, no visits."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, UniqueConstraint, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey

STATES = (
    "held", "queued", "sending", "accepted", "delivered", "undelivered", "unknown", "cancelled", "expired",
    "suppressed", "rejected", "dead",
)  # fmt: skip
WAITING = ("held", "queued")
"""A text that is to leave, now or later."""
LEFT = ("accepted", "delivered", "undelivered")
"""A text a carrier took."""
LOST = ("undelivered", "rejected", "dead")
"""A text that a person must see to."""
_WAITING = text("state IN ('held', 'queued')")
_TO_SEE_TO = text("state IN ('undelivered', 'rejected', 'dead') AND resolved_at IS NULL")


def _one_of(name: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{name} IN ({', '.join(repr(value) for value in values)})", name=name)


class Phone(Base):
    """A number we may have to do with. ``state``: whether a text can reach it at all; stops lie in the ledger."""

    __tablename__ = "phone"
    e164: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(server_default="ok")
    code: Mapped[str | None]  # what the carrier said when it was marked
    since: Mapped[datetime | None]
    last_inbound_at: Mapped[datetime | None]
    __table_args__ = (_one_of("state", "ok", "landline", "bad", "wrong_number"),)


class Sender(Base):
    """What texts go out from: a carrier's number or service, how fast it may send, and whether it may at all."""

    __tablename__ = "sender"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    carrier: Mapped[str]  # twilio | kannel | console
    address: Mapped[str]  # +1..., MG...
    kind: Mapped[str] = mapped_column(server_default="long_code")
    weight: Mapped[int] = mapped_column(server_default=text("100"))  # how often it is chosen; falls when it fails
    resting_weight: Mapped[int] = mapped_column(server_default=text("100"))
    segments_per_second: Mapped[float] = mapped_column(Float, server_default=text("1"))
    segments_per_day: Mapped[int | None]
    rate_now: Mapped[float | None] = mapped_column(Float)  # segments a second at `slowed_at`; None: the full rate
    rate_failed: Mapped[float | None] = mapped_column(Float)  # the rate that was too much, last time
    slowed_at: Mapped[datetime | None]  # when it was; the rate grows again from there
    tokens: Mapped[float] = mapped_column(Float, server_default=text("0"))  # segments that may leave at once
    refilled_at: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]  # a queue that is full, a daily cap
    pause_reason: Mapped[str | None]
    breaker: Mapped[str] = mapped_column(server_default="closed")
    breaker_code: Mapped[str | None]
    breaker_at: Mapped[datetime | None]  # when it opened
    probe_at: Mapped[datetime | None]  # when one text may try again
    failures: Mapped[int] = mapped_column(server_default=text("0"))  # in a row
    registration: Mapped[str] = mapped_column(server_default="unregistered")
    brand_id: Mapped[str | None]
    campaign_id: Mapped[str | None]
    registered_at: Mapped[datetime | None]
    note: Mapped[str | None]
    changed_by: Mapped[int | None]
    active: Mapped[bool] = mapped_column(server_default=true())  # the settings still name it
    __table_args__ = (
        UniqueConstraint("carrier", "address"),
        _one_of("kind", "long_code", "toll_free", "short_code", "service", "gateway", "console"),
        _one_of("breaker", "closed", "open", "half_open"),
        _one_of("registration", "not_needed", "unregistered", "pending", "registered", "refused"),
    )


class OutgoingMessage(Base):
    """A text that is to leave the building. Domain code inserts rows; only delivery changes what happens to them."""

    __tablename__ = "outgoing_message"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    subject: Mapped[str]  # "visit:17", "invitation:12"
    question: Mapped[str | None]  # what a reply to it answers; None: nothing
    phone: Mapped[str] = mapped_column(ForeignKey("phone.e164"))
    school_id: Mapped[int | None] = mapped_column(ForeignKey("school.id"))
    zone: Mapped[str | None]  # whose hours count; None: the installation's
    language: Mapped[str]
    template: Mapped[str]
    category: Mapped[str] = mapped_column(server_default="automatic")
    priority: Mapped[int] = mapped_column(server_default=text("5"))  # 1 first: answers, then urgent, then the rest
    params: Mapped[str] = mapped_column(server_default="{}")  # JSON; what fills the template
    body: Mapped[str]  # as it would read now; frozen at the claim
    segments: Mapped[int] = mapped_column(server_default=text("1"))
    not_before: Mapped[datetime]
    expires_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default="queued")
    cancel_requested: Mapped[bool] = mapped_column(server_default=false())  # set while the message is being sent
    hold_reason: Mapped[str | None]  # quiet | cap | sender | language | template | consent
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[datetime]
    attempt_id: Mapped[str | None] = mapped_column(unique=True)  # of the attempt under way or last made
    lease_until: Mapped[datetime | None]
    carrier: Mapped[str | None]
    provider_message_id: Mapped[str | None] = mapped_column(unique=True)
    carrier_status: Mapped[str | None]
    error: Mapped[str | None]  # code of what went wrong
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    final_at: Mapped[datetime | None]  # when the carrier's last word came
    urgent_by: Mapped[int | None]  # account that let it leave outside the hours, and why
    urgent_reason: Mapped[str | None]
    written_by: Mapped[int | None]  # account that wrote it by hand
    resolved_at: Mapped[datetime | None]  # a person has seen to a lost text
    resolved_by: Mapped[int | None]
    resolved_how: Mapped[str | None]  # retried | called | dismissed
    resolved_note: Mapped[str | None]  # why it was put aside
    __table_args__ = (
        _one_of("state", *STATES),
        _one_of("category", "reply", "urgent", "automatic", "written", "staff"),
        Index("ix_outgoing_message_due", "priority", "next_at", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("ix_outgoing_message_subject", "subject"),
        Index("ix_outgoing_message_phone_id", "phone", "id"),
        Index("ix_outgoing_message_phone_sent_at", "phone", "sent_at"),
        Index("ix_outgoing_message_state_created_at", "state", "created_at"),
        Index("ix_outgoing_message_not_before", "not_before"),
        Index("ix_outgoing_message_lost", "id", sqlite_where=_TO_SEE_TO, postgresql_where=_TO_SEE_TO),
        Index("ix_outgoing_message_sending", "phone", unique=True, sqlite_where=text("state = 'sending'"),
              postgresql_where=text("state = 'sending'")),
    )  # fmt: skip


class DeliveryAttempt(Base):
    """One try at handing a text to a carrier. Its token fences what may be noted; its body is what really left."""

    __tablename__ = "delivery_attempt"
    attempt_id: Mapped[str] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("outgoing_message.id"))
    n: Mapped[int]
    sender_id: Mapped[int | None] = mapped_column(ForeignKey("sender.id"))
    carrier: Mapped[str]
    phone: Mapped[str]
    body_sha256: Mapped[str]
    segments: Mapped[int]
    started_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]  # None: nobody is at it any more
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None]  # None: under way
    http_status: Mapped[int | None]
    code: Mapped[str | None]
    provider_message_id: Mapped[str | None] = mapped_column(unique=True)
    status: Mapped[str | None]  # the carrier's word, only upwards
    status_at: Mapped[datetime | None]
    looks: Mapped[int] = mapped_column(server_default=text("0"))  # times we looked for it at the carrier
    next_check_at: Mapped[datetime | None]  # when to look next: for an unclear one, or a status that does not come
    __table_args__ = (
        _one_of("outcome", "accepted", "down", "refused", "unclear", "not_found"),
        Index("ix_delivery_attempt_message_id", "message_id"),
        Index("ix_delivery_attempt_phone_started_at", "phone", "started_at"),
        Index("ix_delivery_attempt_next_check_at", "next_check_at", sqlite_where=text("next_check_at IS NOT NULL"),
              postgresql_where=text("next_check_at IS NOT NULL")),
        Index("ix_delivery_attempt_lease_until", "lease_until", sqlite_where=text("lease_until IS NOT NULL"),
              postgresql_where=text("lease_until IS NOT NULL")),
        Index("ix_delivery_attempt_sender_id_started_at", "sender_id", "started_at"),
    )  # fmt: skip


class IncomingMessage(Base):
    """A text a family sent, raw, and what became of it. ``provider_message_id`` makes a repeated webhook harmless."""

    __tablename__ = "incoming_message"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    provider_message_id: Mapped[str] = mapped_column(unique=True)
    carrier: Mapped[str] = mapped_column(server_default="console")
    phone: Mapped[str]
    to: Mapped[str]
    body: Mapped[str]
    media: Mapped[int] = mapped_column(server_default=text("0"))  # how many pictures came with it; they stay there
    opt_out_type: Mapped[str | None]  # the carrier's own reading: STOP | START | HELP
    raw: Mapped[str] = mapped_column(server_default="{}")
    received_at: Mapped[datetime]
    taken_at: Mapped[datetime | None]  # when it was understood and acted on
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    intent: Mapped[str | None]
    answers: Mapped[str | None]  # the question it was taken to answer
    needs_person: Mapped[bool]  # nobody but a person can tell what is meant
    handled_at: Mapped[datetime | None]
    handled_by: Mapped[int | None]
    __table_args__ = (
        Index("ix_incoming_message_phone_id", "phone", "id"),
        Index("ix_incoming_message_needs_person", "needs_person"),
        Index("ix_incoming_message_not_taken", "id", sqlite_where=text("taken_at IS NULL"),
              postgresql_where=text("taken_at IS NULL")),
    )  # fmt: skip


class OptOutEntry(Base):
    """The ledger of who may be texted, append-only: the newest row of a phone counts; no row: may be texted."""

    __tablename__ = "opt_out_ledger"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    phone: Mapped[str]
    entry: Mapped[str]  # stop | start
    reason: Mapped[str]  # family | carrier | wrong_number | staff
    at: Mapped[datetime]
    evidence: Mapped[str | None]
    how: Mapped[str | None]  # text | phone | in_person | letter | web: how a person was told
    by_account: Mapped[int | None]
    __table_args__ = (
        CheckConstraint("entry IN ('stop', 'start')", name="entry"),
        CheckConstraint("reason IN ('family', 'carrier', 'wrong_number', 'staff')", name="reason"),
        Index("ix_opt_out_ledger_phone_id", "phone", "id"),
        Index("ix_opt_out_ledger_at", "at"),
    )


class ProviderEvent(Base):
    """What a carrier told us about a text, raw and in order of arrival; doubled callbacks have no second effect."""

    __tablename__ = "provider_event"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    carrier: Mapped[str]
    provider_message_id: Mapped[str]
    status: Mapped[str]
    code: Mapped[str] = mapped_column(server_default="")
    attempt_id: Mapped[str | None]
    raw: Mapped[str]
    received_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]  # None: no attempt of ours is known to it yet
    __table_args__ = (
        Index("uq_provider_event_once", "carrier", "provider_message_id", "status", "code", unique=True),
        Index("ix_provider_event_not_applied", "provider_message_id", sqlite_where=text("applied_at IS NULL"),
              postgresql_where=text("applied_at IS NULL")),
    )  # fmt: skip


class QuietDay(Base):
    """A day without automatic texts: at one school, or in the whole district (no school)."""

    __tablename__ = "quiet_day"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    school_id: Mapped[int | None] = mapped_column(ForeignKey("school.id"))
    day: Mapped[date]
    name: Mapped[str]
    by_account: Mapped[int | None]
    at: Mapped[datetime]
    __table_args__ = (Index("ix_quiet_day_day_school_id", "day", "school_id"),)


class TrialRecipient(Base):
    """Somebody of the staff whose phone a trial may text. In a trial nobody else gets any."""

    __tablename__ = "trial_recipient"
    phone: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    by_account: Mapped[int | None]
    at: Mapped[datetime]


class MessageAlert(Base):
    """Something about texts that a person must know, once: a code nobody knows, a paused text, an open breaker."""

    __tablename__ = "message_alert"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    kind: Mapped[str]  # code | template_paused | breaker | contradiction | repeated | webhook | loop
    key: Mapped[str]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    times: Mapped[int] = mapped_column(server_default=text("1"))
    detail: Mapped[str] = mapped_column(server_default="")
    cleared_at: Mapped[datetime | None]
    cleared_by: Mapped[int | None]
    __table_args__ = (UniqueConstraint("kind", "key"),)
