"""Every table of the first version."""

import sqlalchemy as sa
from alembic import op

from homevisits.core import db

revision = "0001_tables"
down_revision = None
branch_labels = None
depends_on = None


# The tables that point at each other: PostgreSQL gets these keys once both sides stand, SQLite has them inline.
CIRCLES = (
    ("fk_visit_lead_is_member", ["id", "lead_id"], "visit_member", ["visit_id", "educator_id"], True),
    ("fk_visit_partner_is_member", ["id", "partner_id"], "visit_member", ["visit_id", "educator_id"], True),
    ("fk_visit_attestation", ["attestation_id", "id"], "attestation", ["id", "visit_id"], None),
)


def upgrade() -> None:
    op.create_table(
        "association_snapshot",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("made_at", db.Moment(timezone=True), nullable=False),
        sa.Column("period_from", sa.Date(), nullable=False),
        sa.Column("period_to", sa.Date(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_association_snapshot")),
    )
    op.create_table(
        "attendance_code",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("counts_as_absent", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_attendance_code")),
    )
    op.create_table(
        "carrier_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("sid", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), server_default="", nullable=False),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("received_at", db.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carrier_event")),
    )
    op.create_index("uq_carrier_event_once", "carrier_event", ["carrier", "sid", "status", "code"], unique=True)
    op.create_table(
        "district",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), server_default="real", nullable=False),
        sa.CheckConstraint("purpose IN ('real', 'demo')", name=op.f("ck_district_purpose")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_district")),
        sa.UniqueConstraint("source_id", name=op.f("uq_district_source_id")),
    )
    op.create_table(
        "family",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), server_default="en", nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_family")),
        sa.UniqueConstraint("key", name=op.f("uq_family_key")),
    )
    op.create_table(
        "heartbeat",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", db.Moment(timezone=True), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeat")),
    )
    op.create_table(
        "inbound",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sid", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("to", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", db.Moment(timezone=True), nullable=False),
        sa.Column("intent", sa.Text(), nullable=True),
        sa.Column("answers", sa.Text(), nullable=True),
        sa.Column("needs_person", sa.Boolean(), nullable=False),
        sa.Column("handled_at", db.Moment(timezone=True), nullable=True),
        sa.Column("handled_by", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound")),
        sa.UniqueConstraint("sid", name=op.f("uq_inbound_sid")),
    )
    op.create_index("ix_inbound_needs_person", "inbound", ["needs_person"], unique=False)
    op.create_index("ix_inbound_phone_id", "inbound", ["phone", "id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
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
        sa.CheckConstraint(
            "state IN ('queued', 'sending', 'sent', 'delivered', 'unknown', 'withdrawn', 'expired', 'suppressed', 'failed')",
            name=op.f("ck_outbox_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_outbox_dedupe_key")),
        sa.UniqueConstraint("sid", name=op.f("uq_outbox_sid")),
        sa.UniqueConstraint("token", name=op.f("uq_outbox_token")),
    )
    op.create_index("ix_outbox_about", "outbox", ["about"], unique=False)
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["next_at", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index("ix_outbox_phone_id", "outbox", ["phone", "id"], unique=False)
    op.create_index("ix_outbox_state_created_at", "outbox", ["state", "created_at"], unique=False)
    op.create_table(
        "person",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("given_name", sa.Text(), nullable=False),
        sa.Column("family_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("languages", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("kind IN ('person', 'educator')", name=op.f("ck_person_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("email", name=op.f("uq_person_email")),
    )
    op.create_table(
        "school",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_school")),
        sa.UniqueConstraint("source_id", name=op.f("uq_school_source_id")),
    )
    op.create_table(
        "school_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_school_day")),
    )
    op.create_table(
        "sign_in_attempt",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", db.Moment(timezone=True), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_attempt")),
    )
    op.create_index("ix_sign_in_attempt_subject_at", "sign_in_attempt", ["subject", "at"], unique=False)
    op.create_table(
        "texting_ledger",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", db.Moment(timezone=True), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.CheckConstraint("entry IN ('stop', 'start')", name=op.f("ck_texting_ledger_entry")),
        sa.CheckConstraint(
            "reason IN ('family', 'carrier', 'wrong_number', 'staff')", name=op.f("ck_texting_ledger_reason")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_texting_ledger")),
    )
    op.create_index("ix_texting_ledger_phone_id", "texting_ledger", ["phone", "id"], unique=False)
    op.create_table(
        "caregiver",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("family_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("given_name", sa.Text(), nullable=False),
        sa.Column("family_name", sa.Text(), nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("contact_order", sa.Integer(), server_default="1", nullable=False),
        sa.Column("restricted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("left_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["family_id"], ["family.id"], name=op.f("fk_caregiver_family_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caregiver")),
        sa.UniqueConstraint("source_id", name=op.f("uq_caregiver_source_id")),
    )
    op.create_index(op.f("ix_caregiver_family_id"), "caregiver", ["family_id"], unique=False)
    op.create_index(op.f("ix_caregiver_phone"), "caregiver", ["phone"], unique=False)
    op.create_table(
        "closure",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("school_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_closure_school_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_closure")),
    )
    op.create_index("ix_closure_day", "closure", ["day"], unique=False)
    op.create_table(
        "commitment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("starts_at", db.Moment(timezone=True), nullable=False),
        sa.Column("ends_at", db.Moment(timezone=True), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_commitment_order")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_commitment_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitment")),
        sa.UniqueConstraint("id", "person_id", name=op.f("uq_commitment_id_person_id")),
    )
    op.create_index("ix_commitment_about", "commitment", ["about"], unique=False)
    op.create_index("ix_commitment_person_id_starts_at", "commitment", ["person_id", "starts_at"], unique=False)
    op.create_table(
        "educator",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("payroll_id", sa.Text(), nullable=True),
        sa.Column("school_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("employee_group", sa.Text(), nullable=False),
        sa.Column("left_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["id"], ["person.id"], name=op.f("fk_educator_id")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_educator_school_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_educator")),
        sa.UniqueConstraint("payroll_id", name=op.f("uq_educator_payroll_id")),
        sa.UniqueConstraint("source_id", name=op.f("uq_educator_source_id")),
    )
    op.create_index(op.f("ix_educator_school_id"), "educator", ["school_id"], unique=False)
    op.create_table(
        "feed_token",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at", db.Moment(timezone=True), nullable=False),
        sa.Column("revoked_at", db.Moment(timezone=True), nullable=True),
        sa.Column("last_fetched_at", db.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_feed_token_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_token")),
        sa.UniqueConstraint("sha256", name=op.f("uq_feed_token_sha256")),
    )
    op.create_index(op.f("ix_feed_token_person_id"), "feed_token", ["person_id"], unique=False)
    op.create_table(
        "school_class",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("school_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_school_class_school_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_school_class")),
        sa.UniqueConstraint("source_id", name=op.f("uq_school_class_source_id")),
    )
    op.create_index(op.f("ix_school_class_school_id"), "school_class", ["school_id"], unique=False)
    op.create_table(
        "student",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=True),
        sa.Column("family_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("school_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("given_name", sa.Text(), nullable=False),
        sa.Column("family_name", sa.Text(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("enrolled_from", sa.Date(), nullable=True),
        sa.Column("enrolled_to", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["family_id"], ["family.id"], name=op.f("fk_student_family_id")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_student_school_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_student")),
        sa.UniqueConstraint("source_id", name=op.f("uq_student_source_id")),
    )
    op.create_index(op.f("ix_student_family_id"), "student", ["family_id"], unique=False)
    op.create_index(op.f("ix_student_identifier"), "student", ["identifier"], unique=False)
    op.create_index(op.f("ix_student_school_id"), "student", ["school_id"], unique=False)
    op.create_table(
        "absence",
        sa.Column("student_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("absent", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["code"], ["attendance_code.code"], name=op.f("fk_absence_code")),
        sa.ForeignKeyConstraint(["student_id"], ["student.id"], name=op.f("fk_absence_student_id")),
        sa.PrimaryKeyConstraint("student_id", "day", name=op.f("pk_absence")),
    )
    op.create_index("ix_absence_day", "absence", ["day"], unique=False)
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("educator_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("language", sa.Text(), server_default="en", nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("session_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["educator_id"], ["educator.id"], name=op.f("fk_account_educator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("educator_id", name=op.f("uq_account_educator_id")),
        sa.UniqueConstraint("email", name=op.f("uq_account_email")),
    )
    op.create_table(
        "enrollment",
        sa.Column("class_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("student_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["school_class.id"], name=op.f("fk_enrollment_class_id")),
        sa.ForeignKeyConstraint(["student_id"], ["student.id"], name=op.f("fk_enrollment_student_id")),
        sa.PrimaryKeyConstraint("class_id", "student_id", name=op.f("pk_enrollment")),
    )
    op.create_index("ix_enrollment_student_id", "enrollment", ["student_id"], unique=False)
    op.create_table(
        "prior_year",
        sa.Column("student_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("school_year", sa.Integer(), nullable=False),
        sa.Column("days_enrolled", sa.Integer(), nullable=False),
        sa.Column("days_absent", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["student_id"], ["student.id"], name=op.f("fk_prior_year_student_id")),
        sa.PrimaryKeyConstraint("student_id", "school_year", name=op.f("pk_prior_year")),
    )
    op.create_table(
        "student_traits",
        sa.Column("student_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sex", sa.Text(), nullable=True),
        sa.Column("race_ethnicity", sa.Text(), nullable=True),
        sa.Column("english_learner", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["student_id"], ["student.id"], name=op.f("fk_student_traits_student_id")),
        sa.PrimaryKeyConstraint("student_id", name=op.f("pk_student_traits")),
    )
    op.create_table(
        "teaching",
        sa.Column("class_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("educator_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["school_class.id"], name=op.f("fk_teaching_class_id")),
        sa.ForeignKeyConstraint(["educator_id"], ["educator.id"], name=op.f("fk_teaching_educator_id")),
        sa.PrimaryKeyConstraint("class_id", "educator_id", name=op.f("pk_teaching")),
    )
    op.create_index("ix_teaching_educator_id", "teaching", ["educator_id"], unique=False)
    op.create_table(
        "weekly_hours",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("educator_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("starts", sa.Text(), nullable=False),
        sa.Column("ends", sa.Text(), nullable=False),
        sa.CheckConstraint("starts < ends", name=op.f("ck_weekly_hours_order")),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_weekly_hours_weekday")),
        sa.ForeignKeyConstraint(["educator_id"], ["educator.id"], name=op.f("fk_weekly_hours_educator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_weekly_hours")),
        sa.UniqueConstraint(
            "educator_id", "weekday", "starts", name=op.f("uq_weekly_hours_educator_id_weekday_starts")
        ),
    )
    op.create_index(op.f("ix_weekly_hours_educator_id"), "weekly_hours", ["educator_id"], unique=False)
    op.create_table(
        "account_grant",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("school_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint(
            "role IN ('educator', 'site_coordinator', 'district_lead', 'union_coordinator')",
            name=op.f("ck_account_grant_role"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_account_grant_account_id")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_account_grant_school_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_grant")),
        sa.UniqueConstraint("account_id", "role", "school_id", name=op.f("uq_account_grant_account_id_role_school_id")),
    )
    op.create_index(op.f("ix_account_grant_account_id"), "account_grant", ["account_id"], unique=False)
    op.create_table(
        "draw",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("school_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_value", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("roster_sha256", sa.Text(), nullable=False),
        sa.Column("selected_sha256", sa.Text(), nullable=False),
        sa.Column("allocation", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("replaces_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("drawn_at", db.Moment(timezone=True), nullable=False),
        sa.Column("drawn_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint("method IN ('everyone', 'random', 'stratified')", name=op.f("ck_draw_method")),
        sa.CheckConstraint("scope IN ('class', 'grade', 'school')", name=op.f("ck_draw_scope")),
        sa.CheckConstraint("replaces_id IS NULL OR reason IS NOT NULL", name=op.f("ck_draw_redraw_reason")),
        sa.CheckConstraint("wanted >= 0", name=op.f("ck_draw_wanted")),
        sa.ForeignKeyConstraint(["drawn_by"], ["account.id"], name=op.f("fk_draw_drawn_by")),
        sa.ForeignKeyConstraint(["replaces_id"], ["draw.id"], name=op.f("fk_draw_replaces_id")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_draw_school_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draw")),
        sa.UniqueConstraint("replaces_id", name=op.f("uq_draw_replaces_id")),
    )
    op.create_index(op.f("ix_draw_school_id"), "draw", ["school_id"], unique=False)
    op.create_table(
        "family_request",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("family_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("school_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("at", db.Moment(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint("how IN ('text', 'phone', 'in_person', 'paper')", name=op.f("ck_family_request_how")),
        sa.ForeignKeyConstraint(["family_id"], ["family.id"], name=op.f("fk_family_request_family_id")),
        sa.ForeignKeyConstraint(["recorded_by"], ["account.id"], name=op.f("fk_family_request_recorded_by")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_family_request_school_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_family_request")),
        sa.UniqueConstraint("id", "family_id", name=op.f("uq_family_request_id_family_id")),
    )
    op.create_index(op.f("ix_family_request_family_id"), "family_request", ["family_id"], unique=False)
    op.create_table(
        "opt_in",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("educator_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("at", db.Moment(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint("answer IN ('in', 'out')", name=op.f("ck_opt_in_answer")),
        sa.ForeignKeyConstraint(["educator_id"], ["educator.id"], name=op.f("fk_opt_in_educator_id")),
        sa.ForeignKeyConstraint(["recorded_by"], ["account.id"], name=op.f("fk_opt_in_recorded_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opt_in")),
        sa.UniqueConstraint("id", "educator_id", name=op.f("uq_opt_in_id_educator_id")),
    )
    op.create_index("ix_opt_in_educator_id_id", "opt_in", ["educator_id", "id"], unique=False)
    op.create_table(
        "pay_rule",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("pay_type", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("rate_cents", sa.Integer(), nullable=False),
        sa.Column("minimum_minutes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("round_to_minutes", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("pay_code", sa.Text(), nullable=False),
        sa.Column("clause", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("effective_to", sa.Date(), nullable=True),
        sa.Column("entered_at", db.Moment(timezone=True), nullable=False),
        sa.Column("entered_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint("unit IN ('flat_visit', 'hourly')", name=op.f("ck_pay_rule_unit")),
        sa.CheckConstraint("effective_to IS NULL OR effective_to >= effective_from", name=op.f("ck_pay_rule_dates")),
        sa.CheckConstraint(
            "rate_cents >= 0 AND minimum_minutes >= 0 AND round_to_minutes >= 1", name=op.f("ck_pay_rule_amounts")
        ),
        sa.ForeignKeyConstraint(["entered_by"], ["account.id"], name=op.f("fk_pay_rule_entered_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pay_rule")),
    )
    op.create_table(
        "payroll_export",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("period_from", sa.Date(), nullable=False),
        sa.Column("period_to", sa.Date(), nullable=False),
        sa.Column("made_at", db.Moment(timezone=True), nullable=False),
        sa.Column("made_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["made_by"], ["account.id"], name=op.f("fk_payroll_export_made_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payroll_export")),
    )
    op.create_table(
        "training_session",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("held_on", sa.Date(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("educator_trainer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("parent_trainer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("recorded_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("recorded_at", db.Moment(timezone=True), nullable=False),
        sa.CheckConstraint("educator_trainer_id <> parent_trainer_id", name=op.f("ck_training_session_two_trainers")),
        sa.CheckConstraint("minutes > 0", name=op.f("ck_training_session_minutes")),
        sa.ForeignKeyConstraint(
            ["educator_trainer_id"], ["educator.id"], name=op.f("fk_training_session_educator_trainer_id")
        ),
        sa.ForeignKeyConstraint(
            ["parent_trainer_id"], ["person.id"], name=op.f("fk_training_session_parent_trainer_id")
        ),
        sa.ForeignKeyConstraint(["recorded_by"], ["account.id"], name=op.f("fk_training_session_recorded_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_session")),
    )
    op.create_table(
        "certification",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("educator_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("training_session_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("revoked_on", sa.Date(), nullable=True),
        sa.CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name=op.f("ck_certification_dates")),
        sa.ForeignKeyConstraint(["educator_id"], ["educator.id"], name=op.f("fk_certification_educator_id")),
        sa.ForeignKeyConstraint(
            ["training_session_id"], ["training_session.id"], name=op.f("fk_certification_training_session_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certification")),
        sa.UniqueConstraint(
            "educator_id", "training_session_id", name=op.f("uq_certification_educator_id_training_session_id")
        ),
        sa.UniqueConstraint("id", "educator_id", name=op.f("uq_certification_id_educator_id")),
    )
    op.create_table(
        "draw_entry",
        sa.Column("draw_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("family_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("household_key", sa.Text(), nullable=False),
        sa.Column("index_student_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("students", sa.Text(), nullable=False),
        sa.Column("stratum", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["draw_id"], ["draw.id"], name=op.f("fk_draw_entry_draw_id")),
        sa.ForeignKeyConstraint(["family_id"], ["family.id"], name=op.f("fk_draw_entry_family_id")),
        sa.ForeignKeyConstraint(["index_student_id"], ["student.id"], name=op.f("fk_draw_entry_index_student_id")),
        sa.PrimaryKeyConstraint("draw_id", "family_id", name=op.f("pk_draw_entry")),
        sa.UniqueConstraint("draw_id", "position", name=op.f("uq_draw_entry_draw_id_position")),
    )
    op.create_table(
        "invitation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("family_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("school_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("draw_id", sa.Integer(), nullable=True),
        sa.Column("family_request_id", sa.Integer(), nullable=True),
        sa.Column("asked_at", db.Moment(timezone=True), nullable=False),
        sa.Column("asked_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("replaces_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("closed_at", db.Moment(timezone=True), nullable=True),
        sa.CheckConstraint("how IN ('text', 'phone', 'in_person', 'paper')", name=op.f("ck_invitation_how")),
        sa.CheckConstraint(
            "(draw_id IS NULL) <> (family_request_id IS NULL)", name=op.f("ck_invitation_draw_or_request")
        ),
        sa.ForeignKeyConstraint(["asked_by"], ["account.id"], name=op.f("fk_invitation_asked_by")),
        sa.ForeignKeyConstraint(
            ["draw_id", "family_id"],
            ["draw_entry.draw_id", "draw_entry.family_id"],
            name=op.f("fk_invitation_draw_id_family_id"),
        ),
        sa.ForeignKeyConstraint(["family_id"], ["family.id"], name=op.f("fk_invitation_family_id")),
        sa.ForeignKeyConstraint(
            ["family_request_id", "family_id"],
            ["family_request.id", "family_request.family_id"],
            name=op.f("fk_invitation_family_request_id_family_id"),
        ),
        sa.ForeignKeyConstraint(["replaces_id"], ["invitation.id"], name=op.f("fk_invitation_replaces_id")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_invitation_school_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("draw_id", "family_id", name=op.f("uq_invitation_draw_id_family_id")),
        sa.UniqueConstraint("id", "family_id", name=op.f("uq_invitation_id_family_id")),
        sa.UniqueConstraint("replaces_id", name=op.f("uq_invitation_replaces_id")),
    )
    op.create_index("ix_invitation_family_id", "invitation", ["family_id"], unique=False)
    op.create_index("ix_invitation_school_id_asked_at", "invitation", ["school_id", "asked_at"], unique=False)
    op.create_table(
        "consent_ledger",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("family_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("invitation_id", sa.Integer(), nullable=False),
        sa.Column("visit_id", sa.Integer(), nullable=True),
        sa.Column("caregiver_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("at", db.Moment(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "answer <> 'confirmed' OR visit_id IS NOT NULL", name=op.f("ck_consent_ledger_confirmed_visit")
        ),
        sa.CheckConstraint(
            "answer IN ('yes', 'other_time', 'not_now', 'call_me', 'withdrawn', 'confirmed')",
            name=op.f("ck_consent_ledger_answer"),
        ),
        sa.CheckConstraint("how = 'text' OR recorded_by IS NOT NULL", name=op.f("ck_consent_ledger_by_whom")),
        sa.CheckConstraint("how IN ('text', 'phone', 'in_person', 'paper')", name=op.f("ck_consent_ledger_how")),
        sa.ForeignKeyConstraint(["caregiver_id"], ["caregiver.id"], name=op.f("fk_consent_ledger_caregiver_id")),
        sa.ForeignKeyConstraint(["family_id"], ["family.id"], name=op.f("fk_consent_ledger_family_id")),
        sa.ForeignKeyConstraint(
            ["invitation_id", "family_id"],
            ["invitation.id", "invitation.family_id"],
            name=op.f("fk_consent_ledger_invitation_id_family_id"),
        ),
        sa.ForeignKeyConstraint(["recorded_by"], ["account.id"], name=op.f("fk_consent_ledger_recorded_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_ledger")),
        sa.UniqueConstraint("id", "family_id", name=op.f("uq_consent_ledger_id_family_id")),
    )
    op.create_index("ix_consent_ledger_family_id_id", "consent_ledger", ["family_id", "id"], unique=False)
    op.create_index("ix_consent_ledger_invitation_id_id", "consent_ledger", ["invitation_id", "id"], unique=False)
    op.create_table(
        "visit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=True),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("family_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("school_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("invitation_id", sa.Integer(), nullable=False),
        sa.Column("consent_id", sa.Integer(), nullable=False),
        sa.Column("first_visit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("lead_id", sa.Integer(), nullable=False),
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("min_trained", sa.Integer(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        sa.Column("local_start", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("starts_at", db.Moment(timezone=True), nullable=False),
        sa.Column("ends_at", db.Moment(timezone=True), nullable=False),
        sa.Column("place_type", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("booked_at", db.Moment(timezone=True), nullable=False),
        sa.Column("booked_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("updated_at", db.Moment(timezone=True), nullable=False),
        sa.Column("closed_at", db.Moment(timezone=True), nullable=True),
        sa.Column("attestation_id", sa.Integer(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(kind = 'second') = (first_visit_id IS NOT NULL)", name=op.f("ck_visit_second_needs_first")
        ),
        sa.CheckConstraint("kind IN ('first', 'second')", name=op.f("ck_visit_kind")),
        sa.CheckConstraint("place_type IN ('home', 'neutral', 'video')", name=op.f("ck_visit_place_type")),
        sa.CheckConstraint(
            "state <> 'completed' OR attestation_id IS NOT NULL", name=op.f("ck_visit_completed_is_attested")
        ),
        sa.CheckConstraint(
            "state IN ('proposed', 'scheduled', 'confirmed', 'completed', 'cancelled_by_family', 'cancelled_by_educator', 'family_away')",
            name=op.f("ck_visit_state"),
        ),
        sa.CheckConstraint("lead_id <> partner_id", name=op.f("ck_visit_two_people")),
        sa.CheckConstraint("min_trained BETWEEN 1 AND 2", name=op.f("ck_visit_min_trained")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_visit_order")),
        sa.ForeignKeyConstraint(
            ["attestation_id", "id"],
            ["attestation.id", "attestation.visit_id"],
            name="fk_visit_attestation",
            use_alter=True,
        ),
        sa.ForeignKeyConstraint(["booked_by"], ["account.id"], name=op.f("fk_visit_booked_by")),
        sa.ForeignKeyConstraint(
            ["consent_id", "family_id"],
            ["consent_ledger.id", "consent_ledger.family_id"],
            name=op.f("fk_visit_consent_id_family_id"),
        ),
        sa.ForeignKeyConstraint(["family_id"], ["family.id"], name=op.f("fk_visit_family_id")),
        sa.ForeignKeyConstraint(["first_visit_id"], ["visit.id"], name=op.f("fk_visit_first_visit_id")),
        sa.ForeignKeyConstraint(
            ["id", "lead_id"],
            ["visit_member.visit_id", "visit_member.educator_id"],
            name="fk_visit_lead_is_member",
            initially="DEFERRED",
            deferrable=True,
            use_alter=True,
        ),
        sa.ForeignKeyConstraint(
            ["id", "partner_id"],
            ["visit_member.visit_id", "visit_member.educator_id"],
            name="fk_visit_partner_is_member",
            initially="DEFERRED",
            deferrable=True,
            use_alter=True,
        ),
        sa.ForeignKeyConstraint(
            ["invitation_id", "family_id"],
            ["invitation.id", "invitation.family_id"],
            name=op.f("fk_visit_invitation_id_family_id"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_visit_school_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visit")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_visit_idempotency_key")),
        sa.UniqueConstraint("uid", name=op.f("uq_visit_uid")),
    )
    op.create_index("ix_visit_closed_at", "visit", ["closed_at"], unique=False)
    op.create_index("ix_visit_family_id_id", "visit", ["family_id", "id"], unique=False)
    op.create_index("ix_visit_invitation_id", "visit", ["invitation_id"], unique=False)
    op.create_index("ix_visit_school_id_starts_at", "visit", ["school_id", "starts_at"], unique=False)
    op.create_index("ix_visit_state_starts_at", "visit", ["state", "starts_at"], unique=False)
    op.create_index(
        "uq_visit_live_family",
        "visit",
        ["family_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('proposed', 'scheduled', 'confirmed')"),
        postgresql_where=sa.text("state IN ('proposed', 'scheduled', 'confirmed')"),
    )
    op.create_table(
        "visit_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("visit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("at", db.Moment(timezone=True), nullable=False),
        sa.Column("by_account", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["by_account"], ["account.id"], name=op.f("fk_visit_event_by_account")),
        sa.ForeignKeyConstraint(["visit_id"], ["visit.id"], name=op.f("fk_visit_event_visit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visit_event")),
    )
    op.create_index(op.f("ix_visit_event_visit_id"), "visit_event", ["visit_id"], unique=False)
    op.create_table(
        "visit_member",
        sa.Column("visit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("educator_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opt_in_id", sa.Integer(), nullable=False),
        sa.Column("certification_id", sa.Integer(), nullable=True),
        sa.Column("commitment_id", sa.Integer(), nullable=False),
        sa.Column("asked_at", db.Moment(timezone=True), nullable=False),
        sa.Column("answered_at", db.Moment(timezone=True), nullable=True),
        sa.Column("on_the_way_at", db.Moment(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('lead', 'partner')", name=op.f("ck_visit_member_role")),
        sa.CheckConstraint(
            "state IN ('asked', 'coming', 'declined', 'unable', 'withdrawn')", name=op.f("ck_visit_member_state")
        ),
        sa.ForeignKeyConstraint(
            ["certification_id", "educator_id"],
            ["certification.id", "certification.educator_id"],
            name=op.f("fk_visit_member_certification_id_educator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["commitment_id", "educator_id"],
            ["commitment.id", "commitment.person_id"],
            name=op.f("fk_visit_member_commitment_id_educator_id"),
        ),
        sa.ForeignKeyConstraint(["educator_id"], ["educator.id"], name=op.f("fk_visit_member_educator_id")),
        sa.ForeignKeyConstraint(
            ["opt_in_id", "educator_id"],
            ["opt_in.id", "opt_in.educator_id"],
            name=op.f("fk_visit_member_opt_in_id_educator_id"),
        ),
        sa.ForeignKeyConstraint(["visit_id"], ["visit.id"], name=op.f("fk_visit_member_visit_id")),
        sa.PrimaryKeyConstraint("visit_id", "educator_id", name=op.f("pk_visit_member")),
        sa.UniqueConstraint("commitment_id", name=op.f("uq_visit_member_commitment_id")),
    )
    op.create_index("ix_visit_member_educator_id_visit_id", "visit_member", ["educator_id", "visit_id"], unique=False)
    op.create_table(
        "attestation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("visit_id", sa.Integer(), nullable=False),
        sa.Column("educator_id", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("both_went", sa.Boolean(), nullable=False),
        sa.Column("started_at", db.Moment(timezone=True), nullable=False),
        sa.Column("ended_at", db.Moment(timezone=True), nullable=False),
        sa.Column("place_type", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("who_was_there", sa.Text(), server_default="", nullable=False),
        sa.Column("agrees_with_id", sa.Integer(), nullable=True),
        sa.Column("at", db.Moment(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('first', 'second')", name=op.f("ck_attestation_kind")),
        sa.CheckConstraint("outcome IN ('met', 'family_away')", name=op.f("ck_attestation_outcome")),
        sa.CheckConstraint("place_type IN ('home', 'neutral', 'video')", name=op.f("ck_attestation_place_type")),
        sa.CheckConstraint("started_at < ended_at", name=op.f("ck_attestation_order")),
        sa.ForeignKeyConstraint(
            ["agrees_with_id", "visit_id"],
            ["attestation.id", "attestation.visit_id"],
            name=op.f("fk_attestation_agrees_with_id_visit_id"),
        ),
        sa.ForeignKeyConstraint(
            ["visit_id", "educator_id"],
            ["visit_member.visit_id", "visit_member.educator_id"],
            name=op.f("fk_attestation_visit_id_educator_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attestation")),
        sa.UniqueConstraint("id", "visit_id", name=op.f("uq_attestation_id_visit_id")),
    )
    op.create_index(
        "ix_attestation_visit_id_educator_id_id", "attestation", ["visit_id", "educator_id", "id"], unique=False
    )
    op.create_table(
        "pay_line",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("visit_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("pay_type", sa.Text(), nullable=False),
        sa.Column("school_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("earned_on", sa.Date(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("paid_minutes", sa.Integer(), nullable=False),
        sa.Column("rule_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("amount_cents", sa.Integer(), nullable=True),
        sa.Column("unpaid_reason", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="earned", nullable=False),
        sa.Column("export_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("created_at", db.Moment(timezone=True), nullable=False),
        sa.CheckConstraint("(state = 'exported') = (export_id IS NOT NULL)", name=op.f("ck_pay_line_exported")),
        sa.CheckConstraint(
            "state IN ('earned', 'site_approved', 'approved', 'exported', 'returned')", name=op.f("ck_pay_line_state")
        ),
        sa.CheckConstraint(
            "(amount_cents IS NULL) <> (unpaid_reason IS NULL)", name=op.f("ck_pay_line_paid_or_why_not")
        ),
        sa.CheckConstraint("amount_cents >= 0", name=op.f("ck_pay_line_amount")),
        sa.CheckConstraint("amount_cents IS NULL OR rule_id IS NOT NULL", name=op.f("ck_pay_line_by_a_rule")),
        sa.ForeignKeyConstraint(["export_id"], ["payroll_export.id"], name=op.f("fk_pay_line_export_id")),
        sa.ForeignKeyConstraint(["rule_id"], ["pay_rule.id"], name=op.f("fk_pay_line_rule_id")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_pay_line_school_id")),
        sa.ForeignKeyConstraint(
            ["visit_id", "person_id"],
            ["visit_member.visit_id", "visit_member.educator_id"],
            name=op.f("fk_pay_line_visit_id_person_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pay_line")),
        sa.UniqueConstraint("visit_id", "person_id", "pay_type", name=op.f("uq_pay_line_visit_id_person_id_pay_type")),
    )
    op.create_index(op.f("ix_pay_line_export_id"), "pay_line", ["export_id"], unique=False)
    op.create_index("ix_pay_line_person_id_earned_on", "pay_line", ["person_id", "earned_on"], unique=False)
    op.create_index("ix_pay_line_school_id_earned_on", "pay_line", ["school_id", "earned_on"], unique=False)
    op.create_index("ix_pay_line_state_school_id", "pay_line", ["state", "school_id"], unique=False)
    op.create_table(
        "reflection",
        sa.Column("visit_id", sa.Integer(), nullable=False),
        sa.Column("educator_id", sa.Integer(), nullable=False),
        sa.Column("learned", sa.Text(), nullable=False),
        sa.Column("strengths", sa.Text(), nullable=False),
        sa.Column("will_do", sa.Text(), nullable=False),
        sa.Column("at", db.Moment(timezone=True), nullable=False),
        sa.CheckConstraint(
            "length(learned) <= 400 AND length(strengths) <= 400 AND length(will_do) <= 400",
            name=op.f("ck_reflection_length"),
        ),
        sa.ForeignKeyConstraint(
            ["visit_id", "educator_id"],
            ["visit_member.visit_id", "visit_member.educator_id"],
            name=op.f("fk_reflection_visit_id_educator_id"),
        ),
        sa.PrimaryKeyConstraint("visit_id", "educator_id", name=op.f("pk_reflection")),
    )
    op.create_table(
        "pay_approval",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("line_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("by_account", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", db.Moment(timezone=True), nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("step <> 'returned' OR comment <> ''", name=op.f("ck_pay_approval_returned_says_why")),
        sa.CheckConstraint("step IN ('site', 'union', 'returned')", name=op.f("ck_pay_approval_step")),
        sa.ForeignKeyConstraint(["by_account"], ["account.id"], name=op.f("fk_pay_approval_by_account")),
        sa.ForeignKeyConstraint(["line_id"], ["pay_line.id"], name=op.f("fk_pay_approval_line_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pay_approval")),
    )
    op.create_index(op.f("ix_pay_approval_line_id"), "pay_approval", ["line_id"], unique=False)
    if op.get_context().dialect.name == "postgresql":
        for name, columns, other, others, deferred in CIRCLES:
            op.create_foreign_key(
                name,
                "visit",
                other,
                columns,
                others,
                deferrable=deferred,
                initially="DEFERRED" if deferred else None,
            )


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for name, *_ in CIRCLES:
            op.drop_constraint(name, "visit", type_="foreignkey")
    op.drop_index(op.f("ix_pay_approval_line_id"), table_name="pay_approval")
    op.drop_table("pay_approval")
    op.drop_table("reflection")
    op.drop_index("ix_pay_line_state_school_id", table_name="pay_line")
    op.drop_index("ix_pay_line_school_id_earned_on", table_name="pay_line")
    op.drop_index("ix_pay_line_person_id_earned_on", table_name="pay_line")
    op.drop_index(op.f("ix_pay_line_export_id"), table_name="pay_line")
    op.drop_table("pay_line")
    op.drop_index("ix_attestation_visit_id_educator_id_id", table_name="attestation")
    op.drop_table("attestation")
    op.drop_index("ix_visit_member_educator_id_visit_id", table_name="visit_member")
    op.drop_table("visit_member")
    op.drop_index(op.f("ix_visit_event_visit_id"), table_name="visit_event")
    op.drop_table("visit_event")
    op.drop_index(
        "uq_visit_live_family",
        table_name="visit",
        sqlite_where=sa.text("state IN ('proposed', 'scheduled', 'confirmed')"),
        postgresql_where=sa.text("state IN ('proposed', 'scheduled', 'confirmed')"),
    )
    op.drop_index("ix_visit_state_starts_at", table_name="visit")
    op.drop_index("ix_visit_school_id_starts_at", table_name="visit")
    op.drop_index("ix_visit_invitation_id", table_name="visit")
    op.drop_index("ix_visit_family_id_id", table_name="visit")
    op.drop_index("ix_visit_closed_at", table_name="visit")
    op.drop_table("visit")
    op.drop_index("ix_consent_ledger_invitation_id_id", table_name="consent_ledger")
    op.drop_index("ix_consent_ledger_family_id_id", table_name="consent_ledger")
    op.drop_table("consent_ledger")
    op.drop_index("ix_invitation_school_id_asked_at", table_name="invitation")
    op.drop_index("ix_invitation_family_id", table_name="invitation")
    op.drop_table("invitation")
    op.drop_table("draw_entry")
    op.drop_table("certification")
    op.drop_table("training_session")
    op.drop_table("payroll_export")
    op.drop_table("pay_rule")
    op.drop_index("ix_opt_in_educator_id_id", table_name="opt_in")
    op.drop_table("opt_in")
    op.drop_index(op.f("ix_family_request_family_id"), table_name="family_request")
    op.drop_table("family_request")
    op.drop_index(op.f("ix_draw_school_id"), table_name="draw")
    op.drop_table("draw")
    op.drop_index(op.f("ix_account_grant_account_id"), table_name="account_grant")
    op.drop_table("account_grant")
    op.drop_index(op.f("ix_weekly_hours_educator_id"), table_name="weekly_hours")
    op.drop_table("weekly_hours")
    op.drop_index("ix_teaching_educator_id", table_name="teaching")
    op.drop_table("teaching")
    op.drop_table("student_traits")
    op.drop_table("prior_year")
    op.drop_index("ix_enrollment_student_id", table_name="enrollment")
    op.drop_table("enrollment")
    op.drop_table("account")
    op.drop_index("ix_absence_day", table_name="absence")
    op.drop_table("absence")
    op.drop_index(op.f("ix_student_school_id"), table_name="student")
    op.drop_index(op.f("ix_student_identifier"), table_name="student")
    op.drop_index(op.f("ix_student_family_id"), table_name="student")
    op.drop_table("student")
    op.drop_index(op.f("ix_school_class_school_id"), table_name="school_class")
    op.drop_table("school_class")
    op.drop_index(op.f("ix_feed_token_person_id"), table_name="feed_token")
    op.drop_table("feed_token")
    op.drop_index(op.f("ix_educator_school_id"), table_name="educator")
    op.drop_table("educator")
    op.drop_index("ix_commitment_person_id_starts_at", table_name="commitment")
    op.drop_index("ix_commitment_about", table_name="commitment")
    op.drop_table("commitment")
    op.drop_index("ix_closure_day", table_name="closure")
    op.drop_table("closure")
    op.drop_index(op.f("ix_caregiver_phone"), table_name="caregiver")
    op.drop_index(op.f("ix_caregiver_family_id"), table_name="caregiver")
    op.drop_table("caregiver")
    op.drop_index("ix_texting_ledger_phone_id", table_name="texting_ledger")
    op.drop_table("texting_ledger")
    op.drop_index("ix_sign_in_attempt_subject_at", table_name="sign_in_attempt")
    op.drop_table("sign_in_attempt")
    op.drop_table("school_day")
    op.drop_table("school")
    op.drop_table("person")
    op.drop_index("ix_outbox_state_created_at", table_name="outbox")
    op.drop_index("ix_outbox_phone_id", table_name="outbox")
    op.drop_index(
        "ix_outbox_due",
        table_name="outbox",
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.drop_index("ix_outbox_about", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index("ix_inbound_phone_id", table_name="inbound")
    op.drop_index("ix_inbound_needs_person", table_name="inbound")
    op.drop_table("inbound")
    op.drop_table("heartbeat")
    op.drop_table("family")
    op.drop_table("district")
    op.drop_index("uq_carrier_event_once", table_name="carrier_event")
    op.drop_table("carrier_event")
    op.drop_table("attendance_code")
    op.drop_table("association_snapshot")
