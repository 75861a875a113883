"""Write the pay lines of visits, approve or return them, and add pay rules."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, exists, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.db import is_sqlite
from homevisits.core.problems import Problem, refuse_if_any
from homevisits.pay import queries, rules
from homevisits.pay.models import PayApproval, PayLine, PayRule
from homevisits.pay.rules import NewRule, PayType, Rule
from homevisits.people.models import Heartbeat
from homevisits.visits.models import Attestation, Visit

BATCH_SIZE = 500  # visits in a run
RECENTLY_CLOSED = timedelta(days=2)  # a run between full checks looks no further back
FULL_CHECK_INTERVAL = timedelta(hours=20)
CHECK_HEARTBEAT = "pay check"  # heartbeat of the full check: its last run and the number of lines it wrote
MAX_COMMENT_LENGTH = 400


@dataclass(frozen=True)
class Work:
    """The work of a person that a pay line pays."""

    visit_id: int
    person_id: int
    pay_type: PayType
    school_id: int
    day: date
    minutes: int


def write_missing_lines(session: Session, now: datetime) -> int:
    """Write the missing pay lines of completed visits and return how many. Idempotent.

    Most runs read only recently closed visits. Once a night a run reads all visits and records how many lines it
    wrote, which should be none.
    """
    checked_at = session.scalar(select(Heartbeat.at).where(Heartbeat.name == CHECK_HEARTBEAT))
    is_full_check = checked_at is None or not timedelta(0) <= now - checked_at < FULL_CHECK_INTERVAL
    visits = _find_visits_without_lines(session, None if is_full_check else now - RECENTLY_CLOSED)
    written = _write_lines(session, [work for visit in visits for work in visit], now)
    if is_full_check and len(visits) < BATCH_SIZE:
        _record_check(session, now, written)
    return written


def _record_check(session: Session, now: datetime, written: int) -> None:
    values = {"at": now, "detail": f"{written} written"}
    statement = _dialect_insert(session)(Heartbeat).values(name=CHECK_HEARTBEAT, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def _dialect_insert(session: Session) -> Any:
    # Two workers may write the same row at once; only the dialects' INSERT has ON CONFLICT.
    return sqlite.insert if is_sqlite(session) else postgresql.insert


def _find_visits_without_lines(session: Session, since: datetime | None) -> list[list[Work]]:
    query = (
        select(
            Visit.id, Visit.school_id, Visit.local_date, Visit.lead_id, Visit.partner_id,
            Attestation.started_at, Attestation.ended_at,
        )
        .join(Attestation, Attestation.id == Visit.attestation_id)
        .where(Visit.state == "completed", or_(~_has_line(Visit.lead_id), ~_has_line(Visit.partner_id)))
        .order_by(Visit.closed_at, Visit.id)
        .limit(BATCH_SIZE)
    )  # fmt: skip
    if since is not None:
        query = query.where(Visit.closed_at >= since)
    return [_visit_work(row) for row in session.execute(query)]


def _has_line(person_id: ColumnElement[int] | Any) -> ColumnElement[bool]:
    return exists().where(
        PayLine.visit_id == Visit.id, PayLine.person_id == person_id, PayLine.pay_type == PayType.VISIT
    )


def _visit_work(row: Any) -> list[Work]:
    minutes = round((row.ended_at - row.started_at).total_seconds() / 60)
    return [
        Work(
            visit_id=row.id,
            person_id=person_id,
            pay_type=PayType.VISIT,
            school_id=row.school_id,
            day=row.local_date,
            minutes=minutes,
        )
        for person_id in (row.lead_id, row.partner_id)
    ]


def _write_lines(session: Session, work: Sequence[Work], now: datetime) -> int:
    if not work:
        return 0
    known_rules = queries.list_rules(session)
    return _insert_new(session, [_line_values(item, known_rules, now) for item in work])


def _line_values(work: Work, known_rules: Iterable[Rule], now: datetime) -> dict[str, Any]:
    pay = rules.calculate_pay(known_rules, work.pay_type, work.day, work.minutes)
    return {
        "visit_id": work.visit_id,
        "person_id": work.person_id,
        "pay_type": work.pay_type.value,
        "school_id": work.school_id,
        "earned_on": work.day,
        "minutes": work.minutes,
        "paid_minutes": pay.paid_minutes,
        "rule_id": pay.rule_id,
        "amount_cents": pay.cents,
        "unpaid_reason": pay.reason,
        "state": "earned",
        "created_at": now,
    }


def _insert_new(session: Session, rows: list[dict[str, Any]]) -> int:
    # Existing lines are read first: on SQLite the trigger that protects them fires before ON CONFLICT applies.
    columns = PayLine.visit_id, PayLine.person_id, PayLine.pay_type
    query = select(*columns).where(PayLine.visit_id.in_({row["visit_id"] for row in rows}))
    existing = {tuple(line) for line in session.execute(query)}
    rows = [row for row in rows if (row["visit_id"], row["person_id"], row["pay_type"]) not in existing]
    if not rows:
        return 0
    statement = _dialect_insert(session)(PayLine).on_conflict_do_nothing(
        index_elements=["visit_id", "person_id", "pay_type"]
    )
    return len(session.scalars(statement.returning(PayLine.id), rows).all())


def approve(session: Session, actor: Actor, step: str, line_ids: Sequence[int], now: datetime) -> int:
    """Approve these lines at `step` ("site", then "union") and return their total in cents."""
    lines = _lock_decidable_lines(session, actor, step, line_ids, states=queries.WAITING_STATES[step])
    session.execute(
        insert(PayApproval),
        [
            {"line_id": line.id, "step": step, "by_account": actor.account_id, "at": now, "comment": ""}
            for line in lines
        ],
    )
    state = "site_approved" if step == "site" else "approved"
    session.execute(update(PayLine).where(PayLine.id.in_([line.id for line in lines])).values(state=state))
    return sum(line.amount_cents or 0 for line in lines)


def return_line(session: Session, actor: Actor, step: str, line_id: int, *, comment: str, now: datetime) -> None:
    """Return a line with a comment; it waits for the school's coordinator again."""
    states = ("earned", "site_approved") if step == "site" else ("site_approved", "approved")
    problems = [] if comment.strip() else [Problem("comment_missing", "comment")]
    if len(comment) > MAX_COMMENT_LENGTH:
        problems.append(Problem("too_long", "comment", {"most": MAX_COMMENT_LENGTH}))
    (line,) = _lock_decidable_lines(session, actor, step, [line_id], states=states, problems=problems)
    row = {
        "line_id": line.id,
        "step": "returned",
        "by_account": actor.account_id,
        "at": now,
        "comment": comment.strip(),
    }
    session.execute(insert(PayApproval), [row])
    session.execute(update(PayLine).where(PayLine.id == line.id).values(state="returned"))


def _lock_decidable_lines(
    session: Session,
    actor: Actor,
    step: str,
    line_ids: Sequence[int],
    *,
    states: Sequence[str],
    problems: Sequence[Problem] = (),
) -> list[PayLine]:
    refuse_if_any([] if line_ids else [Problem("nothing_chosen")])
    lines = queries.lock_lines(session, actor, line_ids, step)
    problems = list(problems)
    if any(line.state not in states or line.amount_cents is None for line in lines):
        problems.append(Problem("claim_changed"))
    if actor.educator_id is not None and any(line.person_id == actor.educator_id for line in lines):
        problems.append(Problem("own_claim"))
    if step == "union" and _has_site_approval_by(session, actor, line_ids):
        problems.append(Problem("approved_by_you"))
    refuse_if_any(problems)
    return lines


def _has_site_approval_by(session: Session, actor: Actor, line_ids: Sequence[int]) -> bool:
    query = select(PayApproval.id).where(
        PayApproval.line_id.in_(line_ids), PayApproval.step == "site", PayApproval.by_account == actor.account_id
    )
    return session.execute(query.limit(1)).first() is not None


def add_rule(session: Session, actor: Actor | None, new: NewRule, today: date, now: datetime) -> PayRule:
    """Add a rule to the contract. The rule of the same pay type that is in force on its first day ends the day before.

    Existing pay lines do not change. Visits on days without a rule that this rule covers get a correction line.
    """
    existing = [rule for rule in queries.list_rules(session) if rule.pay_type == new.pay_type]
    refuse_if_any(rules.find_rule_problems(new, existing, today))
    start = new.effective_from
    assert start is not None
    next_start = min((rule.effective_from for rule in existing if rule.effective_from > start), default=None)
    is_hourly = new.unit == rules.Unit.HOURLY
    row = PayRule(
        pay_type=new.pay_type,
        unit=new.unit,
        rate_cents=rules.parse_rate(new.rate),
        minimum_minutes=int(new.minimum_minutes) if is_hourly else 0,
        round_to_minutes=int(new.round_to_minutes) if is_hourly else 1,
        pay_code=new.pay_code,
        clause=new.clause.strip(),
        effective_from=start,
        effective_to=next_start - timedelta(days=1) if next_start else None,
        entered_at=now,
        entered_by=actor.account_id if actor else None,
    )
    previous = rules.in_force(existing, PayType(new.pay_type), start)
    if previous is not None:
        last_day = start - timedelta(days=1)
        session.execute(update(PayRule).where(PayRule.id == previous.id).values(effective_to=last_day))
    session.add(row)
    session.flush()
    if row.pay_type == PayType.VISIT:
        _write_corrections(session, queries.to_rule(row), now)
    return row


def _write_corrections(session: Session, rule: Rule, now: datetime) -> None:
    conditions = [
        PayLine.pay_type == PayType.VISIT,
        PayLine.unpaid_reason == rules.NO_RULE,
        PayLine.state == "earned",
        PayLine.earned_on >= rule.effective_from,
    ]
    if rule.effective_to is not None:
        conditions.append(PayLine.earned_on <= rule.effective_to)
    rows = [
        _line_values(_correction_work(line), [rule], now)
        for line in session.scalars(select(PayLine).where(*conditions))
    ]
    if rows:
        _insert_new(session, rows)


def _correction_work(line: PayLine) -> Work:
    return Work(
        visit_id=line.visit_id,
        person_id=line.person_id,
        pay_type=PayType.CORRECTION,
        school_id=line.school_id,
        day=line.earned_on,
        minutes=line.minutes,
    )
