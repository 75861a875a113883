"""Queries of attendance: both groups in one pass over the tables, and the newest snapshot of the report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, Float, RowMapping, case, cast, func, select
from sqlalchemy.orm import Session

from homevisits.attendance.intervals import HouseholdSums
from homevisits.attendance.models import Absence, AssociationSnapshot, SchoolDay
from homevisits.attendance.report import NOBODY, VERSION, Group
from homevisits.attendance.rules import CHRONIC_ABSENCE_PERCENT, MINIMUM_DAYS, first_of_school_year, school_year
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


def period(session: Session) -> Period | None:
    """The school year that attendance is known of, up to the last day it is known; None while nothing is."""
    known_to = session.scalar(select(func.max(Absence.day)))
    if known_to is None:
        return None
    begin = first_of_school_year(school_year(known_to))
    days = select(SchoolDay.day).where(SchoolDay.day >= begin, SchoolDay.day <= known_to)
    first = session.scalar(days.order_by(SchoolDay.day).limit(1))
    last = session.scalar(days.order_by(SchoolDay.day.desc()).limit(1))
    return None if first is None or last is None else Period(first, last)


def _enrolled(wanted: Period) -> tuple[CTE, CTE]:
    """Each student's spell within the period, and the school days of every spell."""
    begin = case((Student.enrolled_from > wanted.first, Student.enrolled_from), else_=wanted.first)
    end = case((Student.enrolled_to < wanted.last, Student.enrolled_to), else_=wanted.last)
    columns = (Student.id, Student.family_id, begin.label("first"), end.label("last"))
    students = select(*columns).cte("students")
    # Most students share one of a few spells: their school days are counted once for each.
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


def groups(session: Session, wanted: Period) -> tuple[Group, Group]:
    """Students whose family had a completed visit in the period, and all others; enrolled at least ten days of it."""
    households = _households(wanted)
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
    found = {bool(row["visited"]): Group(_sums(row, "rates"), _sums(row, "chronic")) for row in rows}
    return found.get(True, NOBODY), found.get(False, NOBODY)


def _sums(row: RowMapping, name: str) -> HouseholdSums:
    return HouseholdSums(
        row["households"],
        int(row["students"]),
        row["squared_students"],
        row[f"{name}_total"],
        row[f"{name}_squared"],
        row[f"{name}_product"],
    )


def _households(wanted: Period) -> CTE:
    """Each household: visited or not, number of students, sum of their rates, number chronically absent.

    The numbers are floats: PostgreSQL sums products of integers as decimals.
    """
    students, spell_days = _enrolled(wanted)
    missed = (
        select(Absence.student_id, func.count().label("days"))
        .join(students, students.c.id == Absence.student_id)
        .where(Absence.absent, Absence.day.between(students.c.first, students.c.last))
        .where(Absence.day.between(wanted.first, wanted.last))
        .group_by(Absence.student_id)
        .cte("missed")
    )
    visited = (
        select(Visit.family_id)
        .where(Visit.state == VisitState.COMPLETED, Visit.local_date.between(wanted.first, wanted.last))
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


def newest(session: Session) -> Snapshot | None:
    """Return the newest snapshot of the report, or None: before the first import, or if an older release made it."""
    wanted = select(AssociationSnapshot.made_at, AssociationSnapshot.document)
    row = session.execute(wanted.order_by(AssociationSnapshot.id.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    document = json.loads(row.document)
    return Snapshot(row.made_at, document) if document["version"] == VERSION else None
