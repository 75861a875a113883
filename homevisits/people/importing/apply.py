"""Import a roster, completely or not at all. Importing the same roster again changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import delete, insert, select, tuple_, update
from sqlalchemy.orm import Session

from homevisits.core.db import Base, Database
from homevisits.people.importing import oneroster
from homevisits.people.importing.csv_reader import Finding
from homevisits.people.importing.family_matching import match_families
from homevisits.people.importing.package import open_package
from homevisits.people.importing.roster import ImportPlan, build_plan
from homevisits.people.models import (
    Caregiver,
    District,
    Educator,
    Enrollment,
    Family,
    FamilyMerge,
    School,
    SchoolClass,
    Student,
    Teaching,
)

DEFAULT_TIMEZONE = "America/Chicago"
DELETE_BATCH_SIZE = 400
COUNT_NAMES = ("schools", "students", "households", "caregivers", "educators", "classes", "enrollments")
NO_COUNTS: Mapping[str, int] = MappingProxyType(dict.fromkeys(COUNT_NAMES, 0))


@dataclass(frozen=True)
class ImportReport:
    """Result of an import. With errors nothing was written and all counts are 0."""

    counts: Mapping[str, int]
    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    changes: Mapping[str, int] = field(default_factory=dict)


def import_oneroster(
    database: Database, path: Path, now: datetime, *, timezone: str = DEFAULT_TIMEZONE
) -> ImportReport:
    """Import the OneRoster 1.1 folder or zip at `path`, completely or not at all."""
    package = open_package(path, oneroster.FILE_NAMES)
    if package.errors:
        return ImportReport(NO_COUNTS, package.errors)
    roster = oneroster.read_roster(package.files)
    if roster.errors:
        return ImportReport(NO_COUNTS, roster.errors, roster.warnings)
    plan = build_plan(roster, now.date())
    warnings = (*roster.warnings, *plan.warnings)
    if plan.errors:
        return ImportReport(NO_COUNTS, plan.errors, warnings)
    with database.transaction() as session:
        errors = _check_same_district(session, plan)
        if errors:
            return ImportReport(NO_COUNTS, errors, warnings)
        changes = import_roster(session, plan, now, timezone=timezone)
    return ImportReport(_count_rows(plan), (), warnings, changes)


def _count_rows(plan: ImportPlan) -> dict[str, int]:
    return {
        "schools": len(plan.schools),
        "students": len(plan.students),
        "households": len(plan.households),
        "caregivers": len(plan.caregivers),
        "educators": len(plan.educators),
        "classes": len(plan.classes),
        "enrollments": plan.entries,
    }


def _check_same_district(session: Session, plan: ImportPlan) -> tuple[Finding, ...]:
    """Refuse the roster of another district, which would mark all stored people as gone."""
    # Lock the district's row, so that parallel imports run one after the other.
    known = session.scalar(select(District.source_id).with_for_update())
    if plan.district and known is not None and known != plan.district[0]:
        params = {"found": plan.district[0], "known": known}
        return (Finding("orgs.csv", None, "sourcedId", "other_district", params),)
    return ()


def import_roster(session: Session, plan: ImportPlan, now: datetime, *, timezone: str) -> dict[str, int]:
    """Update the tables to match `plan`. People missing from it are kept and get the import date as last day."""
    sync = _TableSync(session, now.date())
    if plan.district:
        sync.table(District, {plan.district[0]: {"name": plan.district[1]}}, {"timezone": timezone})
    schools = sync.table(School, plan.schools, {"timezone": timezone})
    educators = sync.table(Educator, _resolve_ids(plan.educators, school=schools), end_column="left_on")
    families = _sync_families(sync, plan, now)
    students = sync.table(
        Student,
        _resolve_ids(_add_family_keys(plan), school=schools, family=families),
        end_column="enrolled_to",
    )
    sync.table(Caregiver, _resolve_ids(plan.caregivers, family=families), end_column="left_on")
    classes = sync.table(SchoolClass, _resolve_ids(plan.classes, school=schools))
    sync.pairs(Enrollment, "student_id", [(classes[c], students[s]) for c, s in plan.enrolled])
    sync.pairs(Teaching, "educator_id", [(classes[c], educators[e]) for c, e in plan.teaching])
    return dict(sync.changes)


def _resolve_ids(rows: Mapping[str, Mapping[str, Any]], **ids: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Replace source ids (`school`) by database ids (`school_id`)."""

    def resolved(row: Mapping[str, Any]) -> dict[str, Any]:
        plain = {name: value for name, value in row.items() if name not in ids}
        return plain | {f"{name}_id": known[row[name]] for name, known in ids.items()}

    return {key: resolved(row) for key, row in rows.items()}


def _add_family_keys(plan: ImportPlan) -> dict[str, dict[str, Any]]:
    home = {student: household.key for household in plan.households for student in household.students}
    return {key: {**row, "family": home[key]} for key, row in plan.students.items()}


def _sync_families(sync: "_TableSync", plan: ImportPlan, now: datetime) -> dict[str, int]:
    """Update the families; return the family id of each household, by its key."""
    session = sync.session
    matches = match_families(
        plan.households,
        dict(session.execute(select(Student.source_id, Student.family_id)).all()),
        dict(session.execute(select(Caregiver.source_id, Caregiver.family_id)).all()),
    )
    _record_merges(session, matches.merged, now)
    rows = {found: (key, name) for found, key, name in session.execute(select(Family.id, Family.key, Family.name))}
    taken_keys = {key for key, _ in rows.values()}
    ids: dict[str, int] = dict(matches.families)
    new: list[dict[str, Any]] = []
    renamed: list[dict[str, Any]] = []
    for home in plan.households:
        name = plan.family_names[home.key]
        known = ids.get(home.key)
        if known is None:
            new.append({"home": home.key, "key": _make_unique_key(home.key, taken_keys), "name": name})
        elif rows[known][1] != name:
            renamed.append({"id": known, "name": name})
    sync.write(Family, [{"key": row["key"], "name": row["name"]} for row in new], renamed)
    by_key = {key: found for found, key in session.execute(select(Family.id, Family.key))} if new else {}
    return ids | {row["home"]: by_key[row["key"]] for row in new}


def _record_merges(session: Session, merged: Sequence[tuple[int, int]], now: datetime) -> None:
    """Record merged families, including those that were merged into them before."""
    known = session.execute(select(FamilyMerge.family_id, FamilyMerge.merged_id)).all() if merged else []
    rows = {
        (family, merged_id)
        for family, gone in merged
        for merged_id in (gone, *(earlier for into, earlier in known if into == gone))
        if merged_id != family
    }
    if rows:
        session.execute(insert(FamilyMerge), [{"family_id": f, "merged_id": m, "at": now} for f, m in sorted(rows)])


def _make_unique_key(key: str, taken: set[str]) -> str:
    """Return `key`, with a number if another family already has it."""
    unique_key, number = key, 1
    while unique_key in taken:
        number += 1
        unique_key = f"{key}#{number}"
    taken.add(unique_key)
    return unique_key


class _TableSync:
    """Update tables to match the imported rows; insert only new rows and update only changed rows."""

    def __init__(self, session: Session, today: date) -> None:
        self.session = session
        self.today = today
        self.changes = {"added": 0, "changed": 0, "left": 0}

    def table(
        self,
        model: type[Base],
        rows: Mapping[str, Mapping[str, Any]],
        insert_only: Mapping[str, Any] | None = None,
        *,
        end_column: str | None = None,
    ) -> dict[str, int]:
        """Update `model` by source_id and return the ids. Rows not in `rows` get today in the column `end_column`."""
        first_row = next(iter(rows.values()), {})
        columns = [*first_row, *([end_column] if end_column and end_column not in first_row else [])]
        source = model.source_id  # type: ignore[attr-defined]
        existing = self.session.execute(select(model.id, source, *(getattr(model, c) for c in columns)))  # type: ignore[attr-defined]
        known = {row[1]: (row[0], dict(zip(columns, row[2:], strict=True))) for row in existing}
        # A person who is in the roster again has returned, unless the roster gives a last day.
        reset: dict[str, Any] = {end_column: None} if end_column and end_column not in first_row else {}
        new = [{**(insert_only or {}), **row, "source_id": key} for key, row in rows.items() if key not in known]
        changed = [
            {"id": known[key][0], **row, **reset}
            for key, row in rows.items()
            if key in known and {**row, **reset} != known[key][1]
        ]
        removed = [
            {"id": found_id, end_column: self.today}
            for key, (found_id, row) in known.items()
            if end_column and key not in rows and row[end_column] is None
        ]
        self.write(model, new, changed, removed)
        if new:
            known |= {key: (i, {}) for i, key in self.session.execute(select(model.id, source))}  # type: ignore[attr-defined]
        return {key: known[key][0] for key in rows}

    def write(
        self,
        model: type[Base],
        new: list[dict[str, Any]],
        changed: list[dict[str, Any]],
        removed: list[dict[str, Any]] | None = None,
    ) -> None:
        """Insert and update rows with a statement each."""
        if new:
            self.session.execute(insert(model), new)
        if changed:
            self.session.execute(update(model), changed)
        if removed:
            self.session.execute(update(model), removed)
        self.changes["added"] += len(new)
        self.changes["changed"] += len(changed)
        self.changes["left"] += len(removed or ())

    def pairs(self, model: type[Base], other: str, pairs: Iterable[tuple[int, int]]) -> None:
        """Update a table of pairs (class_id, `other`)."""
        first, second = model.class_id, getattr(model, other)  # type: ignore[attr-defined]
        known = {(class_id, other_id) for class_id, other_id in self.session.execute(select(first, second))}
        target = set(pairs)
        new, removed = sorted(target - known), sorted(known - target)
        if new:
            self.session.execute(insert(model), [{"class_id": class_id, other: other_id} for class_id, other_id in new])
        for start in range(0, len(removed), DELETE_BATCH_SIZE):
            self.session.execute(
                delete(model).where(tuple_(first, second).in_(removed[start : start + DELETE_BATCH_SIZE]))
            )
        self.changes["added"] += len(new)
        self.changes["left"] += len(removed)
