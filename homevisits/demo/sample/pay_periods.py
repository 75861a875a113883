"""Pay of the sample's visits: daily pay lines, weekly approvals and monthly payroll files."""

from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import RulesBroken
from homevisits.demo import accounts
from homevisits.demo.sample.timeline import Timeline
from homevisits.pay import actions as pay
from homevisits.pay.export_payroll import export_payroll
from homevisits.pay.models import PayLine

# Pay earned within this time still waits for approval, so that the guide has approvals to show.
UNAPPROVED_PERIOD = timedelta(days=9)
STATE_BEFORE = {"site": "earned", "union": "site_approved"}  # state of the lines that an approval step takes


def plan(session: Session, timeline: Timeline) -> None:
    """Schedule daily pay lines, weekly approvals and monthly payroll in the history."""
    coordinators = accounts.coordinators(session)
    union = accounts.actor_named(session, accounts.address(accounts.UNION))
    day = timeline.starts_on
    while timeline.to_utc(day, 0) < timeline.now:
        timeline.schedule(timeline.to_utc(day, 21, 45), _settle)
        if timeline.to_utc(day, 0) < timeline.now - UNAPPROVED_PERIOD:
            if day.weekday() == 4:
                for school, coordinator in coordinators.items():
                    timeline.schedule(timeline.to_utc(day, 16, 10), partial(_approve, coordinator, "site", school))
            if day.weekday() == 0:
                timeline.schedule(timeline.to_utc(day, 10, 20), partial(_approve, union, "union", None))
            if day.day == 5:
                timeline.schedule(timeline.to_utc(day, 11), partial(_export, union, day))
        day += timedelta(days=1)
    timeline.schedule(timeline.now - timedelta(seconds=1), _settle)  # visits attested this morning


def _settle(session: Session, now: datetime) -> None:
    pay.write_missing_lines(session, now)


def _approve(actor: Actor, step: str, school: int | None, session: Session, now: datetime) -> None:
    waiting = select(PayLine.id).where(PayLine.state == STATE_BEFORE[step], PayLine.amount_cents.is_not(None))
    if school is not None:
        waiting = waiting.where(PayLine.school_id == school)
    lines = session.scalars(waiting.order_by(PayLine.id)).all()
    if lines:
        pay.approve(session, actor, step, lines, now)


def _export(actor: Actor, day: date, session: Session, now: datetime) -> None:
    last = day.replace(day=1) - timedelta(days=1)
    try:
        export_payroll(session, actor, last.replace(day=1), last, now)
    except RulesBroken:
        return  # no approved pay in that month
