"""Pay lines and rules as the pages read them. Own lines only, or lines of the schools one approves for."""

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

EACH_PAGE = 100
WAITS = {"site": ("earned", "returned"), "union": ("site_approved",)}
"""Which lines wait at which step."""
PERMISSION = {"site": Permission.SITE_APPROVE, "union": Permission.UNION_APPROVE}


@dataclass(frozen=True)
class Step:
    """One decision on a line."""

    step: str
    by: str
    at: datetime
    comment: str


@dataclass(frozen=True)
class Line:
    """A pay line with all it was worked out from."""

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
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class File:
    """A payroll file that was made."""

    id: int
    period_from: date
    period_to: date
    made_at: datetime
    sha256: str
    lines: int
    cents: int


@dataclass(frozen=True)
class Waiting:
    """What waits at a step: the first page of lines, how many there are in all, and their sum."""

    lines: tuple[Line, ...]
    count: int
    cents: int


def rules(session: Session) -> list[Rule]:
    """Every rule of the contract, the newest first."""
    rows = session.scalars(select(PayRule).order_by(PayRule.effective_from.desc(), PayRule.id.desc()))
    return [rule_of(row) for row in rows]


def rule_of(row: PayRule) -> Rule:
    """A row as the pure rule."""
    return Rule(
        id=row.id,
        unit=Unit(row.unit),
        rate_cents=row.rate_cents,
        minimum_minutes=row.minimum_minutes,
        round_to_minutes=row.round_to_minutes,
        effective_from=row.effective_from,
        effective_to=row.effective_to,
        pay_code=row.pay_code,
        clause=row.clause,
    )


def own_lines(session: Session, actor: Actor, first: date, last: date) -> list[Line]:
    """The actor's own lines of these days, the newest first, each with its decisions."""
    query = _lines().where(PayLine.person_id == actor.educator_id, PayLine.earned_on.between(first, last))
    return _read(session, query.order_by(PayLine.earned_on.desc(), PayLine.id.desc()))


def waiting(session: Session, actor: Actor, step: str) -> Waiting:
    """What waits for the actor at `step` ("site" or "union"), the oldest first. Their own pay is not among it."""
    among = and_(_waits(step, actor), PayLine.amount_cents.is_not(None))
    count, cents = session.execute(
        select(func.count(), func.coalesce(func.sum(PayLine.amount_cents), 0)).where(among)
    ).one()
    query = _lines().where(among).order_by(PayLine.earned_on, PayLine.id).limit(EACH_PAGE)
    return Waiting(tuple(_read(session, query)), count, int(cents or 0))


def waiting_count(session: Session, actor: Actor, step: str) -> int:
    """How many lines wait for the actor at `step`."""
    among = and_(_waits(step, actor), PayLine.amount_cents.is_not(None))
    return session.scalar(select(func.count()).select_from(PayLine).where(among)) or 0


def needing_attention(session: Session, actor: Actor, step: str) -> list[Line]:
    """Lines of the actor's schools on which nothing is due and nobody has put it right yet."""
    settled = aliased(PayLine)
    put_right = exists().where(
        settled.visit_id == PayLine.visit_id,
        settled.person_id == PayLine.person_id,
        settled.pay_type == PayType.CORRECTION,
    )
    among = and_(PayLine.state == "earned", _in_schools(actor, step), PayLine.unpaid_reason.is_not(None), ~put_right)
    return _read(session, _lines().where(among).order_by(PayLine.earned_on, PayLine.id).limit(EACH_PAGE))


def decided(session: Session, actor: Actor, step: str) -> list[Line]:
    """Lines past the actor's step that no payroll file has taken yet: they can still be returned."""
    states = ("site_approved",) if step == "site" else ("approved",)
    among = and_(PayLine.state.in_(states), _in_schools(actor, step))
    return _read(session, _lines().where(among).order_by(PayLine.earned_on.desc(), PayLine.id.desc()).limit(EACH_PAGE))


def approved(session: Session, first: date | None, last: date) -> list[Line]:
    """Lines that both have approved and no payroll file has taken, by day."""
    among = and_(PayLine.state == "approved", PayLine.amount_cents.is_not(None), PayLine.earned_on <= last)
    if first is not None:
        among = and_(among, PayLine.earned_on >= first)
    return _read(session, _lines().where(among).order_by(PayLine.earned_on, PayLine.id))


def exports(session: Session, most: int = 50) -> list[File]:
    """The payroll files that were made, the newest first, each with its lines and its sum in cents."""
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
            func.coalesce(sums.c.lines, 0),
            func.coalesce(sums.c.cents, 0),
        )
        .outerjoin(sums, sums.c.export_id == PayrollExport.id)
        .order_by(PayrollExport.id.desc())
        .limit(most)
    )
    return [File(*row) for row in session.execute(query)]


def content(session: Session, export_id: int) -> tuple[str, bytes]:
    """The name and the bytes of a payroll file that was made."""
    found = session.get(PayrollExport, export_id)
    if found is None:
        raise NotFound
    return f"payroll-{found.period_from}-{found.period_to}-{found.id}.csv", found.content


def own_rows(session: Session, actor: Actor, ids: Collection[int], step: str) -> list[PayLine]:
    """The lines themselves, locked in the order of their ids. NotFound when one lies outside the actor's schools."""
    query = select(PayLine).where(PayLine.id.in_(ids), _in_schools(actor, step)).order_by(PayLine.id).with_for_update()
    found = list(session.scalars(query))
    if len(found) != len(set(ids)):
        raise NotFound
    return found


def _waits(step: str, actor: Actor) -> ColumnElement[bool]:
    own = PayLine.person_id == actor.educator_id
    own_claims_wait_for_another = ~own if actor.educator_id is not None else true()
    return and_(PayLine.state.in_(WAITS[step]), _in_schools(actor, step), own_claims_wait_for_another)


def _in_schools(actor: Actor, step: str) -> ColumnElement[bool]:
    schools = actor.schools(PERMISSION[step])
    return true() if schools is None else PayLine.school_id.in_(schools)


def _lines() -> Select[*tuple[Any, ...]]:
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


def _read(session: Session, query: Select[*tuple[Any, ...]]) -> list[Line]:
    rows = session.execute(query).all()
    steps = _steps(session, [row.PayLine.id for row in rows])
    return [_line(row, tuple(steps.get(row.PayLine.id, ()))) for row in rows]


def _steps(session: Session, ids: Collection[int]) -> dict[int, list[Step]]:
    query = (
        select(PayApproval, Account.name)
        .join(Account, Account.id == PayApproval.by_account)
        .where(PayApproval.line_id.in_(ids))
        .order_by(PayApproval.id)
    )
    found: dict[int, list[Step]] = {}
    for row, name in session.execute(query) if ids else ():
        found.setdefault(row.line_id, []).append(Step(row.step, name, row.at, row.comment))
    return found


def _line(row: Any, steps: tuple[Step, ...]) -> Line:
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
        rule=rule_of(row.PayRule) if row.PayRule else None,
        paid_in=(row.period_from, row.period_to) if row.period_from else None,
        steps=steps,
    )
