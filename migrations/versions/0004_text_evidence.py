"""What a text may never do, guaranteed by the database itself: leave after a stop, leave twice, change what left.

One rule is one condition, as in 0002; it becomes a trigger of either engine. Delivery asks the same before it claims a
text; these hold for a worker of another version and for raw SQL as well.
"""

from typing import NamedTuple

import sqlalchemy as sa
from alembic import op

revision = "0004_text_evidence"
down_revision = "0003_texts"
branch_labels = None
depends_on = None


class Rule(NamedTuple):
    """Refuse `events` on `table` whenever `broken` is true of NEW and OLD."""

    name: str
    table: str
    events: str
    broken: str


# Texts that answer the family's own word: the one confirmation of a stop, and HELP.
ANSWERS = "('stop_confirmed', 'wrong_number_confirmed', 'help')"
LEAVES = "NEW.state = 'sending' AND OLD.state <> 'sending'"

RULES = (
    Rule(
        "stopped",
        "outbox",
        "UPDATE",
        f"""{LEAVES} AND NEW.template NOT IN {ANSWERS} AND (SELECT said.entry FROM texting_ledger said
            WHERE said.phone = NEW.phone ORDER BY said.id DESC LIMIT 1) = 'stop'""",
    ),
    Rule("called_off", "outbox", "UPDATE", f"{LEAVES} AND NOT NEW.wanted"),
    # What left, or may have left, is over: only a text that waits is taken up.
    Rule("once", "outbox", "UPDATE", f"{LEAVES} AND OLD.state NOT IN ('held', 'queued')"),
    Rule("begins_waiting", "outbox", "INSERT", "NEW.state = 'sending'"),
    Rule(
        "urgent_has_a_reason",
        "outbox",
        "UPDATE",
        f"{LEAVES} AND NEW.pace = 'urgent' AND (NEW.urgent_by IS NULL OR coalesce(NEW.urgent_reason, '') = '')",
    ),
    Rule(
        "attempt_kept",
        "attempt",
        "UPDATE",
        """NEW.token <> OLD.token OR NEW.outbox_id <> OLD.outbox_id OR NEW.phone <> OLD.phone OR NEW.n <> OLD.n
            OR NEW.body_sha256 <> OLD.body_sha256 OR NEW.started_at <> OLD.started_at
            OR (OLD.sid IS NOT NULL AND NEW.sid IS DISTINCT FROM OLD.sid)
            OR (OLD.outcome = 'accepted' AND NEW.outcome IS DISTINCT FROM OLD.outcome)""",
    ),
    Rule("attempt_kept", "attempt", "DELETE", "OLD.token IS NOT NULL"),
)


def upgrade() -> None:
    where = sa.text("state = 'sending'")
    op.drop_index("ix_outbox_sending", "outbox")
    # Two texts are never on their way to one phone at once, whoever sends them.
    op.create_index("ix_outbox_sending", "outbox", ["phone"], unique=True, sqlite_where=where, postgresql_where=where)
    sqlite = op.get_context().dialect.name == "sqlite"
    for rule in RULES:
        _sqlite(rule) if sqlite else _postgresql(rule)


def downgrade() -> None:
    sqlite = op.get_context().dialect.name == "sqlite"
    for rule in RULES:
        op.execute(f"DROP TRIGGER {_name(rule)}" + ("" if sqlite else f" ON {rule.table}"))
        if not sqlite:
            op.execute(f"DROP FUNCTION {_name(rule)}()")
    where = sa.text("state = 'sending'")
    op.drop_index("ix_outbox_sending", "outbox")
    op.create_index("ix_outbox_sending", "outbox", ["phone"], sqlite_where=where, postgresql_where=where)


def _name(rule: Rule) -> str:
    return f"{rule.table}_{rule.name}_{rule.events.lower()}"


def _sqlite(rule: Rule) -> None:
    op.execute(
        f"CREATE TRIGGER {_name(rule)} BEFORE {rule.events} ON {rule.table} FOR EACH ROW WHEN {rule.broken}"
        f" BEGIN SELECT RAISE(ABORT, 'homevisits: {rule.table} {rule.name}'); END"
    )


def _postgresql(rule: Rule) -> None:
    # Without it, a temporary table named as one of ours would be read instead. pg_temp last: unnamed, it comes first.
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(
        f"CREATE FUNCTION {_name(rule)}() RETURNS trigger LANGUAGE plpgsql"
        f" SET search_path = pg_catalog, {schema}, pg_temp AS $$ BEGIN"
        f" IF {rule.broken} THEN RAISE EXCEPTION 'homevisits: {rule.table} {rule.name}' USING ERRCODE = '23514';"
        f" END IF; RETURN {'OLD' if rule.events == 'DELETE' else 'NEW'}; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {_name(rule)} BEFORE {rule.events} ON {rule.table}"
        f" FOR EACH ROW EXECUTE FUNCTION {_name(rule)}()"
    )
