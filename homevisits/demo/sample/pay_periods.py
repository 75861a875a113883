"""Pay of the sample's visits: daily pay lines, weekly approvals and monthly payroll files."""

from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import RulesBroken
from homevisits.demo import accounts
from homevisits.demo.sample.timeline import Past
from homevisits.pay import actions as pay
from homevisits.pay.export_payroll import export_payroll
from homevisits.pay.models import PayLine

LEFT_WAITING = timedelta(days=9)
"""Pay earned within this time still waits for approval, so that the guide has approvals to show."""


def plan(session: Session, past: Past) -> None:
    """Schedule daily pay lines, weekly approvals and monthly payroll in the history."""
    coordinators = accounts.coordinators(session)
    union = accounts.actor_named(session, accounts.address(accounts.UNION))
    day = past.begins
    while past.moment(day, 0) < past.now:
        past.at(past.moment(day, 21, 45), _settle)
        if past.moment(day, 0) < past.now - LEFT_WAITING:
            if day.weekday() == 4:
                for school, coordinator in coordinators.items():
                    past.at(past.moment(day, 16, 10), partial(_approve, coordinator, "site", "earned", school))
            if day.weekday() == 0:
                past.at(past.moment(day, 10, 20), partial(_approve, union, "union", "site_approved", None))
            if day.day == 5:
                past.at(past.moment(day, 11), partial(_export, union, day))
        day += timedelta(days=1)
    past.at(past.now - timedelta(seconds=1), _settle)  # visits attested this morning


def _settle(session: Session, now: datetime) -> None:
    pay.write_missing_lines(session, now)


def _approve(actor: Actor, step: str, state: str, school: int | None, session: Session, now: datetime) -> None:
    waiting = select(PayLine.id).where(PayLine.state == state, PayLine.amount_cents.is_not(None))
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
