"""Counts of visits, pay and families. Every page that shows such a number reads it here.

visits    completed visits, by their booked day
people    distinct educators of those visits
minutes   attested minutes, counted for each of the two educators
cents     pay lines of those days: approved at both steps (exported or not), or waiting
no rule   pay lines without an amount because no rule was in force, minus corrections
families  distinct families that were asked, agreed, or were visited
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, extract, func, select, true, union_all
from sqlalchemy.orm import Session

from homevisits.invitations.models import ConsentEntry, Invitation
from homevisits.pay.models import PayLine
from homevisits.pay.rules import PayType
from homevisits.people.models import Certification, District, Educator, School
from homevisits.people.queries import is_valid_on, latest_opt_ins
from homevisits.visits.models import Attestation, Visit

SchoolScope = frozenset[int] | None  # the schools that the user may see; None: all
Month = date  # the first day of a month


@dataclass
class Tally:
    """Visits and pay of a school, a month, or all together."""

    visits: int = 0
    people: int = 0
    minutes: int = 0
    approved_cents: int = 0
    waiting_cents: int = 0
    waiting: int = 0
    returned: int = 0
    no_rule: int = 0

    @property
    def cents(self) -> int:
        """Total pay of the visits."""
        return self.approved_cents + self.waiting_cents


@dataclass
class Tallies:
    """The tallies of a range of days: by school and month, by school, by month, and in total."""

    cells: dict[tuple[int, Month], Tally] = field(default_factory=lambda: defaultdict(Tally))
    schools: dict[int, Tally] = field(default_factory=lambda: defaultdict(Tally))
    months: dict[Month, Tally] = field(default_factory=lambda: defaultdict(Tally))
    total: Tally = field(default_factory=Tally)

    def of(self, school: int, month: Month) -> tuple[Tally, ...]:
        """Return every tally that includes the visits of this school and month."""
        return self.cells[school, month], self.schools[school], self.months[month], self.total


@dataclass(frozen=True)
class Reach:
    """Progress of the program at a single school: families and educators."""

    families_asked: int
    said_yes: int
    families_visited: int
    visits: int
    educators: int
    certified: int
    opted_in: int


def is_counted(schools: SchoolScope, first: date, last: date) -> ColumnElement[bool]:
    """Return the SQL condition for completed visits from `first` to `last` at these schools."""
    # The local date decides. The UTC times only let the database use the index; no time zone is a day from UTC.
    begin, end = _utc_midnight(first - timedelta(days=1)), _utc_midnight(last + timedelta(days=2))
    condition = and_(
        Visit.state == "completed",
        Visit.starts_at >= begin,
        Visit.starts_at < end,
        Visit.local_date.between(first, last),
    )
    return condition if schools is None else and_(condition, Visit.school_id.in_(schools))


def count_visits_and_pay(session: Session, schools: SchoolScope, first: date, last: date) -> Tallies:
    """Count visits, educators and pay from `first` to `last`."""
    tallies = Tallies()
    _add_visits(session, tallies, is_counted(schools, first, last))
    _add_people(session, tallies, is_counted(schools, first, last))
    _add_pay(session, tallies, schools, first, last)
    return tallies


def _add_visits(session: Session, tallies: Tallies, condition: ColumnElement[bool]) -> None:
    year, month = extract("year", Visit.local_date), extract("month", Visit.local_date)
    query = (
        select(Visit.school_id, year, month, Attestation.started_at, Attestation.ended_at)
        .join(Attestation, Attestation.id == Visit.attestation_id)
        .where(condition)
    )
    for school, of_year, of_month, started, ended in session.execute(query):
        minutes = round((ended - started).total_seconds() / 60)
        for tally in tallies.of(school, date(int(of_year), int(of_month), 1)):
            tally.visits += 1
            tally.minutes += 2 * minutes


def _add_people(session: Session, tallies: Tallies, condition: ColumnElement[bool]) -> None:
    year, month = extract("year", Visit.local_date), extract("month", Visit.local_date)
    went = union_all(
        *(
            select(Visit.school_id, year.label("year"), month.label("month"), who.label("person")).where(condition)
            for who in (Visit.lead_id, Visit.partner_id)
        )
    ).subquery()
    seen: dict[int, set[int]] = defaultdict(set)
    for school, of_year, of_month, person in session.execute(select(went).distinct()):
        for tally in tallies.of(school, date(int(of_year), int(of_month), 1)):
            seen[id(tally)].add(person)
    for tally in (tallies.total, *tallies.schools.values(), *tallies.months.values(), *tallies.cells.values()):
        tally.people = len(seen[id(tally)])


def _add_pay(session: Session, tallies: Tallies, schools: SchoolScope, first: date, last: date) -> None:
    year, month = extract("year", PayLine.earned_on), extract("month", PayLine.earned_on)
    approved = PayLine.state.in_(("approved", "exported"))
    due = PayLine.amount_cents.is_not(None)
    among = PayLine.earned_on.between(first, last)
    query = (
        select(
            PayLine.school_id,
            year,
            month,
            _sum_where(and_(due, approved), PayLine.amount_cents),
            _sum_where(and_(due, ~approved), PayLine.amount_cents),
            _sum_where(and_(due, PayLine.state.in_(("earned", "site_approved"))), 1),
            _sum_where(and_(due, PayLine.state == "returned"), 1),
            _sum_where(~due, 1) - _sum_where(PayLine.pay_type == PayType.CORRECTION, 1),
        )
        .where(among if schools is None else and_(among, PayLine.school_id.in_(schools)))
        .group_by(PayLine.school_id, year, month)
    )
    for school, of_year, of_month, *sums in session.execute(query):
        for tally in tallies.of(school, date(int(of_year), int(of_month), 1)):
            tally.approved_cents += int(sums[0])
            tally.waiting_cents += int(sums[1])
            tally.waiting += int(sums[2])
            tally.returned += int(sums[3])
            tally.no_rule += int(sums[4])


def _sum_where(when: ColumnElement[bool], value: Any) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((when, value), else_=0)), 0)


def measure_reach(session: Session, schools: SchoolScope, first: date, last: date, today: date) -> dict[int, Reach]:
    """Measure the progress of each school from `first` to `last`."""
    asked_in_period = and_(
        Invitation.asked_at >= _utc_midnight(first), Invitation.asked_at < _utc_midnight(last + timedelta(days=1))
    )
    families = _count_distinct(Invitation.school_id, Invitation.family_id).where(asked_in_period)
    asked = _read_by_school(session, families)
    yes = select(ConsentEntry.invitation_id).where(ConsentEntry.answer == "yes")
    said_yes = _read_by_school(session, families.where(Invitation.id.in_(yes)))
    is_completed = is_counted(schools, first, last)
    visited = _read_by_school(session, _count_distinct(Visit.school_id, Visit.family_id).where(is_completed))
    visits = _read_by_school(session, _count_distinct(Visit.school_id, Visit.id).where(is_completed))
    staff = _count_distinct(Educator.school_id, Educator.id).where(Educator.left_on.is_(None))
    educators = _read_by_school(session, staff)
    held_today = select(Certification.educator_id).where(is_valid_on(today))
    certified = _read_by_school(session, staff.where(Educator.id.in_(held_today)))
    newest = latest_opt_ins()
    opted_in_ids = select(newest.c.educator_id).where(newest.c.answer == "in")
    opted_in = _read_by_school(session, staff.where(Educator.id.in_(opted_in_ids)))
    return {
        school: Reach(
            families_asked=asked.get(school, 0),
            said_yes=said_yes.get(school, 0),
            families_visited=visited.get(school, 0),
            visits=visits.get(school, 0),
            educators=educators.get(school, 0),
            certified=certified.get(school, 0),
            opted_in=opted_in.get(school, 0),
        )
        for school in school_names(session, schools)
    }


def _count_distinct(school: Any, what: Any) -> Select[int, int]:
    return select(school, func.count(what.distinct())).group_by(school)


def _read_by_school(session: Session, query: Select[int, int]) -> dict[int, int]:
    return dict(session.execute(query).all())


def school_names(session: Session, schools: SchoolScope) -> dict[int, str]:
    """Return the names of these schools by id, in alphabetical order."""
    query = select(School.id, School.name).where(true() if schools is None else School.id.in_(schools))
    return dict(session.execute(query.order_by(School.name, School.id)).all())


def district_name(session: Session) -> str:
    """Return the name of the district, or "" before the first import."""
    return session.scalar(select(District.name).limit(1)) or ""


def months_between(first: date, last: date) -> Iterable[Month]:
    """Yield every month from `first` to `last`."""
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = (month + timedelta(days=32)).replace(day=1)


def _utc_midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
