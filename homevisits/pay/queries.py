"""Read pay lines, rules and payroll exports. Lines are limited to the actor's own or to the actor's schools."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, select, true
from sqlalchemy.orm import Session, aliased

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound
from homevisits.pay.models import PayApproval, PayLine, PayrollExport, PayRule
from homevisits.pay.rules import PayType, Rule, Unit
from homevisits.people.models import Account, Educator, Person, School
from homevisits.visits.models import Visit

LINES_PER_PAGE = 100
WAITING_STATES = {"site": ("earned", "returned"), "union": ("site_approved",)}  # by approval step
STEP_PERMISSIONS = {"site": Permission.SITE_APPROVE, "union": Permission.UNION_APPROVE}


@dataclass(frozen=True)
class Decision:
    """A decision on a pay line: approved at a step, or returned."""

    step: str
    by: str
    at: datetime
    comment: str


@dataclass(frozen=True)
class Line:
    """A pay line with the inputs of its calculation and its decisions."""

    id: int
    person_id: int
    person: str
    employee: str | None
    partner: str
    school: str
    timezone: str
    kind: str
    visit_id: int
    pay_type: str
    earned_on: date
    minutes: int
    paid_minutes: int
    cents: int | None
    reason: str | None
    state: str
    rule: Rule | None
    paid_in: tuple[date, date] | None
    steps: tuple[Decision, ...] = ()


@dataclass(frozen=True)
class ExportSummary:
    """A payroll file with the number of its lines and their total."""

    id: int
    period_from: date
    period_to: date
    made_at: datetime
    sha256: str
    lines: int
    cents: int


@dataclass(frozen=True)
class WaitingLines:
    """The lines that wait at a step: the first page of them, the number of all, and the total of all."""

    lines: tuple[Line, ...]
    count: int
    cents: int


def list_rules(session: Session) -> list[Rule]:
    """List every rule of the contract, newest first."""
    rows = session.scalars(select(PayRule).order_by(PayRule.effective_from.desc(), PayRule.id.desc()))
    return [to_rule(row) for row in rows]


def to_rule(row: PayRule) -> Rule:
    """Convert a row into the dataclass that the calculation uses."""
    return Rule(
        id=row.id,
        pay_type=PayType(row.pay_type),
        unit=Unit(row.unit),
        rate_cents=row.rate_cents,
        minimum_minutes=row.minimum_minutes,
        round_to_minutes=row.round_to_minutes,
        effective_from=row.effective_from,
        effective_to=row.effective_to,
        pay_code=row.pay_code,
        clause=row.clause,
    )


def find_own_lines(session: Session, actor: Actor, first: date, last: date) -> list[Line]:
    """Find the actor's own lines from `first` to `last`, newest first, each with its decisions."""
    query = _select_lines().where(PayLine.person_id == actor.educator_id, PayLine.earned_on.between(first, last))
    return _read_lines(session, query.order_by(PayLine.earned_on.desc(), PayLine.id.desc()))


def find_waiting_lines(session: Session, actor: Actor, step: str) -> WaitingLines:
    """Find the lines that the actor can approve at `step` ("site" or "union"), oldest first, without their own."""
    condition = and_(_is_waiting(step, actor), PayLine.amount_cents.is_not(None))
    count, cents = session.execute(
        select(func.count(), func.coalesce(func.sum(PayLine.amount_cents), 0)).where(condition)
    ).one()
    query = _select_lines().where(condition).order_by(PayLine.earned_on, PayLine.id).limit(LINES_PER_PAGE)
    return WaitingLines(tuple(_read_lines(session, query)), count, int(cents or 0))


def count_waiting_lines(session: Session, actor: Actor, step: str) -> int:
    """Count the lines that the actor can approve at `step`."""
    condition = and_(_is_waiting(step, actor), PayLine.amount_cents.is_not(None))
    return session.scalar(select(func.count()).select_from(PayLine).where(condition)) or 0


def find_unpaid_lines(session: Session, actor: Actor, step: str) -> list[Line]:
    """Find lines of the actor's schools that have no amount and no correction yet."""
    correction = aliased(PayLine)
    is_corrected = exists().where(
        PayLine.pay_type == PayType.VISIT,
        correction.visit_id == PayLine.visit_id,
        correction.person_id == PayLine.person_id,
        correction.pay_type == PayType.CORRECTION,
    )
    query = _select_lines().where(
        PayLine.state == "earned", _in_schools(actor, step), PayLine.unpaid_reason.is_not(None), ~is_corrected
    )
    return _read_lines(session, query.order_by(PayLine.earned_on, PayLine.id).limit(LINES_PER_PAGE))


def find_returnable_lines(session: Session, actor: Actor, step: str) -> list[Line]:
    """Find lines approved at `step` that can still be returned, because no payroll file contains them."""
    state = "site_approved" if step == "site" else "approved"
    query = _select_lines().where(PayLine.state == state, _in_schools(actor, step))
    return _read_lines(session, query.order_by(PayLine.earned_on.desc(), PayLine.id.desc()).limit(LINES_PER_PAGE))


def find_approved_lines(session: Session, first: date | None, last: date) -> list[Line]:
    """Find lines with both approvals that are in no payroll file yet, by day."""
    condition = and_(PayLine.state == "approved", PayLine.amount_cents.is_not(None), PayLine.earned_on <= last)
    if first is not None:
        condition = and_(condition, PayLine.earned_on >= first)
    return _read_lines(session, _select_lines().where(condition).order_by(PayLine.earned_on, PayLine.id))


def list_exports(session: Session, limit: int = 50) -> list[ExportSummary]:
    """List the payroll files, newest first."""
    sums = (
        select(PayLine.export_id, func.count().label("lines"), func.sum(PayLine.amount_cents).label("cents"))
        .where(PayLine.export_id.is_not(None))
        .group_by(PayLine.export_id)
        .subquery()
    )
    query = (
        select(
            PayrollExport.id,
            PayrollExport.period_from,
            PayrollExport.period_to,
            PayrollExport.made_at,
            PayrollExport.sha256,
            func.coalesce(sums.c.lines, 0).label("lines"),
            func.coalesce(sums.c.cents, 0).label("cents"),
        )
        .outerjoin(sums, sums.c.export_id == PayrollExport.id)
        .order_by(PayrollExport.id.desc())
        .limit(limit)
    )
    return [ExportSummary(**row) for row in session.execute(query).mappings()]


def read_export(session: Session, export_id: int) -> tuple[str, bytes]:
    """Return the file name and the bytes of a payroll file. Raises NotFound."""
    export = session.get(PayrollExport, export_id)
    if export is None:
        raise NotFound
    return f"payroll-{export.period_from}-{export.period_to}-{export.id}.csv", export.content


def lock_lines(session: Session, actor: Actor, ids: Collection[int], step: str) -> list[PayLine]:
    """Lock these lines, in the order of their ids. Raises NotFound if any is outside the actor's schools."""
    query = select(PayLine).where(PayLine.id.in_(ids), _in_schools(actor, step)).order_by(PayLine.id).with_for_update()
    lines = list(session.scalars(query))
    if len(lines) != len(set(ids)):
        raise NotFound
    return lines


def _is_waiting(step: str, actor: Actor) -> ColumnElement[bool]:
    # Nobody approves their own pay.
    not_own = PayLine.person_id != actor.educator_id if actor.educator_id is not None else true()
    return and_(PayLine.state.in_(WAITING_STATES[step]), _in_schools(actor, step), not_own)


def _in_schools(actor: Actor, step: str) -> ColumnElement[bool]:
    schools = actor.schools(STEP_PERMISSIONS[step])
    return true() if schools is None else PayLine.school_id.in_(schools)


def _select_lines() -> Select[*tuple[Any, ...]]:
    person, partner = aliased(Person), aliased(Person)
    educator = Educator.__table__.alias()
    return (
        select(
            PayLine,
            PayRule,
            (person.given_name + " " + person.family_name).label("person"),
            (partner.given_name + " " + partner.family_name).label("partner"),
            School.name.label("school"),
            School.timezone,
            Visit.kind,
            educator.c.payroll_id.label("employee"),
            PayrollExport.period_from,
            PayrollExport.period_to,
        )
        .select_from(PayLine)
        .join(Visit, Visit.id == PayLine.visit_id)
        .join(School, School.id == PayLine.school_id)
        .join(person, person.id == PayLine.person_id)
        .join(educator, educator.c.id == PayLine.person_id)
        .join(partner, partner.id == case((Visit.lead_id == PayLine.person_id, Visit.partner_id), else_=Visit.lead_id))
        .outerjoin(PayRule, PayRule.id == PayLine.rule_id)
        .outerjoin(PayrollExport, PayrollExport.id == PayLine.export_id)
    )


def _read_lines(session: Session, query: Select[*tuple[Any, ...]]) -> list[Line]:
    rows = session.execute(query).all()
    steps = _read_decisions(session, [row.PayLine.id for row in rows])
    return [_to_line(row, tuple(steps.get(row.PayLine.id, ()))) for row in rows]


def _read_decisions(session: Session, ids: Collection[int]) -> dict[int, list[Decision]]:
    query = (
        select(PayApproval, Account.name)
        .join(Account, Account.id == PayApproval.by_account)
        .where(PayApproval.line_id.in_(ids))
        .order_by(PayApproval.id)
    )
    decisions: dict[int, list[Decision]] = {}
    for row, name in session.execute(query) if ids else ():
        decisions.setdefault(row.line_id, []).append(Decision(row.step, name, row.at, row.comment))
    return decisions


def _to_line(row: Any, steps: tuple[Decision, ...]) -> Line:
    line: PayLine = row.PayLine
    return Line(
        id=line.id,
        person_id=line.person_id,
        person=row.person,
        employee=row.employee,
        partner=row.partner,
        school=row.school,
        timezone=row.timezone,
        kind=row.kind,
        visit_id=line.visit_id,
        pay_type=line.pay_type,
        earned_on=line.earned_on,
        minutes=line.minutes,
        paid_minutes=line.paid_minutes,
        cents=line.amount_cents,
        reason=line.unpaid_reason,
        state=line.state,
        rule=to_rule(row.PayRule) if row.PayRule else None,
        paid_in=(row.period_from, row.period_to) if row.period_from else None,
        steps=steps,
    )
