"""Create all tables with their columns, keys, checks and indexes. Rules that need a trigger are in 0002."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from homevisits.core import db

revision = "0001_schema"
down_revision = None
branch_labels = None
depends_on = None

# A copy of the tables as they are at this revision. It does not follow later changes of the models.
SCHEMA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # on SQLite only INTEGER is an alias of the rowid
MOMENT = db.UtcDateTime(timezone=True)
TEXT, INTEGER, FLOAT, BOOLEAN = sa.Text(), sa.Integer(), sa.Float(), sa.Boolean()
DATE, BYTES = sa.Date(), sa.LargeBinary()
TRUE, FALSE = sa.true(), sa.false()


def required(name: str, type_: sa.types.TypeEngine[Any], *constraints: sa.ForeignKey, **options: Any) -> sa.Column[Any]:
    """Return a column that is never NULL."""
    return sa.Column(name, type_, *constraints, nullable=False, **options)


def optional(name: str, type_: sa.types.TypeEngine[Any], *constraints: sa.ForeignKey, **options: Any) -> sa.Column[Any]:
    """Return a column that may be NULL."""
    return sa.Column(name, type_, *constraints, nullable=True, **options)


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> sa.Index:
    """Create an index of the rows that meet a condition."""
    condition = sa.text(where)
    return sa.Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


# The district, its people and their accounts

sa.Table(
    "district",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("source_id", TEXT, unique=True),
    required("name", TEXT),
    required("timezone", TEXT),
    required("purpose", TEXT, server_default="real"),
    sa.CheckConstraint("purpose IN ('real', 'demo')", name="purpose"),
)

sa.Table(
    "school",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("source_id", TEXT, unique=True),
    optional("identifier", TEXT),
    required("name", TEXT),
    required("timezone", TEXT),
)

sa.Table(
    "person",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("kind", TEXT),
    required("given_name", TEXT),
    required("family_name", TEXT),
    optional("email", TEXT, unique=True),
    required("languages", TEXT, server_default=""),
    optional("phone", TEXT),
    sa.CheckConstraint("kind IN ('person', 'educator')", name="kind"),
)

sa.Table(
    "educator",
    SCHEMA,
    required("id", KEY, sa.ForeignKey("person.id"), primary_key=True),
    required("source_id", TEXT, unique=True),
    optional("payroll_id", TEXT, unique=True),
    required("school_id", KEY, sa.ForeignKey("school.id"), index=True),
    required("employee_group", TEXT),
    optional("left_on", DATE),
)

sa.Table(
    "family",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("key", TEXT, unique=True),
    required("name", TEXT),
    required("language", TEXT, server_default="en"),
    optional("address", TEXT),
)

sa.Table(
    "family_merge",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("family_id", KEY, sa.ForeignKey("family.id"), index=True),
    required("merged_id", KEY, sa.ForeignKey("family.id"), index=True),
    required("at", MOMENT),
)

sa.Table(
    "caregiver",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("source_id", TEXT, unique=True),
    required("family_id", KEY, sa.ForeignKey("family.id"), index=True),
    required("given_name", TEXT),
    required("family_name", TEXT),
    required("relation", TEXT),
    optional("phone", TEXT, index=True),
    optional("email", TEXT),
    required("contact_order", INTEGER, server_default="1"),
    required("restricted", BOOLEAN, server_default=FALSE),
    optional("left_on", DATE),
)

sa.Table(
    "student",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("source_id", TEXT, unique=True),
    optional("identifier", TEXT, index=True),
    required("family_id", KEY, sa.ForeignKey("family.id"), index=True),
    required("school_id", KEY, sa.ForeignKey("school.id"), index=True),
    required("given_name", TEXT),
    required("family_name", TEXT),
    required("grade", TEXT),
    optional("enrolled_from", DATE),
    optional("enrolled_to", DATE),
)

sa.Table(
    "school_class",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("source_id", TEXT, unique=True),
    required("school_id", KEY, sa.ForeignKey("school.id"), index=True),
    required("title", TEXT),
)

sa.Table(
    "enrollment",
    SCHEMA,
    required("class_id", KEY, sa.ForeignKey("school_class.id"), primary_key=True),
    required("student_id", KEY, sa.ForeignKey("student.id"), primary_key=True),
    sa.Index("ix_enrollment_student_id", "student_id"),
)

sa.Table(
    "teaching",
    SCHEMA,
    required("class_id", KEY, sa.ForeignKey("school_class.id"), primary_key=True),
    required("educator_id", KEY, sa.ForeignKey("educator.id"), primary_key=True),
    sa.Index("ix_teaching_educator_id", "educator_id"),
)

sa.Table(
    "training_session",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("title", TEXT),
    required("held_on", DATE),
    required("minutes", INTEGER),
    required("educator_trainer_id", KEY, sa.ForeignKey("educator.id")),
    required("parent_trainer_id", KEY, sa.ForeignKey("person.id")),
    optional("recorded_by", KEY, sa.ForeignKey("account.id")),
    required("recorded_at", MOMENT),
    sa.CheckConstraint("educator_trainer_id <> parent_trainer_id", name="two_trainers"),
    sa.CheckConstraint("minutes > 0", name="minutes"),
)

sa.Table(
    "certification",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("educator_id", KEY, sa.ForeignKey("educator.id")),
    required("training_session_id", KEY, sa.ForeignKey("training_session.id")),
    required("valid_from", DATE),
    optional("valid_until", DATE),
    optional("revoked_on", DATE),
    sa.UniqueConstraint("educator_id", "training_session_id"),
    sa.UniqueConstraint("id", "educator_id"),
    sa.CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="dates"),
)

sa.Table(
    "opt_in",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("educator_id", KEY, sa.ForeignKey("educator.id")),
    required("answer", TEXT),
    required("at", MOMENT),
    optional("recorded_by", KEY, sa.ForeignKey("account.id")),
    sa.UniqueConstraint("id", "educator_id"),
    sa.CheckConstraint("answer IN ('in', 'out')", name="answer"),
    sa.Index("ix_opt_in_educator_id_id", "educator_id", "id"),
)

sa.Table(
    "account",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("email", TEXT, unique=True),
    required("name", TEXT),
    optional("password_hash", TEXT),
    optional("educator_id", KEY, sa.ForeignKey("educator.id"), unique=True),
    required("language", TEXT, server_default="en"),
    required("active", BOOLEAN, server_default=TRUE),
)

sa.Table(
    "account_grant",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("account_id", KEY, sa.ForeignKey("account.id"), index=True),
    required("role", TEXT),
    optional("school_id", KEY, sa.ForeignKey("school.id")),
    sa.UniqueConstraint("account_id", "role", "school_id"),
    sa.CheckConstraint("role IN ('educator', 'site_coordinator', 'district_lead', 'union_coordinator')", name="role"),
)

sa.Table(
    "sign_in_session",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("token_sha256", TEXT, unique=True),
    required("account_id", KEY, sa.ForeignKey("account.id"), index=True),
    required("created_at", MOMENT),
    required("last_seen_at", MOMENT),
    optional("ended_at", MOMENT),
)

sa.Table(
    "saved_form",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("token_sha256", TEXT, unique=True),
    required("account_id", KEY, sa.ForeignKey("account.id"), index=True),
    required("path", TEXT),
    required("page", TEXT),
    required("fields", TEXT),
    required("created_at", MOMENT),
)

sa.Table(
    "sign_in_attempt",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("subject", TEXT),
    required("at", MOMENT),
    required("succeeded", BOOLEAN),
    sa.Index("ix_sign_in_attempt_subject_at", "subject", "at"),
)

sa.Table(
    "heartbeat",
    SCHEMA,
    required("name", TEXT, primary_key=True),
    required("at", MOMENT),
    required("detail", TEXT, server_default=""),
)

# Hours and time taken

sa.Table(
    "weekly_hours",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("educator_id", KEY, sa.ForeignKey("educator.id"), index=True),
    required("weekday", INTEGER),
    required("starts", TEXT),
    required("ends", TEXT),
    sa.UniqueConstraint("educator_id", "weekday", "starts"),
    sa.CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
    sa.CheckConstraint("starts < ends", name="order"),
)

sa.Table(
    "closure",
    SCHEMA,
    required("id", KEY, primary_key=True),
    optional("school_id", KEY, sa.ForeignKey("school.id")),
    required("day", DATE),
    required("name", TEXT),
    sa.Index("ix_closure_day", "day"),
)

sa.Table(
    "commitment",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("person_id", KEY, sa.ForeignKey("person.id")),
    required("starts_at", MOMENT),
    required("ends_at", MOMENT),
    required("active", BOOLEAN, server_default=TRUE),
    required("subject", TEXT),
    sa.UniqueConstraint("id", "person_id"),
    sa.CheckConstraint("starts_at < ends_at", name="order"),
    sa.Index("ix_commitment_person_id_starts_at", "person_id", "starts_at"),
    sa.Index("ix_commitment_subject", "subject"),
)

# Traits, kept apart for the fairness test

sa.Table(
    "student_traits",
    SCHEMA,
    required("student_id", KEY, sa.ForeignKey("student.id"), primary_key=True),
    optional("sex", TEXT),
    optional("race_ethnicity", TEXT),
    optional("english_learner", BOOLEAN),
)

# Draws

sa.Table(
    "draw",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("school_id", KEY, sa.ForeignKey("school.id"), index=True),
    required("scope", TEXT),
    required("scope_value", TEXT),
    required("method", TEXT),
    required("seed", TEXT),
    required("sample_size", INTEGER),
    required("roster_sha256", TEXT),
    required("selected_sha256", TEXT),
    required("allocation", TEXT),
    optional("reason", TEXT),
    optional("replaces_id", KEY, sa.ForeignKey("draw.id"), unique=True),
    required("drawn_at", MOMENT),
    optional("drawn_by", KEY, sa.ForeignKey("account.id")),
    sa.CheckConstraint("scope IN ('class', 'grade', 'school')", name="scope"),
    sa.CheckConstraint("method IN ('everyone', 'random', 'stratified')", name="method"),
    sa.CheckConstraint("replaces_id IS NULL OR reason IS NOT NULL", name="redraw_reason"),
    sa.CheckConstraint("sample_size >= 0", name="sample_size"),
)

sa.Table(
    "draw_entry",
    SCHEMA,
    required("draw_id", KEY, sa.ForeignKey("draw.id"), primary_key=True),
    required("family_id", KEY, sa.ForeignKey("family.id"), primary_key=True),
    required("household_key", TEXT),
    optional("index_student_id", KEY, sa.ForeignKey("student.id")),
    required("students", TEXT),
    required("stratum", TEXT),
    required("sha256", TEXT),
    optional("position", INTEGER),
    sa.UniqueConstraint("draw_id", "position"),
)

# Requests, invitations and consent

sa.Table(
    "family_request",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("family_id", KEY, sa.ForeignKey("family.id"), index=True),
    required("school_id", KEY, sa.ForeignKey("school.id")),
    required("how", TEXT),
    required("at", MOMENT),
    optional("recorded_by", KEY, sa.ForeignKey("account.id")),
    sa.UniqueConstraint("id", "family_id"),
    sa.CheckConstraint("how IN ('text', 'phone', 'in_person', 'paper')", name="how"),
)

sa.Table(
    "invitation",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("family_id", KEY, sa.ForeignKey("family.id")),
    required("school_id", KEY, sa.ForeignKey("school.id")),
    optional("draw_id", INTEGER),
    optional("family_request_id", INTEGER),
    required("asked_at", MOMENT),
    optional("asked_by", KEY, sa.ForeignKey("account.id")),
    required("how", TEXT),
    required("language", TEXT),
    optional("replaces_id", KEY, sa.ForeignKey("invitation.id"), unique=True),
    optional("closed_at", MOMENT),
    sa.UniqueConstraint("id", "family_id"),
    sa.UniqueConstraint("draw_id", "family_id"),
    sa.ForeignKeyConstraint(["draw_id", "family_id"], ["draw_entry.draw_id", "draw_entry.family_id"]),
    sa.ForeignKeyConstraint(["family_request_id", "family_id"], ["family_request.id", "family_request.family_id"]),
    sa.CheckConstraint("(draw_id IS NULL) <> (family_request_id IS NULL)", name="draw_or_request"),
    sa.CheckConstraint("how IN ('text', 'phone', 'in_person', 'paper')", name="how"),
    sa.Index("ix_invitation_family_id", "family_id"),
    sa.Index("ix_invitation_school_id_asked_at", "school_id", "asked_at"),
)

sa.Table(
    "consent_ledger",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("family_id", KEY, sa.ForeignKey("family.id")),
    required("invitation_id", INTEGER),
    optional("visit_id", INTEGER),
    optional("caregiver_id", KEY, sa.ForeignKey("caregiver.id")),
    required("answer", TEXT),
    required("how", TEXT),
    required("language", TEXT),
    required("at", MOMENT),
    optional("recorded_by", KEY, sa.ForeignKey("account.id")),
    optional("evidence", TEXT),
    sa.UniqueConstraint("id", "family_id"),
    sa.ForeignKeyConstraint(["invitation_id", "family_id"], ["invitation.id", "invitation.family_id"]),
    sa.CheckConstraint(
        "answer IN ('yes', 'other_time', 'not_now', 'call_me', 'withdrawn', 'confirmed')", name="answer"
    ),
    sa.CheckConstraint("how IN ('text', 'phone', 'in_person', 'paper')", name="how"),
    sa.CheckConstraint("how = 'text' OR recorded_by IS NOT NULL", name="by_whom"),
    sa.CheckConstraint("answer <> 'confirmed' OR visit_id IS NOT NULL", name="confirmed_visit"),
    sa.Index("ix_consent_ledger_family_id_id", "family_id", "id"),
    sa.Index("ix_consent_ledger_invitation_id_id", "invitation_id", "id"),
)

# Visits

sa.Table(
    "visit",
    SCHEMA,
    required("id", KEY, primary_key=True, autoincrement=True),
    required("uid", TEXT, unique=True),
    required("family_id", KEY, sa.ForeignKey("family.id")),
    required("school_id", KEY, sa.ForeignKey("school.id")),
    required("kind", TEXT),
    required("state", TEXT),
    required("invitation_id", INTEGER),
    required("consent_id", INTEGER),
    optional("first_visit_id", KEY, sa.ForeignKey("visit.id")),
    required("lead_id", INTEGER),
    required("partner_id", INTEGER),
    required("min_trained", INTEGER),
    required("policy", TEXT),
    required("local_date", DATE),
    required("local_start", TEXT),
    required("timezone", TEXT),
    required("starts_at", MOMENT),
    required("ends_at", MOMENT),
    required("place_type", TEXT),
    required("version", INTEGER, server_default=sa.text("0")),
    required("booked_at", MOMENT),
    optional("booked_by", KEY, sa.ForeignKey("account.id")),
    required("updated_at", MOMENT),
    optional("closed_at", MOMENT),
    optional("attestation_id", INTEGER),
    optional("idempotency_key", TEXT, unique=True),
    sa.ForeignKeyConstraint(["invitation_id", "family_id"], ["invitation.id", "invitation.family_id"]),
    sa.ForeignKeyConstraint(["consent_id", "family_id"], ["consent_ledger.id", "consent_ledger.family_id"]),
    sa.ForeignKeyConstraint(
        ["id", "lead_id"],
        ["visit_member.visit_id", "visit_member.educator_id"],
        name="fk_visit_lead_is_member",
        use_alter=True,
        deferrable=True,
        initially="DEFERRED",
    ),
    sa.ForeignKeyConstraint(
        ["id", "partner_id"],
        ["visit_member.visit_id", "visit_member.educator_id"],
        name="fk_visit_partner_is_member",
        use_alter=True,
        deferrable=True,
        initially="DEFERRED",
    ),
    sa.ForeignKeyConstraint(
        ["attestation_id", "id"],
        ["attestation.id", "attestation.visit_id"],
        name="fk_visit_attestation",
        use_alter=True,
    ),
    sa.CheckConstraint("lead_id <> partner_id", name="two_people"),
    sa.CheckConstraint("kind IN ('first', 'second')", name="kind"),
    sa.CheckConstraint("(kind = 'second') = (first_visit_id IS NOT NULL)", name="second_needs_first"),
    sa.CheckConstraint(
        "state IN ('proposed', 'scheduled', 'confirmed', 'completed', 'cancelled_by_family', 'cancelled_by_educator', 'family_away', 'not_held')",
        name="state",
    ),
    sa.CheckConstraint("state <> 'completed' OR attestation_id IS NOT NULL", name="completed_is_attested"),
    sa.CheckConstraint("starts_at < ends_at", name="order"),
    sa.CheckConstraint("min_trained BETWEEN 1 AND 2", name="min_trained"),
    sa.CheckConstraint("place_type IN ('home', 'neutral', 'video')", name="place_type"),
    sa.Index("ix_visit_closed_at", "closed_at"),
    sa.Index("ix_visit_family_id_id", "family_id", "id"),
    sa.Index("ix_visit_invitation_id", "invitation_id"),
    sa.Index("ix_visit_school_id_starts_at", "school_id", "starts_at"),
    sa.Index("ix_visit_state_starts_at", "state", "starts_at"),
    partial_index(
        "uq_visit_live_family", "family_id", where="state IN ('proposed', 'scheduled', 'confirmed')", unique=True
    ),
)

sa.Table(
    "visit_member",
    SCHEMA,
    required("visit_id", KEY, sa.ForeignKey("visit.id"), primary_key=True),
    required("educator_id", KEY, sa.ForeignKey("educator.id"), primary_key=True),
    required("role", TEXT),
    required("state", TEXT),
    required("opt_in_id", INTEGER),
    optional("certification_id", INTEGER),
    required("commitment_id", INTEGER, unique=True),
    required("asked_at", MOMENT),
    optional("answered_at", MOMENT),
    optional("on_the_way_at", MOMENT),
    sa.ForeignKeyConstraint(["opt_in_id", "educator_id"], ["opt_in.id", "opt_in.educator_id"]),
    sa.ForeignKeyConstraint(["certification_id", "educator_id"], ["certification.id", "certification.educator_id"]),
    sa.ForeignKeyConstraint(["commitment_id", "educator_id"], ["commitment.id", "commitment.person_id"]),
    sa.CheckConstraint("role IN ('lead', 'partner')", name="role"),
    sa.CheckConstraint("state IN ('asked', 'coming', 'declined', 'unable', 'withdrawn')", name="state"),
    sa.Index("ix_visit_member_educator_id_visit_id", "educator_id", "visit_id"),
)

sa.Table(
    "attestation",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("visit_id", INTEGER),
    required("educator_id", INTEGER),
    required("outcome", TEXT),
    required("both_went", BOOLEAN),
    required("started_at", MOMENT),
    required("ended_at", MOMENT),
    required("place_type", TEXT),
    required("kind", TEXT),
    required("who_was_there", TEXT, server_default=""),
    optional("agrees_with_id", INTEGER),
    required("at", MOMENT),
    sa.UniqueConstraint("id", "visit_id"),
    sa.ForeignKeyConstraint(["visit_id", "educator_id"], ["visit_member.visit_id", "visit_member.educator_id"]),
    sa.ForeignKeyConstraint(["agrees_with_id", "visit_id"], ["attestation.id", "attestation.visit_id"]),
    sa.CheckConstraint("outcome IN ('met', 'family_away')", name="outcome"),
    sa.CheckConstraint("started_at < ended_at", name="order"),
    sa.CheckConstraint("kind IN ('first', 'second')", name="kind"),
    sa.CheckConstraint("place_type IN ('home', 'neutral', 'video')", name="place_type"),
    sa.Index("ix_attestation_visit_id_educator_id_id", "visit_id", "educator_id", "id"),
)

sa.Table(
    "reflection",
    SCHEMA,
    required("visit_id", INTEGER, primary_key=True),
    required("educator_id", INTEGER, primary_key=True),
    required("learned", TEXT),
    required("strengths", TEXT),
    required("will_do", TEXT),
    required("at", MOMENT),
    sa.ForeignKeyConstraint(["visit_id", "educator_id"], ["visit_member.visit_id", "visit_member.educator_id"]),
    sa.CheckConstraint("length(learned) <= 400 AND length(strengths) <= 400 AND length(will_do) <= 400", name="length"),
)

sa.Table(
    "visit_event",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("visit_id", KEY, sa.ForeignKey("visit.id"), index=True),
    required("what", TEXT),
    required("at", MOMENT),
    optional("by_account", KEY, sa.ForeignKey("account.id")),
    required("detail", TEXT, server_default=""),
)

# Pay

sa.Table(
    "pay_rule",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("pay_type", TEXT),
    required("unit", TEXT),
    required("rate_cents", INTEGER),
    required("minimum_minutes", INTEGER, server_default=sa.text("0")),
    required("round_to_minutes", INTEGER, server_default=sa.text("1")),
    required("pay_code", TEXT),
    required("clause", TEXT),
    required("effective_from", DATE),
    optional("effective_to", DATE),
    required("entered_at", MOMENT),
    optional("entered_by", KEY, sa.ForeignKey("account.id")),
    sa.CheckConstraint("pay_type IN ('visit', 'correction')", name="pay_type"),
    sa.CheckConstraint("unit IN ('flat_visit', 'hourly')", name="unit"),
    sa.CheckConstraint("rate_cents >= 0 AND minimum_minutes >= 0 AND round_to_minutes >= 1", name="amounts"),
    sa.CheckConstraint("effective_to IS NULL OR effective_to >= effective_from", name="dates"),
)

sa.Table(
    "payroll_export",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("period_from", DATE),
    required("period_to", DATE),
    required("made_at", MOMENT),
    optional("made_by", KEY, sa.ForeignKey("account.id")),
    required("sha256", TEXT),
    required("content", BYTES),
)

sa.Table(
    "pay_line",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("visit_id", INTEGER),
    required("person_id", INTEGER),
    required("pay_type", TEXT),
    required("school_id", KEY, sa.ForeignKey("school.id")),
    required("earned_on", DATE),
    required("minutes", INTEGER),
    required("paid_minutes", INTEGER),
    optional("rule_id", KEY, sa.ForeignKey("pay_rule.id")),
    optional("amount_cents", INTEGER),
    optional("unpaid_reason", TEXT),
    required("state", TEXT, server_default="earned"),
    optional("export_id", KEY, sa.ForeignKey("payroll_export.id"), index=True),
    required("created_at", MOMENT),
    sa.UniqueConstraint("visit_id", "person_id", "pay_type"),
    sa.CheckConstraint("pay_type IN ('visit', 'correction')", name="pay_type"),
    sa.ForeignKeyConstraint(["visit_id", "person_id"], ["visit_member.visit_id", "visit_member.educator_id"]),
    sa.CheckConstraint("(amount_cents IS NULL) <> (unpaid_reason IS NULL)", name="paid_or_why_not"),
    sa.CheckConstraint("amount_cents IS NULL OR rule_id IS NOT NULL", name="by_a_rule"),
    sa.CheckConstraint("amount_cents >= 0", name="amount"),
    sa.CheckConstraint("state IN ('earned', 'site_approved', 'approved', 'exported', 'returned')", name="state"),
    sa.CheckConstraint("(state = 'exported') = (export_id IS NOT NULL)", name="exported"),
    sa.Index("ix_pay_line_person_id_earned_on", "person_id", "earned_on"),
    sa.Index("ix_pay_line_school_id_earned_on", "school_id", "earned_on"),
    sa.Index("ix_pay_line_state_school_id", "state", "school_id"),
)

sa.Table(
    "pay_approval",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("line_id", KEY, sa.ForeignKey("pay_line.id"), index=True),
    required("step", TEXT),
    required("by_account", KEY, sa.ForeignKey("account.id")),
    required("at", MOMENT),
    required("comment", TEXT, server_default=""),
    sa.CheckConstraint("step IN ('site', 'union', 'returned')", name="step"),
    sa.CheckConstraint("step <> 'returned' OR comment <> ''", name="returned_says_why"),
)

# Calendar feeds

sa.Table(
    "feed_token",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("person_id", KEY, sa.ForeignKey("person.id"), index=True),
    required("sha256", TEXT, unique=True),
    required("created_at", MOMENT),
    optional("revoked_at", MOMENT),
    optional("last_fetched_at", MOMENT),
)

# Attendance

sa.Table(
    "attendance_code",
    SCHEMA,
    required("code", TEXT, primary_key=True),
    required("description", TEXT),
    required("category", TEXT),
    required("counts_as_absent", BOOLEAN),
)

sa.Table(
    "school_day",
    SCHEMA,
    required("day", DATE, primary_key=True),
)

sa.Table(
    "absence",
    SCHEMA,
    required("student_id", KEY, sa.ForeignKey("student.id"), primary_key=True),
    required("day", DATE, primary_key=True),
    required("code", TEXT, sa.ForeignKey("attendance_code.code")),
    required("absent", BOOLEAN, server_default=FALSE),
    sa.Index("ix_absence_day", "day"),
)

sa.Table(
    "prior_year",
    SCHEMA,
    required("student_id", KEY, sa.ForeignKey("student.id"), primary_key=True),
    required("school_year", INTEGER, primary_key=True),
    required("days_enrolled", INTEGER),
    required("days_absent", INTEGER),
)

sa.Table(
    "association_snapshot",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("made_at", MOMENT),
    required("period_from", DATE),
    required("period_to", DATE),
    required("document", TEXT),
)

# Messages

sa.Table(
    "phone",
    SCHEMA,
    required("e164", TEXT, primary_key=True),
    required("state", TEXT, server_default="ok"),
    optional("code", TEXT),
    optional("since", MOMENT),
    optional("last_inbound_at", MOMENT),
    sa.CheckConstraint("state IN ('ok', 'landline', 'bad', 'wrong_number')", name="state"),
)

sa.Table(
    "sender",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("provider", TEXT),
    required("address", TEXT),
    required("kind", TEXT, server_default="long_code"),
    required("weight", INTEGER, server_default=sa.text("100")),
    required("resting_weight", INTEGER, server_default=sa.text("100")),
    required("segments_per_second", FLOAT, server_default=sa.text("1")),
    optional("segments_per_day", INTEGER),
    optional("rate_now", FLOAT),
    optional("rate_failed", FLOAT),
    optional("slowed_at", MOMENT),
    required("tokens", FLOAT, server_default=sa.text("0")),
    optional("refilled_at", MOMENT),
    optional("paused_until", MOMENT),
    optional("pause_reason", TEXT),
    required("breaker", TEXT, server_default="closed"),
    optional("breaker_code", TEXT),
    optional("breaker_at", MOMENT),
    optional("probe_at", MOMENT),
    required("failures", INTEGER, server_default=sa.text("0")),
    required("registration", TEXT, server_default="unregistered"),
    optional("brand_id", TEXT),
    optional("campaign_id", TEXT),
    optional("registered_at", MOMENT),
    optional("note", TEXT),
    optional("changed_by", INTEGER),
    required("active", BOOLEAN, server_default=TRUE),
    sa.UniqueConstraint("provider", "address"),
    sa.CheckConstraint(
        "kind IN ('long_code', 'toll_free', 'short_code', 'service', 'gateway', 'console')", name="kind"
    ),
    sa.CheckConstraint("breaker IN ('closed', 'open', 'half_open')", name="breaker"),
    sa.CheckConstraint(
        "registration IN ('not_needed', 'unregistered', 'pending', 'registered', 'refused')", name="registration"
    ),
)

sa.Table(
    "outgoing_message",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("dedupe_key", TEXT, unique=True),
    required("subject", TEXT),
    optional("question", TEXT),
    required("phone", TEXT, sa.ForeignKey("phone.e164")),
    optional("school_id", KEY, sa.ForeignKey("school.id")),
    optional("zone", TEXT),
    required("language", TEXT),
    required("template", TEXT),
    required("category", TEXT, server_default="automatic"),
    required("priority", INTEGER, server_default=sa.text("5")),
    required("params", TEXT, server_default="{}"),
    required("body", TEXT),
    required("segments", INTEGER, server_default=sa.text("1")),
    required("not_before", MOMENT),
    required("expires_at", MOMENT),
    required("state", TEXT, server_default="queued"),
    required("cancel_requested", BOOLEAN, server_default=FALSE),
    optional("hold_reason", TEXT),
    required("attempts", INTEGER, server_default=sa.text("0")),
    required("next_at", MOMENT),
    optional("attempt_id", TEXT, unique=True),
    optional("lease_until", MOMENT),
    optional("provider", TEXT),
    optional("provider_message_id", TEXT, unique=True),
    optional("provider_status", TEXT),
    optional("error", TEXT),
    required("created_at", MOMENT),
    optional("sent_at", MOMENT),
    optional("final_at", MOMENT),
    optional("urgent_by", INTEGER),
    optional("urgent_reason", TEXT),
    optional("written_by", INTEGER),
    optional("resolved_at", MOMENT),
    optional("resolved_by", INTEGER),
    optional("resolved_how", TEXT),
    optional("resolved_note", TEXT),
    sa.CheckConstraint(
        "state IN ('held', 'queued', 'sending', 'accepted', 'delivered', 'undelivered', 'unknown', 'cancelled', 'expired', 'suppressed', 'rejected', 'dead')",
        name="state",
    ),
    sa.CheckConstraint("category IN ('reply', 'urgent', 'automatic', 'written', 'staff')", name="category"),
    partial_index("ix_outgoing_message_due", "priority", "next_at", "id", where="state IN ('held', 'queued')"),
    partial_index(
        "ix_outgoing_message_lost", "id", where="state IN ('undelivered', 'rejected', 'dead') AND resolved_at IS NULL"
    ),
    sa.Index("ix_outgoing_message_not_before", "not_before"),
    sa.Index("ix_outgoing_message_phone_id", "phone", "id"),
    sa.Index("ix_outgoing_message_phone_sent_at", "phone", "sent_at"),
    partial_index("ix_outgoing_message_sending", "phone", where="state = 'sending'", unique=True),
    sa.Index("ix_outgoing_message_state_created_at", "state", "created_at"),
    sa.Index("ix_outgoing_message_subject", "subject"),
)

sa.Table(
    "delivery_attempt",
    SCHEMA,
    required("attempt_id", TEXT, primary_key=True),
    required("message_id", KEY, sa.ForeignKey("outgoing_message.id")),
    required("n", INTEGER),
    optional("sender_id", KEY, sa.ForeignKey("sender.id")),
    required("provider", TEXT),
    required("phone", TEXT),
    required("body_sha256", TEXT),
    required("segments", INTEGER),
    required("started_at", MOMENT),
    optional("lease_until", MOMENT),
    optional("finished_at", MOMENT),
    optional("outcome", TEXT),
    optional("http_status", INTEGER),
    optional("code", TEXT),
    optional("provider_message_id", TEXT, unique=True),
    optional("status", TEXT),
    optional("status_at", MOMENT),
    required("lookups", INTEGER, server_default=sa.text("0")),
    optional("next_check_at", MOMENT),
    sa.CheckConstraint("outcome IN ('accepted', 'down', 'refused', 'unclear', 'not_found')", name="outcome"),
    partial_index("ix_delivery_attempt_lease_until", "lease_until", where="lease_until IS NOT NULL"),
    sa.Index("ix_delivery_attempt_message_id", "message_id"),
    partial_index("ix_delivery_attempt_next_check_at", "next_check_at", where="next_check_at IS NOT NULL"),
    sa.Index("ix_delivery_attempt_phone_started_at", "phone", "started_at"),
    sa.Index("ix_delivery_attempt_sender_id_started_at", "sender_id", "started_at"),
)

sa.Table(
    "incoming_message",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("provider_message_id", TEXT, unique=True),
    required("provider", TEXT, server_default="console"),
    required("phone", TEXT),
    required("to", TEXT),
    required("body", TEXT),
    required("media", INTEGER, server_default=sa.text("0")),
    optional("opt_out_type", TEXT),
    required("raw", TEXT, server_default="{}"),
    required("received_at", MOMENT),
    optional("processed_at", MOMENT),
    required("attempts", INTEGER, server_default=sa.text("0")),
    optional("intent", TEXT),
    optional("answers", TEXT),
    required("needs_staff", BOOLEAN),
    optional("handled_at", MOMENT),
    optional("handled_by", INTEGER),
    sa.Index("ix_incoming_message_needs_staff", "needs_staff"),
    partial_index("ix_incoming_message_unprocessed", "id", where="processed_at IS NULL"),
    sa.Index("ix_incoming_message_phone_id", "phone", "id"),
)

sa.Table(
    "opt_out_ledger",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("phone", TEXT),
    required("entry", TEXT),
    required("reason", TEXT),
    required("at", MOMENT),
    optional("evidence", TEXT),
    optional("how", TEXT),
    optional("by_account", INTEGER),
    sa.CheckConstraint("entry IN ('stop', 'start')", name="entry"),
    sa.CheckConstraint("reason IN ('family', 'provider', 'wrong_number', 'staff')", name="reason"),
    sa.Index("ix_opt_out_ledger_at", "at"),
    sa.Index("ix_opt_out_ledger_phone_id", "phone", "id"),
)

sa.Table(
    "provider_event",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("provider", TEXT),
    required("provider_message_id", TEXT),
    required("status", TEXT),
    required("code", TEXT, server_default=""),
    optional("attempt_id", TEXT),
    required("raw", TEXT),
    required("received_at", MOMENT),
    optional("applied_at", MOMENT),
    partial_index("ix_provider_event_not_applied", "provider_message_id", where="applied_at IS NULL"),
    sa.Index("uq_provider_event_once", "provider", "provider_message_id", "status", "code", unique=True),
)

sa.Table(
    "quiet_day",
    SCHEMA,
    required("id", KEY, primary_key=True),
    optional("school_id", KEY, sa.ForeignKey("school.id")),
    required("day", DATE),
    required("name", TEXT),
    optional("by_account", INTEGER),
    required("at", MOMENT),
    sa.Index("ix_quiet_day_day_school_id", "day", "school_id"),
)

sa.Table(
    "trial_recipient",
    SCHEMA,
    required("phone", TEXT, primary_key=True),
    required("name", TEXT),
    optional("by_account", INTEGER),
    required("at", MOMENT),
)

sa.Table(
    "message_alert",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("kind", TEXT),
    required("key", TEXT),
    required("first_at", MOMENT),
    required("last_at", MOMENT),
    required("times", INTEGER, server_default=sa.text("1")),
    required("detail", TEXT, server_default=""),
    optional("cleared_at", MOMENT),
    optional("cleared_by", INTEGER),
    sa.UniqueConstraint("kind", "key"),
)

# Incoming messages and conversations

sa.Table(
    "conversation",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("phone", TEXT, unique=True),
    required("last_at", MOMENT),
    optional("waiting_since", MOMENT),
    optional("assigned_to", KEY, sa.ForeignKey("account.id")),
    optional("assigned_at", MOMENT),
    sa.Index("ix_conversation_last_at", "last_at"),
    partial_index("ix_conversation_waiting_since", "waiting_since", where="waiting_since IS NOT NULL"),
)

sa.Table(
    "pending_choice",
    SCHEMA,
    required("id", KEY, primary_key=True),
    required("phone", TEXT),
    required("incoming_message_id", KEY, sa.ForeignKey("incoming_message.id"), unique=True),
    required("answer", TEXT),
    required("options", TEXT),
    required("asked_at", MOMENT),
    required("expires_at", MOMENT),
    optional("chosen", TEXT),
    optional("resolved_at", MOMENT),
    sa.CheckConstraint("answer IN ('yes', 'other_time', 'not_now', 'call_me')", name="answer"),
    partial_index("ix_pending_choice_open", "expires_at", where="resolved_at IS NULL"),
    sa.Index("ix_pending_choice_phone_id", "phone", "id"),
)

# Leases of the worker's periodic jobs

sa.Table(
    "job_lease",
    SCHEMA,
    required("name", TEXT, primary_key=True),
    optional("owner", TEXT),
    optional("lease_until", MOMENT),
    optional("last_ok", MOMENT),
)


def upgrade() -> None:
    SCHEMA.create_all(op.get_bind(), checkfirst=False)


def downgrade() -> None:
    SCHEMA.drop_all(op.get_bind(), checkfirst=False)
