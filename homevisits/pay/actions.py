"""Pay lines arise from visits; two people approve them; the contract gets a new rule. Gather, judge, record."""

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

EACH_TIME = 500
LATELY = timedelta(days=2)
FULL_CHECK = timedelta(hours=20)
CHECK = "pay check"
"""The heartbeat of the nightly check: when it last went through every visit, and how many lines were missing."""


@dataclass(frozen=True)
class Went:
    """A completed visit that somebody has no line for."""

    visit_id: int
    school_id: int
    day: date
    minutes: int
    people: tuple[int, int]


def settle(session: Session, now: datetime) -> int:
    """Write the lines of completed visits that lack one; returns how many lines. Doing it twice changes nothing.

    A tick looks at visits closed lately; once a night every visit is gone through, and what was missing is written
    down (there should be nothing).
    """
    checked = session.scalar(select(Heartbeat.at).where(Heartbeat.name == CHECK))
    nightly = checked is None or not timedelta(0) <= now - checked < FULL_CHECK
    visits = _without_lines(session, None if nightly else now - LATELY)
    written = _write(session, visits, now)
    if nightly and len(visits) < EACH_TIME:
        _write_down(session, now, written)
    return written


def _write_down(session: Session, now: datetime, written: int) -> None:
    row = _insert_for(session)(Heartbeat).values(name=CHECK, at=now, detail=f"{written} written")
    kept = {"at": now, "detail": f"{written} written"}
    session.execute(row.on_conflict_do_update(index_elements=["name"], set_=kept))


def _insert_for(session: Session) -> Any:
    # Two workers may come to the same row: only the engines' own INSERT lets the second give way.
    return sqlite.insert if is_sqlite(session) else postgresql.insert


def _without_lines(session: Session, since: datetime | None) -> list[Went]:
    query = (
        select(
            Visit.id, Visit.school_id, Visit.local_date, Visit.lead_id, Visit.partner_id,
            Attestation.started_at, Attestation.ended_at,
        )
        .join(Attestation, Attestation.id == Visit.attestation_id)
        .where(Visit.state == "completed", or_(~_has_line(Visit.lead_id), ~_has_line(Visit.partner_id)))
        .order_by(Visit.closed_at, Visit.id)
        .limit(EACH_TIME)
    )  # fmt: skip
    if since is not None:
        query = query.where(Visit.closed_at >= since)
    return [
        Went(
            row.id, row.school_id, row.local_date, _minutes(row.started_at, row.ended_at), (row.lead_id, row.partner_id)
        )
        for row in session.execute(query)
    ]


def _has_line(person: ColumnElement[int] | Any) -> ColumnElement[bool]:
    return exists().where(PayLine.visit_id == Visit.id, PayLine.person_id == person, PayLine.pay_type == PayType.VISIT)


def _minutes(started: datetime, ended: datetime) -> int:
    return round((ended - started).total_seconds() / 60)


def _write(session: Session, visits: Sequence[Went], now: datetime) -> int:
    if not visits:
        return 0
    known = queries.rules(session)
    rows = [
        _row(visit.visit_id, person, PayType.VISIT, visit.school_id, visit.day, visit.minutes, known, now)
        for visit in visits
        for person in visit.people
    ]
    return _insert_new(session, rows)


def _row(
    visit_id: int,
    person: int,
    pay_type: PayType,
    school: int,
    day: date,
    minutes: int,
    known: Iterable[Rule],
    now: datetime,
) -> dict[str, Any]:
    due = rules.due(known, day, minutes)
    return {
        "visit_id": visit_id,
        "person_id": person,
        "pay_type": pay_type.value,
        "school_id": school,
        "earned_on": day,
        "minutes": minutes,
        "paid_minutes": due.paid_minutes,
        "rule_id": due.rule_id,
        "amount_cents": due.cents,
        "unpaid_reason": due.reason,
        "state": "earned",
        "created_at": now,
    }


def _insert_new(session: Session, rows: list[dict[str, Any]]) -> int:
    # Asked first: on SQLite a kept line refuses one in its place before ON CONFLICT has a say.
    columns = PayLine.visit_id, PayLine.person_id, PayLine.pay_type
    there = session.execute(select(*columns).where(PayLine.visit_id.in_({row["visit_id"] for row in rows})))
    known = {tuple(line) for line in there}
    rows = [row for row in rows if (row["visit_id"], row["person_id"], row["pay_type"]) not in known]
    if not rows:
        return 0
    kept = ["visit_id", "person_id", "pay_type"]
    statement = _insert_for(session)(PayLine).on_conflict_do_nothing(index_elements=kept).returning(PayLine.id)
    return len(session.scalars(statement, rows).all())


def approve(session: Session, actor: Actor, step: str, line_ids: Sequence[int], now: datetime) -> int:
    """Approve these lines at `step` ("site", then "union"). Returns their sum in cents."""
    lines = _decidable(session, actor, step, line_ids, queries.WAITS[step])
    session.execute(
        insert(PayApproval),
        [
            {"line_id": line.id, "step": step, "by_account": actor.account_id, "at": now, "comment": ""}
            for line in lines
        ],
    )
    following = "site_approved" if step == "site" else "approved"
    session.execute(update(PayLine).where(PayLine.id.in_([line.id for line in lines])).values(state=following))
    return sum(line.amount_cents or 0 for line in lines)


def send_back(session: Session, actor: Actor, step: str, line_id: int, comment: str, now: datetime) -> None:
    """Return a line with what there is to check; it waits at the school's coordinator again."""
    states = ("earned", "site_approved") if step == "site" else ("site_approved", "approved")
    problems = [] if comment.strip() else [Problem("comment_missing", "comment")]
    if len(comment) > 400:
        problems.append(Problem("too_long", "comment", {"most": 400}))
    (line,) = _decidable(session, actor, step, [line_id], states, problems)
    row = {
        "line_id": line.id,
        "step": "returned",
        "by_account": actor.account_id,
        "at": now,
        "comment": comment.strip(),
    }
    session.execute(insert(PayApproval), [row])
    session.execute(update(PayLine).where(PayLine.id == line.id).values(state="returned"))


def _decidable(
    session: Session,
    actor: Actor,
    step: str,
    line_ids: Sequence[int],
    states: Sequence[str],
    found: Sequence[Problem] = (),
) -> list[PayLine]:
    refuse_if_any([] if line_ids else [Problem("nothing_chosen")])
    lines = queries.own_rows(session, actor, line_ids, step)
    problems = list(found)
    if any(line.state not in states or line.amount_cents is None for line in lines):
        problems.append(Problem("claim_changed"))
    if actor.educator_id is not None and any(line.person_id == actor.educator_id for line in lines):
        problems.append(Problem("own_claim"))
    if step == "union" and _approved_by(session, actor, line_ids):
        problems.append(Problem("approved_by_you"))
    refuse_if_any(problems)
    return lines


def _approved_by(session: Session, actor: Actor, line_ids: Sequence[int]) -> bool:
    query = select(PayApproval.id).where(
        PayApproval.line_id.in_(line_ids), PayApproval.step == "site", PayApproval.by_account == actor.account_id
    )
    return session.execute(query.limit(1)).first() is not None


def add_rule(session: Session, actor: Actor | None, new: NewRule, today: date, now: datetime) -> PayRule:
    """Add a rule to the contract; the one in force until then ends the day before. Past pay stays as it was.

    Visits of days that no rule covered, and this one does, get a correction line.
    """
    existing = queries.rules(session)
    refuse_if_any(rules.problems_of(new, existing, today))
    start = new.effective_from
    assert start is not None
    following = min((rule.effective_from for rule in existing if rule.effective_from > start), default=None)
    hourly = new.unit == rules.Unit.HOURLY
    row = PayRule(
        pay_type=PayType.VISIT.value,
        unit=new.unit,
        rate_cents=rules.rate_cents(new.rate),
        minimum_minutes=int(new.minimum_minutes) if hourly else 0,
        round_to_minutes=int(new.round_to_minutes) if hourly else 1,
        pay_code=new.pay_code,
        clause=new.clause.strip(),
        effective_from=start,
        effective_to=following - timedelta(days=1) if following else None,
        entered_at=now,
        entered_by=actor.account_id if actor else None,
    )
    before = rules.in_force(existing, start)
    if before is not None:
        ends = update(PayRule).where(PayRule.id == before.id).values(effective_to=start - timedelta(days=1))
        session.execute(ends)
    session.add(row)
    session.flush()
    _put_right(session, queries.rule_of(row), now)
    return row


def _put_right(session: Session, rule: Rule, now: datetime) -> None:
    among = [
        PayLine.unpaid_reason == rules.NO_RULE,
        PayLine.state == "earned",
        PayLine.earned_on >= rule.effective_from,
    ]
    if rule.effective_to is not None:
        among.append(PayLine.earned_on <= rule.effective_to)
    rows = [
        _row(
            line.visit_id, line.person_id, PayType.CORRECTION, line.school_id, line.earned_on, line.minutes, [rule], now
        )
        for line in session.scalars(select(PayLine).where(*among))
    ]
    if rows:
        _insert_new(session, rows)
