"""Database tables of messaging: outbox, delivery attempts, phones, senders and received messages.

Does not depend on people or visits.
"""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, UniqueConstraint, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey

STATES = (
    "held", "queued", "sending", "accepted", "delivered", "undelivered", "unknown", "cancelled", "expired",
    "suppressed", "rejected", "dead",
)  # fmt: skip
WAITING_STATES = ("held", "queued")  # still to be sent
ACCEPTED_STATES = ("accepted", "delivered", "undelivered")  # accepted by a provider
FAILED_STATES = ("undelivered", "rejected", "dead")  # staff must resolve them
_WAITING = text("state IN ('held', 'queued')")
_UNRESOLVED = text("state IN ('undelivered', 'rejected', 'dead') AND resolved_at IS NULL")


def _allow_values(name: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{name} IN ({', '.join(repr(value) for value in values)})", name=name)


class Phone(Base):
    """A phone number. `state`: whether messages can reach it; opt-outs are in `opt_out_ledger`."""

    __tablename__ = "phone"
    e164: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(server_default="ok")
    code: Mapped[str | None]  # the provider's error code when `state` changed
    since: Mapped[datetime | None]
    last_inbound_at: Mapped[datetime | None]
    __table_args__ = (_allow_values("state", "ok", "landline", "bad", "wrong_number"),)


class Sender(Base):
    """A provider's number or messaging service, with its rate limit, circuit breaker and registration."""

    __tablename__ = "sender"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    provider: Mapped[str]  # twilio | kannel | console
    address: Mapped[str]  # +1..., MG...
    kind: Mapped[str] = mapped_column(server_default="long_code")
    weight: Mapped[int] = mapped_column(server_default=text("100"))  # share of the messages; falls with failures
    resting_weight: Mapped[int] = mapped_column(server_default=text("100"))
    segments_per_second: Mapped[float] = mapped_column(Float, server_default=text("1"))
    segments_per_day: Mapped[int | None]
    rate_now: Mapped[float | None] = mapped_column(Float)  # segments per second at `slowed_at`; None: full rate
    rate_failed: Mapped[float | None] = mapped_column(Float)  # segments per second at the last rate-limit error
    slowed_at: Mapped[datetime | None]  # time of that error; the rate increases from then on
    tokens: Mapped[float] = mapped_column(
        Float, server_default=text("0")
    )  # token bucket: segments that may be sent now
    refilled_at: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]  # after a full queue or a daily cap
    pause_reason: Mapped[str | None]
    breaker: Mapped[str] = mapped_column(server_default="closed")
    breaker_code: Mapped[str | None]
    breaker_at: Mapped[datetime | None]  # when it opened
    probe_at: Mapped[datetime | None]  # when the next probe message may be sent
    failures: Mapped[int] = mapped_column(server_default=text("0"))  # consecutive
    registration: Mapped[str] = mapped_column(server_default="unregistered")
    brand_id: Mapped[str | None]
    campaign_id: Mapped[str | None]
    registered_at: Mapped[datetime | None]
    note: Mapped[str | None]
    changed_by: Mapped[int | None]
    active: Mapped[bool] = mapped_column(server_default=true())  # listed in the settings
    __table_args__ = (
        UniqueConstraint("provider", "address"),
        _allow_values("kind", "long_code", "toll_free", "short_code", "service", "gateway", "console"),
        _allow_values("breaker", "closed", "open", "half_open"),
        _allow_values("registration", "not_needed", "unregistered", "pending", "registered", "refused"),
    )


class OutgoingMessage(Base):
    """The outbox: a message to send. Domain code inserts rows; only the dispatcher changes their state."""

    __tablename__ = "outgoing_message"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    subject: Mapped[str]  # "visit:17", "invitation:12"
    question: Mapped[str | None]  # the question that a reply answers, if any
    phone: Mapped[str] = mapped_column(ForeignKey("phone.e164"))
    school_id: Mapped[int | None] = mapped_column(ForeignKey("school.id"))
    zone: Mapped[str | None]  # time zone for quiet hours; None: the installation's
    language: Mapped[str]
    template: Mapped[str]
    category: Mapped[str] = mapped_column(server_default="automatic")
    priority: Mapped[int] = mapped_column(server_default=text("5"))  # 1 is sent first: replies, urgent, then the rest
    params: Mapped[str] = mapped_column(server_default="{}")  # JSON: template parameters
    body: Mapped[str]  # rendered text; final once the message is claimed
    segments: Mapped[int] = mapped_column(server_default=text("1"))
    not_before: Mapped[datetime]
    expires_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default="queued")
    cancel_requested: Mapped[bool] = mapped_column(server_default=false())  # set while the message is being sent
    hold_reason: Mapped[str | None]  # quiet | cap | sender | language | template | consent
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[datetime]
    attempt_id: Mapped[str | None] = mapped_column(unique=True)  # the current or last attempt
    lease_until: Mapped[datetime | None]
    provider: Mapped[str | None]
    provider_message_id: Mapped[str | None] = mapped_column(unique=True)
    provider_status: Mapped[str | None]
    error: Mapped[str | None]  # error code
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    final_at: Mapped[datetime | None]  # when the final status arrived
    urgent_by: Mapped[int | None]  # account that allowed sending in quiet hours, and why
    urgent_reason: Mapped[str | None]
    written_by: Mapped[int | None]  # account, if staff wrote the message
    resolved_at: Mapped[datetime | None]  # when staff handled the failed message
    resolved_by: Mapped[int | None]
    resolved_how: Mapped[str | None]  # retried | called | dismissed
    resolved_note: Mapped[str | None]  # why it was dismissed
    __table_args__ = (
        _allow_values("state", *STATES),
        _allow_values("category", "reply", "urgent", "automatic", "written", "staff"),
        Index("ix_outgoing_message_due", "priority", "next_at", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("ix_outgoing_message_subject", "subject"),
        Index("ix_outgoing_message_phone_id", "phone", "id"),
        Index("ix_outgoing_message_phone_sent_at", "phone", "sent_at"),
        Index("ix_outgoing_message_state_created_at", "state", "created_at"),
        Index("ix_outgoing_message_not_before", "not_before"),
        Index("ix_outgoing_message_lost", "id", sqlite_where=_UNRESOLVED, postgresql_where=_UNRESOLVED),
        Index("ix_outgoing_message_sending", "phone", unique=True, sqlite_where=text("state = 'sending'"),
              postgresql_where=text("state = 'sending'")),
    )  # fmt: skip


class DeliveryAttempt(Base):
    """An attempt to send a message. Only the holder of its token, `attempt_id`, may record the result."""

    __tablename__ = "delivery_attempt"
    attempt_id: Mapped[str] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("outgoing_message.id"))
    n: Mapped[int]
    sender_id: Mapped[int | None] = mapped_column(ForeignKey("sender.id"))
    provider: Mapped[str]
    phone: Mapped[str]
    body_sha256: Mapped[str]
    segments: Mapped[int]
    started_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]  # None: no worker holds it
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None]  # None: in progress
    http_status: Mapped[int | None]
    code: Mapped[str | None]
    provider_message_id: Mapped[str | None] = mapped_column(unique=True)
    status: Mapped[str | None]  # the provider's status; never moves backwards
    status_at: Mapped[datetime | None]
    lookups: Mapped[int] = mapped_column(server_default=text("0"))  # number of lookups at the provider
    next_check_at: Mapped[datetime | None]  # next lookup, if unclear or without a final status
    __table_args__ = (
        _allow_values("outcome", "accepted", "down", "refused", "unclear", "not_found"),
        Index("ix_delivery_attempt_message_id", "message_id"),
        Index("ix_delivery_attempt_phone_started_at", "phone", "started_at"),
        Index("ix_delivery_attempt_next_check_at", "next_check_at", sqlite_where=text("next_check_at IS NOT NULL"),
              postgresql_where=text("next_check_at IS NOT NULL")),
        Index("ix_delivery_attempt_lease_until", "lease_until", sqlite_where=text("lease_until IS NOT NULL"),
              postgresql_where=text("lease_until IS NOT NULL")),
        Index("ix_delivery_attempt_sender_id_started_at", "sender_id", "started_at"),
    )  # fmt: skip


class IncomingMessage(Base):
    """A received message, raw, and its processing state. `provider_message_id` is the idempotency key."""

    __tablename__ = "incoming_message"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    provider_message_id: Mapped[str] = mapped_column(unique=True)
    provider: Mapped[str] = mapped_column(server_default="console")
    phone: Mapped[str]
    to: Mapped[str]
    body: Mapped[str]
    media: Mapped[int] = mapped_column(server_default=text("0"))  # number of attachments, which are not downloaded
    opt_out_type: Mapped[str | None]  # the provider's classification: STOP | START | HELP
    raw: Mapped[str] = mapped_column(server_default="{}")
    received_at: Mapped[datetime]
    processed_at: Mapped[datetime | None]  # when it was processed
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    intent: Mapped[str | None]
    answers: Mapped[str | None]  # the question that it answers
    needs_staff: Mapped[bool]  # not understood; staff must read it
    handled_at: Mapped[datetime | None]
    handled_by: Mapped[int | None]
    __table_args__ = (
        Index("ix_incoming_message_phone_id", "phone", "id"),
        Index("ix_incoming_message_needs_staff", "needs_staff"),
        Index("ix_incoming_message_unprocessed", "id", sqlite_where=text("processed_at IS NULL"),
              postgresql_where=text("processed_at IS NULL")),
    )  # fmt: skip


class OptOutEntry(Base):
    """Append-only ledger of opt-outs. The newest row of a phone counts; without a row, it is opted in."""

    __tablename__ = "opt_out_ledger"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    phone: Mapped[str]
    entry: Mapped[str]  # stop | start
    reason: Mapped[str]  # family | provider | wrong_number | staff
    at: Mapped[datetime]
    evidence: Mapped[str | None]
    how: Mapped[str | None]  # text | phone | in_person | letter | web: how the request was received
    by_account: Mapped[int | None]
    __table_args__ = (
        CheckConstraint("entry IN ('stop', 'start')", name="entry"),
        CheckConstraint("reason IN ('family', 'provider', 'wrong_number', 'staff')", name="reason"),
        Index("ix_opt_out_ledger_phone_id", "phone", "id"),
        Index("ix_opt_out_ledger_at", "at"),
    )


class ProviderEvent(Base):
    """A delivery status report, raw and in order of arrival. Duplicate callbacks have no effect."""

    __tablename__ = "provider_event"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    provider: Mapped[str]
    provider_message_id: Mapped[str]
    status: Mapped[str]
    code: Mapped[str] = mapped_column(server_default="")
    attempt_id: Mapped[str | None]
    raw: Mapped[str]
    received_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]  # None: no matching attempt is known yet
    __table_args__ = (
        Index("uq_provider_event_once", "provider", "provider_message_id", "status", "code", unique=True),
        Index("ix_provider_event_not_applied", "provider_message_id", sqlite_where=text("applied_at IS NULL"),
              postgresql_where=text("applied_at IS NULL")),
    )  # fmt: skip


class QuietDay(Base):
    """A day without automatic messages: at a single school, or in the whole district if `school_id` is NULL."""

    __tablename__ = "quiet_day"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    school_id: Mapped[int | None] = mapped_column(ForeignKey("school.id"))
    day: Mapped[date]
    name: Mapped[str]
    by_account: Mapped[int | None]
    at: Mapped[datetime]
    __table_args__ = (Index("ix_quiet_day_day_school_id", "day", "school_id"),)


class TrialRecipient(Base):
    """A staff phone on the allowlist of trial mode, in which no other phone receives messages."""

    __tablename__ = "trial_recipient"
    phone: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    by_account: Mapped[int | None]
    at: Mapped[datetime]


class MessageAlert(Base):
    """An alert for staff, such as an unknown error code, a paused template or an open circuit breaker."""

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
