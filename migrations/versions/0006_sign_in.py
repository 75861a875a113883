"""Sign-in sessions as rows instead of an epoch of the account, and forms kept while a person signs in again."""

import sqlalchemy as sa
from alembic import op

from homevisits.core import db

revision = "0006_sign_in"
down_revision = "0004_text_evidence"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = db.Moment(timezone=True)


def upgrade() -> None:
    """Create the two tables. Sessions that are open at this moment end: their cookies name no row."""
    op.create_table(
        "sign_in_session",
        sa.Column("id", KEY, nullable=False),
        sa.Column("token_sha256", sa.Text(), nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_sign_in_session_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_session")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_sign_in_session_token_sha256")),
    )
    op.create_index(op.f("ix_sign_in_session_account_id"), "sign_in_session", ["account_id"])
    op.create_table(
        "kept_form",
        sa.Column("id", KEY, nullable=False),
        sa.Column("token_sha256", sa.Text(), nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_kept_form_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kept_form")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_kept_form_token_sha256")),
    )
    op.create_index(op.f("ix_kept_form_account_id"), "kept_form", ["account_id"])
    op.drop_column("account", "session_epoch")


def downgrade() -> None:
    """Go back to the epoch of the account."""
    op.add_column("account", sa.Column("session_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.drop_table("kept_form")
    op.drop_table("sign_in_session")
