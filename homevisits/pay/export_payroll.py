"""Make a payroll file: take what both have approved, keep the bytes, lock the lines. Gather, judge, record."""

import hashlib
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session, aliased

from homevisits.core.access import Actor
from homevisits.core.problems import Problem, refuse_if_any
from homevisits.pay.models import PayLine, PayrollExport, PayRule
from homevisits.pay.payroll_file import Owed, document
from homevisits.people.models import Educator, Person


def export_payroll(session: Session, actor: Actor | None, first: date, last: date, now: datetime) -> PayrollExport:
    """The payroll file of a period. Asked again with nothing newly approved, the same file with the same bytes.

    Lines approved after a file was made go into a further file of the period; a file once made never changes.
    """
    refuse_if_any([Problem("period_backwards", "last")] if last < first else [])
    lines = session.execute(_approved(first, last)).all()
    if not lines:
        made = select(PayrollExport).where(PayrollExport.period_from == first, PayrollExport.period_to == last)
        before = session.scalars(made.order_by(PayrollExport.id.desc()).limit(1)).first()
        refuse_if_any([] if before else [Problem("period_empty", "first")])
        assert before is not None
        return before
    content = document([Owed(*line) for line in lines], first, last)
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
    ids = [line.id for line in lines]
    session.execute(update(PayLine).where(PayLine.id.in_(ids)).values(state="exported", export_id=export.id))
    return export


def _approved(first: date, last: date) -> Select[*tuple[Any, ...]]:
    person, educator = aliased(Person), Educator.__table__
    query: Select[*tuple[Any, ...]] = (
        select(
            PayLine.id,
            func.coalesce(educator.c.payroll_id, ""),
            person.family_name,
            person.given_name,
            PayRule.pay_code,
            PayLine.earned_on,
            PayLine.visit_id,
            PayLine.paid_minutes,
            PayLine.amount_cents,
        )
        .join(PayRule, PayRule.id == PayLine.rule_id)
        .join(person, person.id == PayLine.person_id)
        .join(educator, educator.c.id == PayLine.person_id)
        .where(PayLine.state == "approved", PayLine.earned_on.between(first, last), PayLine.amount_cents.is_not(None))
        .order_by(PayLine.id)
        .with_for_update(of=PayLine)
    )
    return query
