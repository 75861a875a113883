"""Create triggers and exclusion constraints that reject rows without the required evidence, even with raw SQL.

Each rule is a condition in SQL that SQLite and PostgreSQL share. On both, a trigger rejects the statement with the
message "homevisits: <table> <rule>". `homevisits.visits` maps these messages to problem codes.
"""

from typing import NamedTuple

from alembic import op

revision = "0002_constraints"
down_revision = "0001_schema"
branch_labels = None
depends_on = None


class Rule(NamedTuple):
    """Reject `event` on `table` when `condition` is true of NEW and OLD."""

    name: str
    table: str
    event: str
    condition: str


# Tables with rows that are never changed or deleted.
APPEND_ONLY = (
    "opt_in",
    "consent_ledger",
    "family_request",
    "draw",
    "draw_entry",
    "attestation",
    "opt_out_ledger",
    "pay_approval",
    "payroll_export",
    "visit_event",
)

# States of a visit that is booked and has not ended.
ACTIVE_STATES = "('proposed', 'scheduled', 'confirmed')"

# Certification c of the educator is valid on the day.
VALID_CERTIFICATION = """c.educator_id = {educator} AND c.valid_from <= {day}
    AND (c.valid_until IS NULL OR c.valid_until >= {day}) AND (c.revoked_on IS NULL OR c.revoked_on > {day})"""

# The visit's consent is not a yes to its invitation, or the family declined after it.
NO_CONSENT = """NOT EXISTS (
    SELECT 1 FROM consent_ledger yes WHERE yes.id = NEW.consent_id AND yes.answer = 'yes'
      AND yes.invitation_id = NEW.invitation_id AND NOT EXISTS (
        SELECT 1 FROM consent_ledger later WHERE later.family_id = yes.family_id AND later.id > yes.id
          AND later.answer IN ('not_now', 'withdrawn')))"""

# The consent's giver is no present caregiver of the family, or the consent has no giver although the family has
# caregivers.
PRESENT_AT_BOOKING = "(c.left_on IS NULL OR c.left_on > NEW.booked_at)"
NO_CONSENT_GIVER = f"""NOT EXISTS (
    SELECT 1 FROM consent_ledger yes WHERE yes.id = NEW.consent_id AND (
      EXISTS (SELECT 1 FROM caregiver c WHERE c.id = yes.caregiver_id AND c.family_id = NEW.family_id
        AND NOT c.restricted AND {PRESENT_AT_BOOKING})
      OR (yes.caregiver_id IS NULL AND NOT EXISTS (
        SELECT 1 FROM caregiver c WHERE c.family_id = NEW.family_id AND {PRESENT_AT_BOOKING}))))"""

# A second visit without a completed first visit to the same family.
FIRST_VISIT_MISSING = """NEW.kind = 'second' AND NOT EXISTS (
    SELECT 1 FROM visit done WHERE done.id = NEW.first_visit_id AND done.family_id = NEW.family_id
      AND done.kind = 'first' AND done.state = 'completed')"""

# Number of educators of the pair with a certification that is valid on the day of the visit.
TRAINED_MEMBERS = (
    """(SELECT count(*) FROM visit_member m JOIN certification c ON c.id = m.certification_id
    WHERE m.visit_id = NEW.id AND m.educator_id IN (NEW.lead_id, NEW.partner_id) AND """
    + VALID_CERTIFICATION.format(educator="m.educator_id", day="NEW.local_date")
    + ")"
)

# Number of educators of the pair with a commitment that covers the time of the visit.
COMMITTED_MEMBERS = """(SELECT count(*) FROM visit_member m JOIN commitment t ON t.id = m.commitment_id
    WHERE m.visit_id = NEW.id AND m.educator_id IN (NEW.lead_id, NEW.partner_id)
      AND (t.active OR m.state NOT IN ('asked', 'coming'))
      AND t.starts_at <= NEW.starts_at AND t.ends_at >= NEW.ends_at)"""

# Both educators reported that they met the family, with the same times and place.
BOTH_ATTESTED = """EXISTS (
    SELECT 1 FROM attestation report JOIN attestation agreed ON agreed.agrees_with_id = report.id
    WHERE report.id = NEW.attestation_id AND report.visit_id = NEW.id AND report.outcome = 'met' AND report.both_went
      AND agreed.outcome = report.outcome AND agreed.both_went AND agreed.place_type = report.place_type
      AND agreed.started_at = report.started_at AND agreed.ended_at = report.ended_at
      AND report.educator_id <> agreed.educator_id
      AND report.educator_id IN (NEW.lead_id, NEW.partner_id) AND agreed.educator_id IN (NEW.lead_id, NEW.partner_id))"""

# Both educators agreed to come.
BOTH_COMING = """(SELECT count(*) FROM visit_member m WHERE m.visit_id = NEW.id AND m.state = 'coming'
    AND m.educator_id IN (NEW.lead_id, NEW.partner_id)) = 2"""

# Allowed state changes of a visit.
ALLOWED_TRANSITIONS = """(OLD.state = 'proposed' AND NEW.state IN ('scheduled', 'cancelled_by_family', 'cancelled_by_educator', 'not_held'))
    OR (OLD.state = 'scheduled' AND NEW.state IN ('proposed', 'confirmed', 'completed', 'family_away',
        'cancelled_by_family', 'cancelled_by_educator', 'not_held'))
    OR (OLD.state = 'confirmed' AND NEW.state IN ('proposed', 'scheduled', 'completed', 'family_away',
        'cancelled_by_family', 'cancelled_by_educator', 'not_held'))"""

# Templates that may be sent after an opt-out: its confirmation, and the answer to HELP.
OPT_OUT_REPLIES = "('stop_confirmed', 'wrong_number_confirmed', 'help')"
# A worker claims the message to send it.
IS_CLAIMED = "NEW.state = 'sending' AND OLD.state <> 'sending'"

# Approval `a` is still valid: the pay line was not returned after it.
NOT_RETURNED_SINCE = """NOT EXISTS (
    SELECT 1 FROM pay_approval back WHERE back.line_id = a.line_id AND back.step = 'returned' AND back.id > a.id)"""

RULES = (
    # Practice 1: visits are voluntary
    Rule("consent", "visit", "INSERT", NO_CONSENT),
    Rule("consent_giver", "visit", "INSERT", NO_CONSENT_GIVER),
    Rule("consent", "visit", "UPDATE", f"NEW.state IN {ACTIVE_STATES} AND {NO_CONSENT}"),
    Rule(
        "said_no_before",
        "visit",
        "UPDATE",
        """NEW.state = 'completed' AND OLD.state <> 'completed' AND EXISTS (
            SELECT 1 FROM consent_ledger later WHERE later.family_id = NEW.family_id AND later.id > NEW.consent_id
              AND later.answer IN ('not_now', 'withdrawn') AND later.at < NEW.starts_at)""",
    ),
    Rule(
        "opt_in",
        "visit_member",
        "INSERT",
        """NOT EXISTS (SELECT 1 FROM opt_in o WHERE o.id = NEW.opt_in_id AND o.answer = 'in' AND NOT EXISTS (
            SELECT 1 FROM opt_in later WHERE later.educator_id = o.educator_id AND later.id > o.id
              AND later.answer = 'out'))""",
    ),
    # Practice 2: educators are trained, on the day of the visit
    Rule(
        "certified",
        "visit_member",
        "INSERT",
        "NEW.certification_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM certification c JOIN visit v"
        " ON v.id = NEW.visit_id WHERE c.id = NEW.certification_id AND "
        + VALID_CERTIFICATION.format(educator="NEW.educator_id", day="v.local_date")
        + ")",
    ),
    Rule(
        "certified_enough",
        "visit_member",
        "INSERT",
        """NEW.certification_id IS NULL AND (
            (SELECT v.min_trained FROM visit v WHERE v.id = NEW.visit_id) >= 2 OR EXISTS (
              SELECT 1 FROM visit_member m WHERE m.visit_id = NEW.visit_id AND m.certification_id IS NULL
                AND m.state IN ('asked', 'coming')))""",
    ),
    Rule(
        "certified_then",
        "visit",
        "UPDATE",
        "(NEW.local_date <> OLD.local_date OR (NEW.state = 'completed' AND OLD.state <> 'completed'))"
        f" AND {TRAINED_MEMBERS} < NEW.min_trained",
    ),
    # Practice 3: families are drawn or request a visit; educators do not choose them
    Rule(
        "drawn",
        "invitation",
        "INSERT",
        """NEW.draw_id IS NOT NULL AND NEW.replaces_id IS NULL AND NOT EXISTS (
            SELECT 1 FROM draw_entry e WHERE e.draw_id = NEW.draw_id AND e.family_id = NEW.family_id
              AND e.position IS NOT NULL)""",
    ),
    Rule(
        "replaces",
        "invitation",
        "INSERT",
        """NEW.replaces_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM invitation refused
            JOIN draw_entry theirs ON theirs.draw_id = refused.draw_id AND theirs.family_id = refused.family_id
            JOIN draw_entry e ON e.draw_id = refused.draw_id AND e.stratum = theirs.stratum
            WHERE refused.id = NEW.replaces_id AND refused.draw_id = NEW.draw_id AND refused.closed_at IS NOT NULL
              AND e.family_id = NEW.family_id)""",
    ),
    Rule(
        "no_place_added",
        "draw_entry",
        "INSERT",
        "NEW.position > (SELECT d.sample_size FROM draw d WHERE d.id = NEW.draw_id)",
    ),
    Rule(
        "invitation_kept",
        "invitation",
        "UPDATE",
        "NEW.family_id <> OLD.family_id OR NEW.draw_id IS DISTINCT FROM OLD.draw_id"
        " OR NEW.family_request_id IS DISTINCT FROM OLD.family_request_id OR NEW.school_id <> OLD.school_id"
        " OR NEW.replaces_id IS DISTINCT FROM OLD.replaces_id OR NEW.id <> OLD.id",
    ),
    Rule("invitation_kept", "invitation", "DELETE", "OLD.id IS NOT NULL"),
    # Practice 4: the first visit is about hopes and dreams
    Rule("first_done", "visit", "INSERT", FIRST_VISIT_MISSING),
    Rule(
        "first_done",
        "visit",
        "UPDATE",
        f"NEW.first_visit_id IS DISTINCT FROM OLD.first_visit_id AND {FIRST_VISIT_MISSING}",
    ),
    # Practice 5: educators visit in pairs
    Rule(
        "coming_together",
        "visit",
        "UPDATE",
        f"""NEW.state IN ('scheduled', 'confirmed', 'completed') AND NOT ({BOTH_COMING}) AND (NEW.state <> OLD.state
            OR NEW.lead_id <> OLD.lead_id OR NEW.partner_id <> OLD.partner_id)""",
    ),
    Rule(
        "team_kept",
        "visit_member",
        "UPDATE",
        """OLD.state = 'coming' AND NEW.state <> 'coming' AND EXISTS (
            SELECT 1 FROM visit v WHERE v.id = OLD.visit_id AND v.state IN ('scheduled', 'confirmed', 'completed')
              AND OLD.educator_id IN (v.lead_id, v.partner_id))""",
    ),
    Rule(
        "both_attested",
        "visit",
        "UPDATE",
        f"NEW.state = 'completed' AND OLD.state <> 'completed' AND NOT {BOTH_ATTESTED}",
    ),
    # No double booking
    Rule(
        "committed",
        "visit_member",
        "INSERT",
        """NOT EXISTS (SELECT 1 FROM commitment t JOIN visit v ON v.id = NEW.visit_id
            WHERE t.id = NEW.commitment_id AND t.active AND t.starts_at <= v.starts_at AND t.ends_at >= v.ends_at)""",
    ),
    Rule(
        "committed",
        "visit",
        "UPDATE",
        "(NEW.starts_at <> OLD.starts_at OR NEW.ends_at <> OLD.ends_at OR NEW.lead_id <> OLD.lead_id"
        " OR NEW.partner_id <> OLD.partner_id OR (NEW.state <> OLD.state AND NEW.state <> 'proposed'))"
        f" AND (NEW.state IN {ACTIVE_STATES} OR NEW.state = 'completed') AND {COMMITTED_MEMBERS} < 2",
    ),
    Rule(
        "commitment_kept",
        "commitment",
        "UPDATE",
        f"""((OLD.active AND NOT NEW.active) OR NEW.person_id <> OLD.person_id) AND EXISTS (
            SELECT 1 FROM visit_member m JOIN visit v ON v.id = m.visit_id WHERE m.commitment_id = OLD.id
              AND m.state IN ('asked', 'coming') AND v.state IN {ACTIVE_STATES})""",
    ),
    # Commitments may move with a proposed visit. A scheduled visit needs both to cover its time.
    Rule(
        "commitment_kept_then",
        "commitment",
        "UPDATE",
        """(NEW.starts_at <> OLD.starts_at OR NEW.ends_at <> OLD.ends_at) AND EXISTS (
            SELECT 1 FROM visit_member m JOIN visit v ON v.id = m.visit_id WHERE m.commitment_id = OLD.id
              AND m.state IN ('asked', 'coming') AND v.state IN ('scheduled', 'confirmed')
              AND (NEW.starts_at > v.starts_at OR NEW.ends_at < v.ends_at))""",
    ),
    # States of a visit
    Rule("begins_proposed", "visit", "INSERT", "NEW.state <> 'proposed'"),
    Rule("step", "visit", "UPDATE", f"NEW.state <> OLD.state AND NOT ({ALLOWED_TRANSITIONS})"),
    Rule(
        "not_held",
        "visit",
        "UPDATE",
        """NEW.state = 'not_held' AND OLD.state <> 'not_held' AND (NEW.closed_at IS NULL OR NEW.closed_at < NEW.starts_at
            OR EXISTS (SELECT 1 FROM attestation report WHERE report.visit_id = NEW.id))""",
    ),
    Rule(
        "visit_kept",
        "visit",
        "UPDATE",
        f"""NEW.family_id <> OLD.family_id OR NEW.school_id <> OLD.school_id OR NEW.kind <> OLD.kind
            OR NEW.uid <> OLD.uid OR NEW.id <> OLD.id OR NEW.min_trained <> OLD.min_trained
            OR NEW.invitation_id <> OLD.invitation_id OR (OLD.state NOT IN {ACTIVE_STATES} AND (NEW.lead_id <> OLD.lead_id
              OR NEW.partner_id <> OLD.partner_id OR NEW.starts_at <> OLD.starts_at OR NEW.ends_at <> OLD.ends_at
              OR NEW.local_date <> OLD.local_date OR NEW.consent_id <> OLD.consent_id
              OR NEW.attestation_id IS DISTINCT FROM OLD.attestation_id))""",
    ),
    Rule("visit_kept", "visit", "DELETE", "OLD.id IS NOT NULL"),
    Rule(
        "member_kept",
        "visit_member",
        "UPDATE",
        """NEW.visit_id <> OLD.visit_id OR NEW.educator_id <> OLD.educator_id OR NEW.opt_in_id <> OLD.opt_in_id
            OR NEW.certification_id IS DISTINCT FROM OLD.certification_id OR NEW.commitment_id <> OLD.commitment_id""",
    ),
    Rule("member_kept", "visit_member", "DELETE", "OLD.visit_id IS NOT NULL"),
    Rule(
        "certification_kept",
        "certification",
        "UPDATE",
        """NEW.educator_id <> OLD.educator_id OR NEW.valid_from <> OLD.valid_from
            OR NEW.valid_until IS DISTINCT FROM OLD.valid_until
            OR NEW.training_session_id <> OLD.training_session_id OR NEW.id <> OLD.id""",
    ),
    # Pay
    Rule(
        "pay_needs_visit",
        "pay_line",
        "INSERT",
        """NOT EXISTS (SELECT 1 FROM visit v WHERE v.id = NEW.visit_id AND v.state = 'completed'
            AND NEW.person_id IN (v.lead_id, v.partner_id))""",
    ),
    Rule("pay_begins_earned", "pay_line", "INSERT", "NEW.state <> 'earned'"),
    Rule(
        "pay_kept",
        "pay_line",
        "UPDATE",
        """NEW.id <> OLD.id OR NEW.visit_id <> OLD.visit_id OR NEW.person_id <> OLD.person_id
            OR NEW.pay_type <> OLD.pay_type
            OR NEW.school_id <> OLD.school_id OR NEW.earned_on <> OLD.earned_on OR NEW.minutes <> OLD.minutes
            OR NEW.paid_minutes <> OLD.paid_minutes OR NEW.rule_id IS DISTINCT FROM OLD.rule_id
            OR NEW.amount_cents IS DISTINCT FROM OLD.amount_cents
            OR NEW.unpaid_reason IS DISTINCT FROM OLD.unpaid_reason
            OR (OLD.state = 'exported' AND (NEW.state <> 'exported' OR NEW.export_id <> OLD.export_id))""",
    ),
    Rule("pay_kept", "pay_line", "DELETE", "OLD.id IS NOT NULL"),
    Rule(
        "pay_approved",
        "pay_line",
        "UPDATE",
        f"""NEW.state IN ('site_approved', 'approved', 'exported') AND NOT EXISTS (
            SELECT 1 FROM pay_approval a WHERE a.line_id = NEW.id AND a.step = 'site' AND {NOT_RETURNED_SINCE})""",
    ),
    Rule(
        "pay_approved_twice",
        "pay_line",
        "UPDATE",
        f"""NEW.state IN ('approved', 'exported') AND NOT EXISTS (
            SELECT 1 FROM pay_approval a JOIN pay_approval b ON b.line_id = a.line_id AND b.id > a.id
            WHERE a.line_id = NEW.id AND a.step = 'site' AND b.step = 'union' AND a.by_account <> b.by_account
              AND {NOT_RETURNED_SINCE})""",
    ),
    # Messages: not sent after an opt-out, not sent twice, not changed after sending
    Rule(
        "stopped",
        "outgoing_message",
        "UPDATE",
        f"""{IS_CLAIMED} AND NEW.template NOT IN {OPT_OUT_REPLIES} AND (SELECT ledger.entry FROM opt_out_ledger ledger
            WHERE ledger.phone = NEW.phone ORDER BY ledger.id DESC LIMIT 1) = 'stop'""",
    ),
    Rule("called_off", "outgoing_message", "UPDATE", f"{IS_CLAIMED} AND NEW.cancel_requested"),
    # A message that was sent, or may have been sent, is not claimed again.
    Rule("once", "outgoing_message", "UPDATE", f"{IS_CLAIMED} AND OLD.state NOT IN ('held', 'queued')"),
    Rule("begins_waiting", "outgoing_message", "INSERT", "NEW.state = 'sending'"),
    Rule(
        "urgent_has_a_reason",
        "outgoing_message",
        "UPDATE",
        f"{IS_CLAIMED} AND NEW.category = 'urgent' AND (NEW.urgent_by IS NULL OR coalesce(NEW.urgent_reason, '') = '')",
    ),
    Rule(
        "attempt_kept",
        "delivery_attempt",
        "UPDATE",
        """NEW.attempt_id <> OLD.attempt_id OR NEW.message_id <> OLD.message_id OR NEW.phone <> OLD.phone OR NEW.n <> OLD.n
            OR NEW.body_sha256 <> OLD.body_sha256 OR NEW.started_at <> OLD.started_at
            OR (OLD.provider_message_id IS NOT NULL AND NEW.provider_message_id IS DISTINCT FROM OLD.provider_message_id)
            OR (OLD.outcome = 'accepted' AND NEW.outcome IS DISTINCT FROM OLD.outcome)""",
    ),
    Rule("attempt_kept", "delivery_attempt", "DELETE", "OLD.attempt_id IS NOT NULL"),
    *(Rule("append_only", table, event, "1 = 1") for table in APPEND_ONLY for event in ("UPDATE", "DELETE")),
)

# The person has another active commitment at that time. PostgreSQL has an exclusion constraint instead.
OVERLAPPING = """NEW.active AND EXISTS (SELECT 1 FROM commitment other WHERE other.person_id = NEW.person_id
    AND other.active AND other.id IS NOT NEW.id AND other.starts_at < NEW.ends_at AND other.ends_at > NEW.starts_at)"""

# SQLite's INSERT OR REPLACE deletes rows without firing DELETE triggers, so replacing a row is rejected as well.
UNIQUE_KEYS = {
    **{table: ("id",) for table in APPEND_ONLY if table != "draw_entry"},
    "draw_entry": ("draw_id, family_id", "draw_id, position"),
    "draw": ("id", "replaces_id"),
    "payroll_export": ("id",),
    "invitation": ("id", "draw_id, family_id", "replaces_id"),
    "certification": ("id", "educator_id, training_session_id"),
    "commitment": ("id",),
    "visit": ("id", "uid", "idempotency_key"),
    "visit_member": ("visit_id, educator_id", "commitment_id"),
    "pay_line": ("id", "visit_id, person_id, pay_type"),
}


def _replaces(table: str, event: str) -> str:
    """Return the condition that `table` has another row with a unique key of the new row."""
    keys = (" AND ".join(f"kept.{c} = NEW.{c}" for c in key.split(", ")) for key in UNIQUE_KEYS[table])
    other = " AND kept.rowid <> OLD.rowid" if event == "UPDATE" else ""
    return " OR ".join(f"EXISTS (SELECT 1 FROM {table} kept WHERE {key}{other})" for key in keys)


SQLITE_RULES = (
    Rule("overlap", "commitment", "INSERT", OVERLAPPING),
    Rule("overlap", "commitment", "UPDATE", OVERLAPPING),
    *(Rule("not_replaced", table, "INSERT", _replaces(table, "INSERT")) for table in UNIQUE_KEYS),
    *(
        Rule("not_replaced", table, "UPDATE", _replaces(table, "UPDATE"))
        for table in UNIQUE_KEYS
        if table not in APPEND_ONLY
    ),
)


def upgrade() -> None:
    if _is_sqlite():
        for rule in RULES + SQLITE_RULES:
            op.execute(_sqlite_trigger(rule))
        return
    # A range with a single id overlaps only itself; a plain id would need the extension btree_gist.
    op.execute(
        "ALTER TABLE commitment ADD CONSTRAINT overlap EXCLUDE USING gist ("
        "int8range(person_id, person_id, '[]') WITH &&, tstzrange(starts_at, ends_at) WITH &&) WHERE (active)"
    )
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for rule in RULES:
        op.execute(_postgresql_function(rule, schema))
        op.execute(
            f"CREATE TRIGGER {_name(rule)} BEFORE {rule.event} ON {rule.table}"
            f" FOR EACH ROW EXECUTE FUNCTION {_name(rule)}()"
        )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only_truncate BEFORE TRUNCATE ON {table}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only_delete()"
        )


def downgrade() -> None:
    if _is_sqlite():
        for rule in RULES + SQLITE_RULES:
            op.execute(f"DROP TRIGGER {_name(rule)}")
        return
    for table in APPEND_ONLY:
        op.execute(f"DROP TRIGGER {table}_append_only_truncate ON {table}")
    for rule in RULES:
        op.execute(f"DROP TRIGGER {_name(rule)} ON {rule.table}")
        op.execute(f"DROP FUNCTION {_name(rule)}()")
    op.execute("ALTER TABLE commitment DROP CONSTRAINT overlap")


def _is_sqlite() -> bool:
    return op.get_context().dialect.name == "sqlite"


def _name(rule: Rule) -> str:
    return f"{rule.table}_{rule.name}_{rule.event.lower()}"


def _message(rule: Rule) -> str:
    return f"homevisits: {rule.table} {rule.name}"


def _sqlite_trigger(rule: Rule) -> str:
    return (
        f"CREATE TRIGGER {_name(rule)} BEFORE {rule.event} ON {rule.table} FOR EACH ROW WHEN {rule.condition}"
        f" BEGIN SELECT RAISE(ABORT, '{_message(rule)}'); END"
    )


def _postgresql_function(rule: Rule, schema: str) -> str:
    """Return the trigger function of a rule. `schema` is the quoted name of the schema that holds our tables.

    The fixed search path prevents the function from reading a temporary table that has the name of one of our tables.
    pg_temp is listed last, because PostgreSQL searches it first if it is not listed.
    """
    returned = "OLD" if rule.event == "DELETE" else "NEW"
    return (
        f"CREATE FUNCTION {_name(rule)}() RETURNS trigger LANGUAGE plpgsql"
        f" SET search_path = pg_catalog, {schema}, pg_temp AS $$ BEGIN"
        f" IF {rule.condition} THEN RAISE EXCEPTION '{_message(rule)}' USING ERRCODE = '23514';"
        f" END IF; RETURN {returned}; END $$"
    )
