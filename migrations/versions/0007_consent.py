"""Record which families a roster merged; book only with a yes of a present caregiver of the family.

A roster changes who cares for whom. Whether a yes still counts is decided by `invitations.queries.yes_counts`; the
trigger refuses, also for raw SQL, a booking on a yes whose giver is no caregiver of the family.
"""

import sqlalchemy as sa
from alembic import op

from homevisits.core import db

revision = "0007_consent"
down_revision = "0004_text_evidence"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = "visit_consent_giver_insert"
PRESENT = "(c.left_on IS NULL OR c.left_on > NEW.booked_at)"
BROKEN = f"""NOT EXISTS (
    SELECT 1 FROM consent_ledger yes WHERE yes.id = NEW.consent_id AND (
      EXISTS (SELECT 1 FROM caregiver c WHERE c.id = yes.caregiver_id AND c.family_id = NEW.family_id
        AND NOT c.restricted AND {PRESENT})
      OR (yes.caregiver_id IS NULL AND NOT EXISTS (
        SELECT 1 FROM caregiver c WHERE c.family_id = NEW.family_id AND {PRESENT}))))"""
MESSAGE = "homevisits: visit consent_giver"


def upgrade() -> None:
    op.create_table(
        "family_merge",
        sa.Column("id", KEY, nullable=False),
        sa.Column("family_id", KEY, nullable=False),
        sa.Column("merged_id", KEY, nullable=False),
        sa.Column("at", db.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["family_id"], ["family.id"], name=op.f("fk_family_merge_family_id")),
        sa.ForeignKeyConstraint(["merged_id"], ["family.id"], name=op.f("fk_family_merge_merged_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_family_merge")),
    )
    op.create_index("ix_family_merge_family_id", "family_merge", ["family_id"])
    op.create_index("ix_family_merge_merged_id", "family_merge", ["merged_id"])
    if op.get_context().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER {NAME} BEFORE INSERT ON visit FOR EACH ROW WHEN {BROKEN}"
            f" BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
        )
        return
    op.execute(
        f"CREATE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF {BROKEN} THEN RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = '23514'; END IF; RETURN NEW; END $$"
    )
    op.execute(f"CREATE TRIGGER {NAME} BEFORE INSERT ON visit FOR EACH ROW EXECUTE FUNCTION {NAME}()")


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        op.execute(f"DROP TRIGGER {NAME}")
    else:
        op.execute(f"DROP TRIGGER {NAME} ON visit")
        op.execute(f"DROP FUNCTION {NAME}()")
    op.drop_index("ix_family_merge_merged_id", "family_merge")
    op.drop_index("ix_family_merge_family_id", "family_merge")
    op.drop_table("family_merge")
