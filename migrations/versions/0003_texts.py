"""Texts as they are sent: attempts, phones, senders, what was held and lost; conversations; leases of ticks."""

import sqlalchemy as sa
from alembic import op

from homevisits.core import db

revision = "0003_texts"
down_revision = "0002_evidence"
branch_labels = None
depends_on = None

WAITING = sa.text("state IN ('held', 'queued')")
SENDING = sa.text("state = 'sending'")
LOST = sa.text("state IN ('undelivered', 'rejected', 'dead') AND settled_at IS NULL")
QUEUED = sa.text("state = 'queued'")
BEFORE = (
    "id", "dedupe_key", "about", "asks", "phone", "language", "template", "body", "not_before", "expires_at", "state",
    "attempts", "next_at", "token", "lease_until", "carrier", "sid", "carrier_status", "error", "created_at", "sent_at",
)  # fmt: skip
# A text that failed with the carrier's number for it had been taken; without one it was refused at once.
FORTH = """CASE state WHEN 'sent' THEN 'accepted' WHEN 'withdrawn' THEN 'cancelled'
    WHEN 'failed' THEN CASE WHEN sid IS NULL THEN 'rejected' ELSE 'undelivered' END ELSE state END"""
BACK = """CASE state WHEN 'accepted' THEN 'sent' WHEN 'cancelled' THEN 'withdrawn' WHEN 'held' THEN 'queued'
    WHEN 'rejected' THEN 'failed' WHEN 'undelivered' THEN 'failed' WHEN 'dead' THEN 'failed' ELSE state END"""


def _key() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _phones_and_senders()
    _outbox_after()
    _attempts()
    _conversations()
    op.add_column("carrier_event", sa.Column("applied_at", db.Moment(timezone=True), nullable=True))
    op.execute("UPDATE carrier_event SET applied_at = received_at")
    where = sa.text("applied_at IS NULL")
    op.create_index(
        "ix_carrier_event_not_applied", "carrier_event", ["sid"], sqlite_where=where, postgresql_where=where
    )
    for column in (
        sa.Column("carrier", sa.Text(), server_default="console", nullable=False),
        sa.Column("media", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("opt_out_type", sa.Text(), nullable=True),
        sa.Column("raw", sa.Text(), server_default="{}", nullable=False),
        sa.Column("taken_at", db.Moment(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
    ):
        op.add_column("inbound", column)
    op.execute("UPDATE inbound SET taken_at = received_at")
    where = sa.text("taken_at IS NULL")
    op.create_index("ix_inbound_not_taken", "inbound", ["id"], sqlite_where=where, postgresql_where=where)
    op.add_column("person", sa.Column("phone", sa.Text(), nullable=True))
    op.add_column("texting_ledger", sa.Column("how", sa.Text(), nullable=True))
    op.add_column("texting_ledger", sa.Column("by_account", sa.Integer(), nullable=True))
    op.create_index("ix_texting_ledger_at", "texting_ledger", ["at"])


def downgrade() -> None:
    op.drop_index("ix_texting_ledger_at", "texting_ledger")
    op.drop_column("texting_ledger", "by_account")
    op.drop_column("texting_ledger", "how")
    op.drop_column("person", "phone")
    op.drop_index("ix_inbound_not_taken", "inbound")
    for column in ("tries", "taken_at", "raw", "opt_out_type", "media", "carrier"):
        op.drop_column("inbound", column)
    op.drop_index("ix_carrier_event_not_applied", "carrier_event")
    op.drop_column("carrier_event", "applied_at")
    for table in ("choice", "thread", "quiet_day", "attempt"):
        op.drop_table(table)
    _outbox_before()
    for table in ("tick", "text_alert", "sender", "phone", "guest"):
        op.drop_table(table)


def _phones_and_senders() -> None:
    op.create_table(
        "phone",
        sa.Column("e164", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="ok", nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("since", db.Moment(timezone=True), nullable=True),
        sa.Column("last_inbound_at", db.Moment(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('ok', 'landline', 'bad', 'wrong_number')", name=op.f("ck_phone_state")),
        sa.PrimaryKeyConstraint("e164", name=op.f("pk_phone")),
    )
    op.execute("INSERT INTO phone (e164) SELECT DISTINCT phone FROM outbox")
    op.execute(
        "UPDATE phone SET last_inbound_at = (SELECT max(i.received_at) FROM inbound i WHERE i.phone = phone.e164)"
    )
    op.create_table(
        "sender",
        sa.Column("id", _key(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="long_code", nullable=False),
        sa.Column("weight", sa.Integer(), server_default=sa.text("100"), nullable=False),
        sa.Column("resting_weight", sa.Integer(), server_default=sa.text("100"), nullable=False),
        sa.Column("segments_per_second", sa.Float(), server_default=sa.text("1"), nullable=False),
        sa.Column("segments_per_day", sa.Integer(), nullable=True),
        sa.Column("rate_now", sa.Float(), nullable=True),
        sa.Column("rate_failed", sa.Float(), nullable=True),
        sa.Column("slowed_at", db.Moment(timezone=True), nullable=True),
        sa.Column("tokens", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.Column("refilled_at", db.Moment(timezone=True), nullable=True),
        sa.Column("paused_until", db.Moment(timezone=True), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("breaker", sa.Text(), server_default="closed", nullable=False),
        sa.Column("breaker_code", sa.Text(), nullable=True),
        sa.Column("breaker_at", db.Moment(timezone=True), nullable=True),
        sa.Column("probe_at", db.Moment(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("registration", sa.Text(), server_default="unregistered", nullable=False),
        sa.Column("brand_id", sa.Text(), nullable=True),
        sa.Column("campaign_id", sa.Text(), nullable=True),
        sa.Column("registered_at", db.Moment(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("changed_by", sa.Integer(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.CheckConstraint("breaker IN ('closed', 'open', 'half_open')", name=op.f("ck_sender_breaker")),
        sa.CheckConstraint(
            "kind IN ('long_code', 'toll_free', 'short_code', 'service', 'gateway', 'console')",
            name=op.f("ck_sender_kind"),
        ),
        sa.CheckConstraint(
            "registration IN ('not_needed', 'unregistered', 'pending', 'registered', 'refused')",
            name=op.f("ck_sender_registration"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sender")),
        sa.UniqueConstraint("carrier", "address", name=op.f("uq_sender_carrier_address")),
    )
    op.create_table(
        "guest",
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("by_account", sa.Integer(), nullable=True),
        sa.Column("at", db.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("phone", name=op.f("pk_guest")),
    )
    op.create_table(
        "text_alert",
        sa.Column("id", _key(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("first_at", db.Moment(timezone=True), nullable=False),
        sa.Column("last_at", db.Moment(timezone=True), nullable=False),
        sa.Column("times", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("cleared_at", db.Moment(timezone=True), nullable=True),
        sa.Column("cleared_by", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_text_alert")),
        sa.UniqueConstraint("kind", "key", name=op.f("uq_text_alert_kind_key")),
    )
    op.create_table(
        "tick",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", db.Moment(timezone=True), nullable=True),
        sa.Column("last_ok", db.Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tick")),
    )


def _outbox_after() -> None:
    _set_aside()
    op.create_table(
        "outbox",
        *_columns_before(),
        sa.Column("school_id", _key(), nullable=True),
        sa.Column("zone", sa.Text(), nullable=True),
        sa.Column("pace", sa.Text(), server_default="automatic", nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("5"), nullable=False),
        sa.Column("params", sa.Text(), server_default="{}", nullable=False),
        sa.Column("segments", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("wanted", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        sa.Column("final_at", db.Moment(timezone=True), nullable=True),
        sa.Column("urgent_by", sa.Integer(), nullable=True),
        sa.Column("urgent_reason", sa.Text(), nullable=True),
        sa.Column("written_by", sa.Integer(), nullable=True),
        sa.Column("settled_at", db.Moment(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Integer(), nullable=True),
        sa.Column("settled_how", sa.Text(), nullable=True),
        sa.Column("settled_note", sa.Text(), nullable=True),
        sa.CheckConstraint("pace IN ('reply', 'urgent', 'automatic', 'written', 'staff')", name=op.f("ck_outbox_pace")),
        sa.CheckConstraint(
            "state IN ('held', 'queued', 'sending', 'accepted', 'delivered', 'undelivered', 'unknown', 'cancelled',"
            " 'expired', 'suppressed', 'rejected', 'dead')",
            name=op.f("ck_outbox_state"),
        ),
        sa.ForeignKeyConstraint(["phone"], ["phone.e164"], name=op.f("fk_outbox_phone")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_outbox_school_id")),
        *_keys(),
    )
    _bring_back(FORTH)
    # A coordinator sees the texts of their schools: those that left before belong to one, too.
    for subject in ("invitation", "visit"):
        op.execute(
            f"UPDATE outbox SET school_id = (SELECT school_id FROM {subject}"
            f" WHERE id = CAST(substr(outbox.about, {len(subject) + 2}) AS BIGINT)) WHERE about LIKE '{subject}:%'"
        )
    op.create_index("ix_outbox_about", "outbox", ["about"])
    op.create_index(
        "ix_outbox_due", "outbox", ["priority", "next_at", "id"], sqlite_where=WAITING, postgresql_where=WAITING
    )
    op.create_index("ix_outbox_lost", "outbox", ["id"], sqlite_where=LOST, postgresql_where=LOST)
    op.create_index("ix_outbox_not_before", "outbox", ["not_before"])
    op.create_index("ix_outbox_phone_id", "outbox", ["phone", "id"])
    op.create_index("ix_outbox_phone_sent_at", "outbox", ["phone", "sent_at"])
    op.create_index("ix_outbox_sending", "outbox", ["phone"], sqlite_where=SENDING, postgresql_where=SENDING)
    op.create_index("ix_outbox_state_created_at", "outbox", ["state", "created_at"])


def _outbox_before() -> None:
    _set_aside()
    op.create_table(
        "outbox",
        *_columns_before(),
        sa.CheckConstraint(
            "state IN ('queued', 'sending', 'sent', 'delivered', 'unknown', 'withdrawn', 'expired', 'suppressed', 'failed')",
            name=op.f("ck_outbox_state"),
        ),
        *_keys(),
    )
    _bring_back(BACK)
    op.create_index("ix_outbox_about", "outbox", ["about"])
    op.create_index("ix_outbox_due", "outbox", ["next_at", "id"], sqlite_where=QUEUED, postgresql_where=QUEUED)
    op.create_index("ix_outbox_phone_id", "outbox", ["phone", "id"])
    op.create_index("ix_outbox_state_created_at", "outbox", ["state", "created_at"])


def _columns_before() -> list[sa.Column[object]]:
    return [
        sa.Column("id", _key(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("asks", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("not_before", db.Moment(timezone=True), nullable=False),
        sa.Column("expires_at", db.Moment(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", db.Moment(timezone=True), nullable=False),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("lease_until", db.Moment(timezone=True), nullable=True),
        sa.Column("carrier", sa.Text(), nullable=True),
        sa.Column("sid", sa.Text(), nullable=True),
        sa.Column("carrier_status", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", db.Moment(timezone=True), nullable=False),
        sa.Column("sent_at", db.Moment(timezone=True), nullable=True),
    ]


def _keys() -> list[sa.Constraint]:
    return [
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_outbox_dedupe_key")),
        sa.UniqueConstraint("sid", name=op.f("uq_outbox_sid")),
        sa.UniqueConstraint("token", name=op.f("uq_outbox_token")),
    ]


def _set_aside() -> None:
    # One way for both engines: SQLite cannot change a CHECK in place, and nothing points at the outbox here.
    op.execute("CREATE TABLE outbox_kept AS SELECT * FROM outbox")
    op.drop_table("outbox")


def _bring_back(state: str) -> None:
    values = ", ".join(f"{state}" if name == "state" else name for name in BEFORE)
    op.execute(f"INSERT INTO outbox ({', '.join(BEFORE)}) SELECT {values} FROM outbox_kept")
    op.drop_table("outbox_kept")
    if op.get_context().dialect.name == "postgresql":
        op.execute("SELECT setval('outbox_id_seq', (SELECT max(id) FROM outbox)) WHERE EXISTS (SELECT 1 FROM outbox)")


def _attempts() -> None:
    op.create_table(
        "attempt",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("outbox_id", _key(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("sender_id", _key(), nullable=True),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("body_sha256", sa.Text(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("started_at", db.Moment(timezone=True), nullable=False),
        sa.Column("lease_until", db.Moment(timezone=True), nullable=True),
        sa.Column("finished_at", db.Moment(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("sid", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("status_at", db.Moment(timezone=True), nullable=True),
        sa.Column("looks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("look_at", db.Moment(timezone=True), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('accepted', 'down', 'refused', 'unclear', 'not_found')", name=op.f("ck_attempt_outcome")
        ),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_attempt_outbox_id")),
        sa.ForeignKeyConstraint(["sender_id"], ["sender.id"], name=op.f("fk_attempt_sender_id")),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_attempt")),
        sa.UniqueConstraint("sid", name=op.f("uq_attempt_sid")),
    )
    # What a carrier still tells of texts sent before finds its attempt by the token or by the carrier's number.
    op.execute(
        "INSERT INTO attempt (token, outbox_id, n, carrier, phone, body_sha256, segments, started_at, lease_until,"
        " finished_at, outcome, code, sid, status, status_at)"
        " SELECT token, id, attempts, coalesce(carrier, 'console'), phone, '', 1, coalesce(sent_at, created_at),"
        " lease_until, sent_at, CASE state WHEN 'sending' THEN NULL WHEN 'unknown' THEN 'unclear'"
        " WHEN 'rejected' THEN 'refused' WHEN 'queued' THEN 'down' ELSE 'accepted' END,"
        " error, sid, carrier_status, sent_at FROM outbox WHERE token IS NOT NULL"
    )
    for name in ("lease_until", "look_at"):
        where = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"ix_attempt_{name}", "attempt", [name], sqlite_where=where, postgresql_where=where)
    op.create_index("ix_attempt_outbox_id", "attempt", ["outbox_id"])
    op.create_index("ix_attempt_phone_started_at", "attempt", ["phone", "started_at"])
    op.create_index("ix_attempt_sender_id_started_at", "attempt", ["sender_id", "started_at"])


def _conversations() -> None:
    op.create_table(
        "quiet_day",
        sa.Column("id", _key(), nullable=False),
        sa.Column("school_id", _key(), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("by_account", sa.Integer(), nullable=True),
        sa.Column("at", db.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_quiet_day_school_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quiet_day")),
    )
    op.create_index("ix_quiet_day_day_school_id", "quiet_day", ["day", "school_id"])
    op.create_table(
        "thread",
        sa.Column("id", _key(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("last_at", db.Moment(timezone=True), nullable=False),
        sa.Column("waiting_since", db.Moment(timezone=True), nullable=True),
        sa.Column("assigned_to", _key(), nullable=True),
        sa.Column("assigned_at", db.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["assigned_to"], ["account.id"], name=op.f("fk_thread_assigned_to")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_thread")),
        sa.UniqueConstraint("phone", name=op.f("uq_thread_phone")),
    )
    # Replies that wait for a person today are conversations that wait.
    op.execute(
        "INSERT INTO thread (phone, last_at, waiting_since) SELECT phone, max(received_at),"
        " min(CASE WHEN needs_person THEN received_at END) FROM inbound GROUP BY phone"
    )
    where = sa.text("waiting_since IS NOT NULL")
    op.create_index("ix_thread_waiting_since", "thread", ["waiting_since"], sqlite_where=where, postgresql_where=where)
    op.create_index("ix_thread_last_at", "thread", ["last_at"])
    op.create_table(
        "choice",
        sa.Column("id", _key(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("inbound_id", _key(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("asked_at", db.Moment(timezone=True), nullable=False),
        sa.Column("expires_at", db.Moment(timezone=True), nullable=False),
        sa.Column("chosen", sa.Text(), nullable=True),
        sa.Column("settled_at", db.Moment(timezone=True), nullable=True),
        sa.CheckConstraint("said IN ('yes', 'other_time', 'not_now', 'call_me')", name=op.f("ck_choice_said")),
        sa.ForeignKeyConstraint(["inbound_id"], ["inbound.id"], name=op.f("fk_choice_inbound_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_choice")),
        sa.UniqueConstraint("inbound_id", name=op.f("uq_choice_inbound_id")),
    )
    op.create_index("ix_choice_phone_id", "choice", ["phone", "id"])
    where = sa.text("settled_at IS NULL")
    op.create_index("ix_choice_open", "choice", ["expires_at"], sqlite_where=where, postgresql_where=where)
