"""Create the payroll file of a period and lock the pay lines in it."""

import hashlib
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session, aliased

from homevisits.core.access import Actor
from homevisits.core.problems import Problem, refuse_if_any
from homevisits.pay.models import PayLine, PayrollExport, PayRule
from homevisits.pay.payroll_file import PayrollLine, render_payroll_file
from homevisits.people.models import Educator, Person


def export_payroll(session: Session, actor: Actor | None, first: date, last: date, now: datetime) -> PayrollExport:
    """Create the payroll file of the approved lines of a period, or return the last one if no line is new.

    A file never changes. Lines approved after it was created go into another file of the same period.
    """
    refuse_if_any([Problem("period_backwards", "last")] if last < first else [])
    lines = session.execute(_select_approved_lines(first, last)).mappings().all()
    if not lines:
        exports = select(PayrollExport).where(PayrollExport.period_from == first, PayrollExport.period_to == last)
        previous = session.scalars(exports.order_by(PayrollExport.id.desc()).limit(1)).first()
        refuse_if_any([] if previous else [Problem("period_empty", "first")])
        assert previous is not None
        return previous
    content = render_payroll_file([PayrollLine(**line) for line in lines], first, last)
    export = PayrollExport(
        period_from=first,
        period_to=last,
        made_at=now,
        made_by=actor.account_id if actor else None,
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
    )
    session.add(export)
    session.flush()
    ids = [line["line_id"] for line in lines]
    session.execute(update(PayLine).where(PayLine.id.in_(ids)).values(state="exported", export_id=export.id))
    return export


def _select_approved_lines(first: date, last: date) -> Select[*tuple[Any, ...]]:
    person, educator = aliased(Person), Educator.__table__
    query: Select[*tuple[Any, ...]] = (
        select(
            PayLine.id.label("line_id"),
            func.coalesce(educator.c.payroll_id, "").label("employee_id"),
            person.family_name.label("last_name"),
            person.given_name.label("first_name"),
            PayRule.pay_code,
            PayLine.earned_on.label("day"),
            PayLine.visit_id,
            PayLine.paid_minutes.label("minutes"),
            PayLine.amount_cents.label("cents"),
        )
        .join(PayRule, PayRule.id == PayLine.rule_id)
        .join(person, person.id == PayLine.person_id)
        .join(educator, educator.c.id == PayLine.person_id)
        .where(PayLine.state == "approved", PayLine.earned_on.between(first, last), PayLine.amount_cents.is_not(None))
        .order_by(PayLine.id)
        .with_for_update(of=PayLine)
    )
    return query
