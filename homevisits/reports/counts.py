"""One definition for every count. A number that two pages show comes from the same line here.

visits    completed visits, by the day the family was promised
people    different educators who went on those visits
minutes   attested minutes, of each of the two who went
dollars   pay lines of those days: approved by both (also when in a payroll file), or still waiting
no rule   lines on which nothing is due because no rule was in force, and that no correction has put right
families  asked, said yes, visited: different families of the days in question
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

Schools = frozenset[int] | None
"""The schools one may see; None: all of them."""
Month = date
"""A month, as its first day."""


@dataclass
class Tally:
    """What happened and what is owed, of a school, a month, or all together."""

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
        """All that arose from the visits."""
        return self.approved_cents + self.waiting_cents


@dataclass
class Tallies:
    """The tallies of some days: by school and month, by school, by month, and in all."""

    cells: dict[tuple[int, Month], Tally] = field(default_factory=lambda: defaultdict(Tally))
    schools: dict[int, Tally] = field(default_factory=lambda: defaultdict(Tally))
    months: dict[Month, Tally] = field(default_factory=lambda: defaultdict(Tally))
    total: Tally = field(default_factory=Tally)

    def of(self, school: int, month: Month) -> tuple[Tally, ...]:
        """Every tally that a visit of this school and month counts in."""
        return self.cells[school, month], self.schools[school], self.months[month], self.total


@dataclass(frozen=True)
class Reach:
    """How far the programme has come at one school."""

    families_asked: int
    said_yes: int
    families_visited: int
    visits: int
    educators: int
    certified: int
    willing: int


def held(schools: Schools, first: date, last: date) -> ColumnElement[bool]:
    """The visits that count: completed, promised for a day from `first` to `last`, at these schools."""
    # The days decide; the moments only let the index find them (no zone is further than a day from UTC).
    begin, end = _moment(first - timedelta(days=1)), _moment(last + timedelta(days=2))
    found = and_(
        Visit.state == "completed",
        Visit.starts_at >= begin,
        Visit.starts_at < end,
        Visit.local_date.between(first, last),
    )
    return found if schools is None else and_(found, Visit.school_id.in_(schools))


def tallies(session: Session, schools: Schools, first: date, last: date) -> Tallies:
    """The tallies of the visits from `first` to `last`."""
    found = Tallies()
    _add_visits(session, found, held(schools, first, last))
    _add_people(session, found, held(schools, first, last))
    _add_pay(session, found, schools, first, last)
    return found


def _add_visits(session: Session, found: Tallies, among: ColumnElement[bool]) -> None:
    year, month = extract("year", Visit.local_date), extract("month", Visit.local_date)
    query = (
        select(Visit.school_id, year, month, Attestation.started_at, Attestation.ended_at)
        .join(Attestation, Attestation.id == Visit.attestation_id)
        .where(among)
    )
    for school, of_year, of_month, started, ended in session.execute(query):
        minutes = round((ended - started).total_seconds() / 60)
        for tally in found.of(school, date(int(of_year), int(of_month), 1)):
            tally.visits += 1
            tally.minutes += 2 * minutes


def _add_people(session: Session, found: Tallies, among: ColumnElement[bool]) -> None:
    year, month = extract("year", Visit.local_date), extract("month", Visit.local_date)
    went = union_all(
        *(
            select(Visit.school_id, year.label("year"), month.label("month"), who.label("person")).where(among)
            for who in (Visit.lead_id, Visit.partner_id)
        )
    ).subquery()
    seen: dict[int, set[int]] = defaultdict(set)
    for school, of_year, of_month, person in session.execute(select(went).distinct()):
        for tally in found.of(school, date(int(of_year), int(of_month), 1)):
            seen[id(tally)].add(person)
    for tally in (found.total, *found.schools.values(), *found.months.values(), *found.cells.values()):
        tally.people = len(seen[id(tally)])


def _add_pay(session: Session, found: Tallies, schools: Schools, first: date, last: date) -> None:
    year, month = extract("year", PayLine.earned_on), extract("month", PayLine.earned_on)
    approved = PayLine.state.in_(("approved", "exported"))
    due = PayLine.amount_cents.is_not(None)
    among = PayLine.earned_on.between(first, last)
    query = (
        select(
            PayLine.school_id,
            year,
            month,
            _sum(and_(due, approved), PayLine.amount_cents),
            _sum(and_(due, ~approved), PayLine.amount_cents),
            _sum(and_(due, PayLine.state.in_(("earned", "site_approved"))), 1),
            _sum(and_(due, PayLine.state == "returned"), 1),
            _sum(~due, 1) - _sum(PayLine.pay_type == PayType.CORRECTION, 1),
        )
        .where(among if schools is None else and_(among, PayLine.school_id.in_(schools)))
        .group_by(PayLine.school_id, year, month)
    )
    for school, of_year, of_month, *sums in session.execute(query):
        for tally in found.of(school, date(int(of_year), int(of_month), 1)):
            tally.approved_cents += int(sums[0])
            tally.waiting_cents += int(sums[1])
            tally.waiting += int(sums[2])
            tally.returned += int(sums[3])
            tally.no_rule += int(sums[4])


def _sum(when: ColumnElement[bool], value: Any) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((when, value), else_=0)), 0)


def reach(session: Session, schools: Schools, first: date, last: date, today: date) -> dict[int, Reach]:
    """How far each school has come from `first` to `last`."""
    asked_then = and_(Invitation.asked_at >= _moment(first), Invitation.asked_at < _moment(last + timedelta(days=1)))
    asked = _by_school(session, _count(Invitation.school_id, Invitation.family_id).where(asked_then))
    yes = select(ConsentEntry.invitation_id).where(ConsentEntry.answer == "yes")
    said_yes = _count(Invitation.school_id, Invitation.family_id).where(asked_then, Invitation.id.in_(yes))
    agreed = _by_school(session, said_yes)
    visited = _by_school(session, _count(Visit.school_id, Visit.family_id).where(held(schools, first, last)))
    visits = _by_school(session, _count(Visit.school_id, Visit.id).where(held(schools, first, last)))
    staff = _count(Educator.school_id, Educator.id).where(Educator.left_on.is_(None))
    educators = _by_school(session, staff)
    held_today = select(Certification.educator_id).where(is_valid_on(today))
    certified = _by_school(session, staff.where(Educator.id.in_(held_today)))
    newest = latest_opt_ins()
    opted_in = select(newest.c.educator_id).where(newest.c.answer == "in")
    willing = _by_school(session, staff.where(Educator.id.in_(opted_in)))
    counted = (asked, agreed, visited, visits, educators, certified, willing)
    return {school: Reach(*(count.get(school, 0) for count in counted)) for school in names(session, schools)}


def _count(school: Any, what: Any) -> Select[int, int]:
    return select(school, func.count(what.distinct())).group_by(school)


def _by_school(session: Session, query: Select[int, int]) -> dict[int, int]:
    return dict(session.execute(query).all())


def names(session: Session, schools: Schools) -> dict[int, str]:
    """The schools one may see, by name."""
    query = select(School.id, School.name).where(true() if schools is None else School.id.in_(schools))
    return dict(session.execute(query.order_by(School.name, School.id)).all())


def district(session: Session) -> str:
    """The district's name."""
    return session.scalar(select(District.name).limit(1)) or ""


def months_between(first: date, last: date) -> Iterable[Month]:
    """Every month from `first` to `last`."""
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = (month + timedelta(days=32)).replace(day=1)


def _moment(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
