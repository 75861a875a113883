import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, Float, RowMapping, case, cast, func, select
from sqlalchemy.orm import Session

from homevisits.attendance.intervals import HouseholdSums
from homevisits.attendance.models import Absence, AssociationSnapshot, SchoolDay
from homevisits.attendance.report import EMPTY_GROUP, VERSION, Group
from homevisits.attendance.rules import CHRONIC_ABSENCE_PERCENT, MINIMUM_DAYS, first_day_of_school_year, school_year
from homevisits.people.models import Student
from homevisits.visits.models import Visit, VisitState


@dataclass(frozen=True)
class Period:
    """The school days from `first` to `last`."""

    first: date
    last: date


@dataclass(frozen=True)
class Snapshot:
    """The report as last computed."""

    made_at: datetime
    document: Mapping[str, Any]


def find_period(session: Session) -> Period | None:
    """Return the school days of the newest school year with attendance, up to the last recorded absence.

    None before the first import.
    """
    last_absence = session.scalar(select(func.max(Absence.day)))
    if last_absence is None:
        return None
    begin = first_day_of_school_year(school_year(last_absence))
    days = select(SchoolDay.day).where(SchoolDay.day >= begin, SchoolDay.day <= last_absence)
    first = session.scalar(days.order_by(SchoolDay.day).limit(1))
    last = session.scalar(days.order_by(SchoolDay.day.desc()).limit(1))
    return None if first is None or last is None else Period(first, last)


def _select_enrollment(period: Period) -> tuple[CTE, CTE]:
    """Select each student's enrollment within the period, and the number of school days of every such range."""
    begin = case((Student.enrolled_from > period.first, Student.enrolled_from), else_=period.first)
    end = case((Student.enrolled_to < period.last, Student.enrolled_to), else_=period.last)
    columns = (Student.id, Student.family_id, begin.label("first"), end.label("last"))
    students = select(*columns).cte("students")
    # Most students share one of a few date ranges, so the school days of each range are counted only once.
    spells = select(students.c.first, students.c.last).distinct().cte("spells")
    days = (
        select(spells.c.first, spells.c.last, func.count(SchoolDay.day).label("days"))
        .join(SchoolDay, SchoolDay.day.between(spells.c.first, spells.c.last))
        .group_by(spells.c.first, spells.c.last)
        .cte("spell_days")
    )
    return students, days


def is_chronic(days_absent: ColumnElement[int], days_enrolled: ColumnElement[int]) -> ColumnElement[bool]:
    """Return rules.is_chronically_absent as SQL. Students below MINIMUM_DAYS must be left out beforehand."""
    return 100 * days_absent >= CHRONIC_ABSENCE_PERCENT * days_enrolled


def sum_groups(session: Session, period: Period) -> tuple[Group, Group]:
    """Sum attendance of students with a visit in the period and of all others.

    Students enrolled for fewer than MINIMUM_DAYS of the period are left out.
    """
    households = _select_households(period)
    m, rates, chronic = households.c.students, households.c.rates, households.c.chronic
    query = select(
        households.c.visited,
        func.count().label("households"),
        func.sum(m).label("students"),
        func.sum(m * m).label("squared_students"),
        *(func.sum(total).label(f"{name}_total") for name, total in (("rates", rates), ("chronic", chronic))),
        *(func.sum(y * y).label(f"{name}_squared") for name, y in (("rates", rates), ("chronic", chronic))),
        *(func.sum(m * y).label(f"{name}_product") for name, y in (("rates", rates), ("chronic", chronic))),
    ).group_by(households.c.visited)
    rows = session.execute(query).mappings()
    groups = {bool(row["visited"]): Group(_to_sums(row, "rates"), _to_sums(row, "chronic")) for row in rows}
    return groups.get(True, EMPTY_GROUP), groups.get(False, EMPTY_GROUP)


def _to_sums(row: RowMapping, name: str) -> HouseholdSums:
    return HouseholdSums(
        households=row["households"],
        students=int(row["students"]),
        squared_students=row["squared_students"],
        total=row[f"{name}_total"],
        squared_total=row[f"{name}_squared"],
        product=row[f"{name}_product"],
    )


def _select_households(period: Period) -> CTE:
    """Select for each household: visited or not, number of students, sum of their rates, number chronically absent.

    The numbers are cast to float because PostgreSQL sums products of integers as decimals.
    """
    students, spell_days = _select_enrollment(period)
    missed = (
        select(Absence.student_id, func.count().label("days"))
        .join(students, students.c.id == Absence.student_id)
        .where(Absence.absent, Absence.day.between(students.c.first, students.c.last))
        .where(Absence.day.between(period.first, period.last))
        .group_by(Absence.student_id)
        .cte("missed")
    )
    visited = (
        select(Visit.family_id)
        .where(Visit.state == VisitState.COMPLETED, Visit.local_date.between(period.first, period.last))
        .distinct()
        .cte("visited")
    )
    absent = func.coalesce(missed.c.days, 0)
    chronic = case((is_chronic(absent, spell_days.c.days), 1), else_=0)
    return (
        select(
            visited.c.family_id.is_not(None).label("visited"),
            cast(func.count(), Float).label("students"),
            func.sum(1.0 - cast(absent, Float) / spell_days.c.days).label("rates"),
            cast(func.sum(chronic), Float).label("chronic"),
        )
        .select_from(students)
        .join(spell_days, (spell_days.c.first == students.c.first) & (spell_days.c.last == students.c.last))
        .outerjoin(missed, missed.c.student_id == students.c.id)
        .outerjoin(visited, visited.c.family_id == students.c.family_id)
        .where(spell_days.c.days >= MINIMUM_DAYS)
        .group_by(students.c.family_id, visited.c.family_id)
        .cte("households")
    )


def newest_snapshot(session: Session) -> Snapshot | None:
    """Return the newest snapshot of the report, or None: before the first import, or if an older release made it."""
    query = select(AssociationSnapshot.made_at, AssociationSnapshot.document)
    row = session.execute(query.order_by(AssociationSnapshot.id.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    document = json.loads(row.document)
    return Snapshot(row.made_at, document) if document["version"] == VERSION else None
