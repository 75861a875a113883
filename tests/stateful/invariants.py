"""The five practices as SQL: each query finds rows that break a rule."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from homevisits.core.db import UtcDateTime

UPCOMING = "v.state IN ('proposed', 'scheduled', 'confirmed') AND v.starts_at > :now"
VIOLATION_QUERIES: Mapping[str, str] = MappingProxyType(
    {
        # 1 voluntary
        "a visit ahead of a family that took its yes back": f"""
            SELECT v.id FROM visit v JOIN consent_ledger yes ON yes.id = v.consent_id
            WHERE {UPCOMING} AND (yes.answer <> 'yes' OR yes.family_id <> v.family_id OR EXISTS (
              SELECT 1 FROM consent_ledger l WHERE l.family_id = v.family_id AND l.id > yes.id
                AND l.answer IN ('not_now', 'withdrawn')))""",
        "an educator who left still has a place in a visit ahead": f"""
            SELECT v.id FROM visit v JOIN visit_member m ON m.visit_id = v.id
            WHERE {UPCOMING} AND m.state IN ('asked', 'coming') AND 'in' <> (
              SELECT o.answer FROM opt_in o WHERE o.educator_id = m.educator_id ORDER BY o.id DESC LIMIT 1)""",
        # 2 trained and paid
        "held by somebody who was not certified that day": """
            SELECT v.id FROM visit v JOIN visit_member m ON m.visit_id = v.id
            LEFT JOIN certification c ON c.id = m.certification_id AND c.educator_id = m.educator_id
              AND c.valid_from <= v.local_date AND (c.valid_until IS NULL OR c.valid_until >= v.local_date)
            WHERE v.state = 'completed' AND m.educator_id IN (v.lead_id, v.partner_id) AND c.id IS NULL""",
        "held, and somebody who went has neither pay nor a reason": """
            SELECT v.id FROM visit v JOIN visit_member m ON m.visit_id = v.id
            WHERE v.state = 'completed' AND m.educator_id IN (v.lead_id, v.partner_id) AND NOT EXISTS (
              SELECT 1 FROM pay_line p WHERE p.visit_id = v.id AND p.person_id = m.educator_id)""",
        # 3 not targeted
        "a visit of a family neither drawn nor asking itself": """
            SELECT v.id FROM visit v JOIN invitation i ON i.id = v.invitation_id
            LEFT JOIN draw_entry e ON e.draw_id = i.draw_id AND e.family_id = i.family_id AND e.position IS NOT NULL
            LEFT JOIN family_request r ON r.id = i.family_request_id AND r.family_id = i.family_id
            WHERE i.family_id <> v.family_id OR (e.family_id IS NULL AND r.id IS NULL)""",
        # 4 hopes and dreams first
        "a second visit without a completed first before it": """
            SELECT v.id FROM visit v LEFT JOIN visit f ON f.id = v.first_visit_id AND f.family_id = v.family_id
              AND f.kind = 'first' AND f.state = 'completed' AND f.closed_at <= v.booked_at
            WHERE v.kind = 'second' AND f.id IS NULL""",
        "two first visits held with one family": """
            SELECT family_id FROM visit WHERE kind = 'first' AND state = 'completed'
            GROUP BY family_id HAVING count(*) > 1""",
        # 5 in pairs, with reflection
        "arranged or held without two different people who come": """
            SELECT v.id FROM visit v WHERE v.state IN ('scheduled', 'confirmed', 'completed')
              AND 2 <> (SELECT count(DISTINCT m.educator_id) FROM visit_member m WHERE m.visit_id = v.id
                AND m.state = 'coming' AND m.educator_id IN (v.lead_id, v.partner_id))""",
        "held on the word of one": """
            SELECT v.id FROM visit v WHERE v.state = 'completed' AND NOT EXISTS (
              SELECT 1 FROM attestation a JOIN attestation b ON b.agrees_with_id = a.id
              WHERE a.id = v.attestation_id AND a.visit_id = v.id AND a.educator_id <> b.educator_id
                AND a.educator_id IN (v.lead_id, v.partner_id) AND b.educator_id IN (v.lead_id, v.partner_id))""",
        "a reflection written before the check-out": """
            SELECT r.visit_id FROM reflection r JOIN visit v ON v.id = r.visit_id
            WHERE v.state <> 'completed' OR r.at < (SELECT min(a.at) FROM attestation a WHERE a.visit_id = v.id)""",
        # time
        "a person in two places at once": """
            SELECT a.id FROM commitment a JOIN commitment b ON b.person_id = a.person_id AND b.id <> a.id
            WHERE a.active AND b.active AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at""",
        "a place in a visit ahead that holds no time": f"""
            SELECT v.id FROM visit v JOIN visit_member m ON m.visit_id = v.id
            JOIN commitment c ON c.id = m.commitment_id
            WHERE {UPCOMING} AND m.state IN ('asked', 'coming')
              AND (NOT c.active OR c.starts_at > v.starts_at OR c.ends_at < v.ends_at)""",
        "time held by a visit that is over, or by somebody who is out": """
            SELECT c.id FROM commitment c JOIN visit_member m ON m.commitment_id = c.id
            JOIN visit v ON v.id = m.visit_id
            WHERE c.active AND (m.state NOT IN ('asked', 'coming')
              OR v.state NOT IN ('proposed', 'scheduled', 'confirmed'))""",
        "two visits ahead of one family": """
            SELECT family_id FROM visit WHERE state IN ('proposed', 'scheduled', 'confirmed')
            GROUP BY family_id HAVING count(*) > 1""",
        # texts
        "a question or reminder waits about a visit that is not arranged": """
            SELECT o.id FROM outgoing_message o JOIN visit v ON o.subject = 'visit:' || v.id
            WHERE o.state = 'queued' AND o.template IN ('visit_confirm', 'visit_moved', 'visit_reminder')
              AND v.state NOT IN ('scheduled', 'confirmed')""",
        "an arranged visit whose family hears nothing": """
            SELECT v.id FROM visit v WHERE v.state = 'scheduled' AND NOT EXISTS (
              SELECT 1 FROM outgoing_message o WHERE o.subject = 'visit:' || v.id AND o.state <> 'cancelled'
                AND o.template IN ('visit_confirm', 'visit_moved'))""",
    }
)


def find_violations(session: Session, now: datetime) -> dict[str, list[Any]]:
    """Return the rules that are broken, with the rows that break them."""
    violations = {}
    for rule, query in VIOLATION_QUERIES.items():
        statement = sa.text(query)
        if ":now" in query:
            statement = statement.bindparams(sa.bindparam("now", now, type_=UtcDateTime()))
        rows = session.execute(statement).all()
        if rows:
            violations[rule] = [tuple(row) for row in rows]
    return violations | _find_short_notice(session)


def _find_short_notice(session: Session) -> dict[str, list[Any]]:
    """Find visits that start less than a day after their time was arranged (booked or moved)."""
    rows = session.execute(
        sa.text(
            "SELECT v.id, v.starts_at, v.booked_at, (SELECT max(e.at) FROM visit_event e"
            " WHERE e.visit_id = v.id AND e.what = 'moved') AS moved_at FROM visit v"
        ).columns(starts_at=UtcDateTime(), booked_at=UtcDateTime(), moved_at=UtcDateTime())
    )
    early = [row.id for row in rows if row.starts_at - (row.moved_at or row.booked_at) < timedelta(hours=24)]
    return {"a visit arranged at too short notice": early} if early else {}
