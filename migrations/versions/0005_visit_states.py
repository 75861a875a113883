"""A visit can end as not held: allowed only from its start on, and while nobody has reported on it.

Recreates the trigger of migration 0002 that lists the allowed steps, with the new state in it.
"""

from typing import NamedTuple

from alembic import op

revision = "0005_visit_states"
down_revision = "0004_text_evidence"
branch_labels = None
depends_on = None


class Rule(NamedTuple):
    """Refuse `events` on `table` whenever `broken` is true of NEW and OLD."""

    name: str
    table: str
    events: str
    broken: str


STATES_BEFORE = (
    "state IN ('proposed', 'scheduled', 'confirmed', 'completed', 'cancelled_by_family', 'cancelled_by_educator',"
    " 'family_away')"
)
STATES = STATES_BEFORE.replace("'family_away')", "'family_away', 'not_held')")

STEPS_BEFORE = """(OLD.state = 'proposed' AND NEW.state IN ('scheduled', 'cancelled_by_family', 'cancelled_by_educator'))
    OR (OLD.state = 'scheduled' AND NEW.state IN ('proposed', 'confirmed', 'completed', 'family_away',
        'cancelled_by_family', 'cancelled_by_educator'))
    OR (OLD.state = 'confirmed' AND NEW.state IN ('proposed', 'scheduled', 'completed', 'family_away',
        'cancelled_by_family', 'cancelled_by_educator'))"""
STEPS = STEPS_BEFORE.replace("'cancelled_by_educator')", "'cancelled_by_educator', 'not_held')")

STEP_BEFORE = Rule("step", "visit", "UPDATE", f"NEW.state <> OLD.state AND NOT ({STEPS_BEFORE})")
STEP = Rule("step", "visit", "UPDATE", f"NEW.state <> OLD.state AND NOT ({STEPS})")
NOT_HELD = Rule(
    "not_held",
    "visit",
    "UPDATE",
    """NEW.state = 'not_held' AND OLD.state <> 'not_held' AND (NEW.closed_at IS NULL OR NEW.closed_at < NEW.starts_at
        OR EXISTS (SELECT 1 FROM attestation said WHERE said.visit_id = NEW.id))""",
)


def upgrade() -> None:
    _drop(STEP_BEFORE)
    _set_states(STATES_BEFORE, STATES)
    _create(STEP)
    _create(NOT_HELD)


def downgrade() -> None:
    _drop(NOT_HELD)
    _drop(STEP)
    # Before this migration such a visit was canceled by hand.
    op.execute("UPDATE visit SET state = 'cancelled_by_educator' WHERE state = 'not_held'")
    _set_states(STATES, STATES_BEFORE)
    _create(STEP_BEFORE)


def _set_states(before: str, after: str) -> None:
    """Replace the CHECK of visit.state."""
    if op.get_context().dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_visit_state"), "visit", type_="check")
        op.create_check_constraint(op.f("ck_visit_state"), "visit", after)
        return
    # SQLite cannot alter a CHECK, and rebuilding the table would drop its triggers and break those that name it. Its
    # documentation (lang_altertable.html, section 7) gives this way for changes that leave the stored rows as they are.
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    changed = connection.exec_driver_sql(
        "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'visit' AND instr(sql, ?) > 0",
        (before, after, before),
    )
    if changed.rowcount != 1:
        raise RuntimeError("the table visit does not have the expected CHECK on its state")
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")


def _name(rule: Rule) -> str:
    return f"{rule.table}_{rule.name}_{rule.events.lower()}"


def _drop(rule: Rule) -> None:
    if op.get_context().dialect.name == "sqlite":
        op.execute(f"DROP TRIGGER {_name(rule)}")
        return
    op.execute(f"DROP TRIGGER {_name(rule)} ON {rule.table}")
    op.execute(f"DROP FUNCTION {_name(rule)}()")


def _create(rule: Rule) -> None:
    if op.get_context().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER {_name(rule)} BEFORE {rule.events} ON {rule.table} FOR EACH ROW WHEN {rule.broken}"
            f" BEGIN SELECT RAISE(ABORT, 'homevisits: {rule.table} {rule.name}'); END"
        )
        return
    op.execute(
        f"CREATE FUNCTION {_name(rule)}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF {rule.broken} THEN RAISE EXCEPTION 'homevisits: {rule.table} {rule.name}' USING ERRCODE = '23514';"
        f" END IF; RETURN NEW; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {_name(rule)} BEFORE {rule.events} ON {rule.table}"
        f" FOR EACH ROW EXECUTE FUNCTION {_name(rule)}()"
    )
