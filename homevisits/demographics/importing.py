"""Import sex, race and ethnicity, and English learner status, for the fairness analysis only.

All other columns (birth date and place, residence, lunch, discipline and so on) are ignored and never stored.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from homevisits.core.db import Database
from homevisits.demographics.models import StudentTraits
from homevisits.demographics.rules import HISPANIC, RACES, SEXES, TWO_OR_MORE_RACES, race_ethnicity_category
from homevisits.people.importing.apply import ImportReport
from homevisits.people.importing.csv_reader import Finding, Row, read_csv
from homevisits.people.importing.package import open_package
from homevisits.people.models import Student

DEMOGRAPHICS = "demographics.csv"
SUPPLEMENT = "student_supplement.csv"
FLAGS = (*RACES, TWO_OR_MORE_RACES, HISPANIC)
YES_VALUES = frozenset({"y", "yes", "1", "true"})
NO_VALUES = frozenset({"n", "no", "0", "false"})


def import_demographics(database: Database, path: Path) -> ImportReport:
    """Import demographics.csv (OneRoster) and English learners of the supplement from a folder, zip or CSV file.

    One of the two may be missing. Traits that the files do not contain keep their stored values.
    """
    files, errors = _open_files(path)
    traits = list(_read_rows(files, DEMOGRAPHICS, ("sourcedId",), errors))
    learners = list(_read_rows(files, SUPPLEMENT, ("student_number", "english_learner"), errors))
    read_traits = {row["sourcedId"]: _parse_traits(row, errors) for row in traits}
    with database.transaction() as session:
        ids = session.execute(select(Student.id, Student.source_id, Student.identifier)).all()
        by_source = {source: key for key, source, _ in ids}
        by_number = {number: key for key, _, number in ids if number}
        # The file lists all users of the roster; rows of caregivers and staff are ignored.
        traits_by_student: dict[int, dict[str, Any]] = {
            by_source[s]: t for s, t in read_traits.items() if s in by_source
        }
        for row in learners:
            student = by_number.get(row["student_number"])
            learner = _parse_yes_no(row, "english_learner", errors)
            if student is None:
                errors.append(row.finding("student_number", "student_unknown", found=row["student_number"]))
            else:
                traits_by_student.setdefault(student, {})["english_learner"] = learner
        counts = {"students": len(traits_by_student)}
        if errors:
            return ImportReport(counts, tuple(errors))
        changed = _write_traits(session, traits_by_student)
    return ImportReport(counts, (), (), {"changed": changed})


def _open_files(path: Path) -> tuple[Mapping[str, bytes], list[Finding]]:
    names = (DEMOGRAPHICS, SUPPLEMENT)
    if path.is_file() and path.name in names:
        return {path.name: path.read_bytes()}, []
    package = open_package(path, names)
    if package.files or package.errors:
        return package.files, list(package.errors)
    return {}, [Finding(DEMOGRAPHICS, None, None, "file_missing")]


def _read_rows(
    files: Mapping[str, bytes], name: str, required: tuple[str, ...], errors: list[Finding]
) -> Iterable[Row]:
    if name not in files:
        return ()
    table = read_csv(name, files[name], required)
    errors.extend(table.errors)
    return table.rows


def _parse_traits(row: Row, errors: list[Finding]) -> dict[str, Any]:
    sex = row["sex"].lower() or None
    if sex is not None and sex not in SEXES:
        errors.append(row.finding("sex", "value_unknown", found=row["sex"]))
    return {
        "sex": sex,
        "race_ethnicity": race_ethnicity_category({flag: bool(_parse_yes_no(row, flag, errors)) for flag in FLAGS}),
    }


def _parse_yes_no(row: Row, column: str, errors: list[Finding]) -> bool | None:
    text = row[column].lower()
    if text and text not in YES_VALUES | NO_VALUES:
        errors.append(row.finding(column, "yes_or_no", found=row[column]))
    return text in YES_VALUES if text else None


def _write_traits(session: Session, traits_by_student: Mapping[int, Mapping[str, Any]]) -> int:
    columns = ("sex", "race_ethnicity", "english_learner")
    stored = {
        row.student_id: {name: getattr(row, name) for name in columns} for row in session.scalars(select(StudentTraits))
    }
    nothing = dict.fromkeys(columns)
    new = [{"student_id": key, **nothing, **traits} for key, traits in traits_by_student.items() if key not in stored]
    changed = [
        {"student_id": key, **stored[key], **traits}
        for key, traits in traits_by_student.items()
        if key in stored and {**stored[key], **traits} != stored[key]
    ]
    if new:
        session.execute(insert(StudentTraits), new)
    if changed:
        session.execute(update(StudentTraits), changed)
    return len(new) + len(changed)
