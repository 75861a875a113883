"""Import attendance files, and compare the report with reference figures from R."""

import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from sqlalchemy import func, literal, select, union_all, update

from homevisits.attendance import queries, rules
from homevisits.attendance.actions import refresh_report
from homevisits.attendance.importing import import_attendance
from homevisits.attendance.models import Absence, AssociationSnapshot, AttendanceCode, PriorYear, SchoolDay
from homevisits.attendance.report import EMPTY_GROUP
from homevisits.core.db import Database
from homevisits.people.importing.apply import ImportReport
from homevisits.people.models import Family, School, Student
from tests.attendance.district import IMPORTED_AT, import_roster, record_visits

CODES = """code,description,category,counts_as_absent,portion_of_day
A,Absent,x,1,1.0
H,Half,x,1,0.5
Q,Quarter,x,1,0.25
T,Tardy,x,0,0.0
"""
CALENDAR = "date,school_day\n2025-09-01,Y\n2025-09-02,Y\n2025-09-03,Y\n2025-09-06,N\n"
HEADER = "student_number,school_number,att_date,att_code,att_code_description,portion_absent\n"


@pytest.fixture
def small_district(database: Database) -> Database:
    """Two schools, each with a single student."""
    with database.transaction() as session:
        for number, (school, student) in enumerate([("100074", "1000007"), ("100148", "1000020")], start=1):
            session.add(School(id=number, source_id=school, identifier=school, name=school, timezone="America/Denver"))
            session.add(Family(id=number, key=school, name="Test"))
            session.flush()
            session.add(
                Student(
                    id=number, source_id=student, identifier=student, family_id=number, school_id=number,
                    given_name="Kid", family_name="Test", grade="03",
                )
            )  # fmt: skip
    return database


@pytest.fixture
def large_district(database: Database, shared: Path) -> Database:
    """The roster of the reference district with 1,000 students."""
    import_roster(database, shared)
    return database


def write_files(folder: Path, events: str, codes: str | None = CODES, calendar: str | None = CALENDAR) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "attendance_events.csv").write_text(HEADER + events, encoding="utf-8")
    for name, content in (("attendance_codes.csv", codes), ("calendar.csv", calendar)):
        if content is not None:
            (folder / name).write_text(content, encoding="utf-8")
    return folder


def read_absences(database: Database) -> list[tuple[object, ...]]:
    with database.reading() as session:
        rows = session.execute(select(Absence.student_id, Absence.day, Absence.code, Absence.absent))
        return sorted(rows)


def error_positions(report: ImportReport) -> list[tuple[str, int | None, str | None, str]]:
    return [(f.file, f.line, f.column, f.code) for f in report.errors]


def test_large_district_gives_the_figures_of_r(large_district: Database, shared: Path) -> None:
    folder = shared / "data" / "district-1k"
    record_visits(large_district, shared)
    report = import_attendance(large_district, folder / "attendance", IMPORTED_AT)
    assert (report.errors, report.warnings) == ((), ())
    assert report.counts == {
        "school_days": 180, "attendance_codes": 8, "attendance_events": 18635, "prior_years": 818,
    }  # fmt: skip
    with large_district.reading() as session:
        period = queries.find_period(session)
        assert period == queries.Period(date(2025, 8, 20), date(2026, 6, 4))
        visited, others = queries.sum_groups(session, period)
        snapshot = queries.newest_snapshot(session)
    reference = json.loads((shared / "data" / "reference.json").read_text(encoding="utf-8"))
    chronic = reference["statistics"]["district-1k"]["chronic"]
    assert [visited.chronic_count, visited.n] == chronic["visited"]
    assert [others.chronic_count, others.n] == chronic["not"]
    assert snapshot is not None
    students = _students(large_district, folder / "truth" / "analysis_students.csv")
    for name, in_group in (("visited", True), ("others", False)):
        families, rates, is_chronic = zip(*students[in_group], strict=True)
        assert len(set(families)) < len(families)  # there are siblings
        measured, counted = snapshot.document["attendance"][name], snapshot.document["chronic"][name]
        expected = _clustered(families, rates)
        assert measured["value"] == pytest.approx(expected.params[0], rel=1e-9)
        assert (measured["low"], measured["high"]) == pytest.approx(tuple(expected.conf_int()[0]), rel=1e-6)
        assert counted["value"] == pytest.approx(mean(is_chronic))
        group = visited if in_group else others
        assert group.chronic.variance == pytest.approx(_clustered(families, is_chronic).cov_params()[0, 0], rel=1e-9)


def _clustered(families: Sequence[int], values: Sequence[float]) -> Any:
    """Regression of the values on a constant, with errors clustered by family."""
    design = np.ones(len(values))
    return sm.OLS(values, design).fit(cov_type="cluster", cov_kwds={"groups": np.array(families)}, use_t=True)


def _students(database: Database, file: Path) -> dict[bool, list[tuple[int, float, float]]]:
    """Family, attendance rate and chronic absence of the students, by whether their family was visited."""
    with database.reading() as session:
        family_of = dict(session.execute(select(Student.identifier, Student.family_id)).all())
    students: dict[bool, list[tuple[int, float, float]]] = defaultdict(list)
    with file.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            absent, days = int(row["year_abs"]), int(row["year_days"])
            values = (family_of[row["student_number"]], 1 - absent / days, float(10 * absent >= days))
            students[int(row["visits"]) > 0].append(values)
    return students


@pytest.mark.parametrize("days_enrolled", [10, 11, 19, 20, 30, 99, 100, 179, 180, 181])
def test_sql_and_python_agree_on_chronic_absence(database: Database, days_enrolled: int) -> None:
    grid = range(days_enrolled + 1)
    query = union_all(*(select(queries.is_chronic(literal(n), literal(days_enrolled)), literal(n)) for n in grid))
    with database.reading() as session:
        chronic_by_absences = {absent: bool(chronic) for chronic, absent in session.execute(query)}
    assert chronic_by_absences == {absent: rules.is_chronically_absent(absent, days_enrolled) for absent in grid}
    assert set(chronic_by_absences.values()) == {False, True}


def test_snapshot_of_an_older_release_is_replaced(small_district: Database, tmp_path: Path) -> None:
    import_attendance(small_district, write_files(tmp_path / "in", "1000007,,2025-09-03,A,,\n"), IMPORTED_AT)
    with small_district.transaction() as session:
        session.execute(update(AssociationSnapshot).values(document='{"version": 1}'))
        assert queries.newest_snapshot(session) is None
        assert refresh_report.refresh_report_if_due(session, IMPORTED_AT)
        assert queries.newest_snapshot(session) is not None


def test_importing_the_same_files_again_changes_nothing(large_district: Database, shared: Path) -> None:
    folder = shared / "data" / "district-1k" / "attendance"
    first = import_attendance(large_district, folder, IMPORTED_AT)
    before = read_absences(large_district)
    assert import_attendance(large_district, folder, IMPORTED_AT) == first
    assert read_absences(large_district) == before
    assert len(before) == 18635


def test_every_invalid_row_is_reported_and_nothing_is_imported(small_district: Database, tmp_path: Path) -> None:
    folder = write_files(
        tmp_path / "in",
        "1000007,100074,2025-09-01,A,,\n"
        "nobody,100074,2025-09-01,A,,\n"
        "1000007,100074,1 Sept,A,,\n"
        "1000007,100074,2025-09-02,A,,1.5\n"
        "1000007,100074,2025-09-02,Z,,\n"
        "1000007,999,2025-09-02,A,,\n"
        "1000007,100074,2025-09-02\n",
    )
    name = "attendance_events.csv"
    report = import_attendance(small_district, folder, IMPORTED_AT)
    assert error_positions(report) == [
        (name, 8, None, "row_width"),
        (name, 4, "att_date", "date_unreadable"),
        (name, 5, "portion_absent", "portion_of_day"),
    ]
    folder = write_files(
        tmp_path / "in",
        "1000007,100074,2025-09-01,A,,\nnobody,100074,2025-09-01,A,,\n1000007,100074,2025-09-02,Z,,\n1000007,999,2025-09-02,A,,\n",
    )
    assert error_positions(import_attendance(small_district, folder, IMPORTED_AT)) == [
        (name, 3, "student_number", "student_unknown"),
        (name, 4, "att_code", "attendance_code_unknown"),
        (name, 5, "school_number", "school_number_unknown"),
    ]
    with small_district.reading() as session:
        for table in (Absence, AttendanceCode, SchoolDay, PriorYear):
            assert session.scalar(select(func.count()).select_from(table)) == 0


def test_portion_of_the_row_overrides_the_portion_of_the_code(small_district: Database, tmp_path: Path) -> None:
    folder = write_files(
        tmp_path / "in",
        "1000007,,2025-09-01,H,,\n1000007,,2025-09-02,A,,0.4\n1000007,,2025-09-03,Q,,\n"
        "1000020,,2025-09-01,Q,,0.5\n1000020,,2025-09-02,T,,1.0\n",
    )
    assert import_attendance(small_district, folder, IMPORTED_AT).errors == ()
    assert [(code, absent) for _, _, code, absent in read_absences(small_district)] == [
        ("H", True), ("A", False), ("Q", False), ("Q", True), ("T", False),
    ]  # fmt: skip


def test_corrected_absence_replaces_the_old_one(small_district: Database, tmp_path: Path) -> None:
    import_attendance(
        small_district, write_files(tmp_path / "a", "1000007,,2025-09-01,A,,\n1000020,,2025-09-03,A,,\n"), IMPORTED_AT
    )
    import_attendance(
        small_district,
        write_files(tmp_path / "b", "1000020,,2025-09-01,A,,\n1000020,,2025-09-02,T,,\n", None, None),
        IMPORTED_AT,
    )
    absences = {(day.day, code) for _, day, code, _ in read_absences(small_district)}  # type: ignore[attr-defined]
    assert absences == {(1, "A"), (2, "T"), (3, "A")}
    assert len(read_absences(small_district)) == 3


def test_file_of_one_school_keeps_absences_of_other_schools(small_district: Database, tmp_path: Path) -> None:
    import_attendance(
        small_district,
        write_files(tmp_path / "a", "1000007,100074,2025-09-01,A,,\n1000020,,2025-09-01,A,,\n"),
        IMPORTED_AT,
    )
    import_attendance(small_district, write_files(tmp_path / "b", "1000007,100074,2025-09-01,T,,\n"), IMPORTED_AT)
    assert sorted(code for _, _, code, _ in read_absences(small_district)) == ["A", "T"]


def test_absence_on_a_day_without_school_is_skipped_with_a_warning(small_district: Database, tmp_path: Path) -> None:
    report = import_attendance(
        small_district, write_files(tmp_path / "in", "1000007,,2025-09-01,A,,\n1000007,,2025-09-06,A,,\n"), IMPORTED_AT
    )
    assert [(f.line, f.column, f.code) for f in report.warnings] == [(3, "att_date", "no_school_that_day")]
    assert len(read_absences(small_district)) == 1


def test_absence_wins_among_several_rows_of_a_day(small_district: Database, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "in", "1000007,,2025-09-01,T,,\n1000007,,2025-09-01,A,,\n1000007,,2025-09-01,T,,\n")
    report = import_attendance(small_district, folder, IMPORTED_AT)
    assert [(f.code, f.params["number"]) for f in report.warnings] == [("student_day_twice", 2)]
    assert [(code, absent) for _, _, code, absent in read_absences(small_district)] == [("A", True)]


def test_single_file_is_imported_and_missing_files_are_refused(small_district: Database, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "in", "1000007,,2025-09-01,A,,\n")
    assert import_attendance(small_district, folder / "calendar.csv", IMPORTED_AT).counts["school_days"] == 3
    assert [f.code for f in import_attendance(small_district, tmp_path / "none", IMPORTED_AT).errors] == [
        "package_missing"
    ]
    (tmp_path / "empty").mkdir()
    assert [f.code for f in import_attendance(small_district, tmp_path / "empty", IMPORTED_AT).errors] == [
        "attendance_files_missing"
    ]


def test_report_is_calculated_again_when_it_is_due(small_district: Database, tmp_path: Path) -> None:
    with small_district.transaction() as session:
        assert not refresh_report.is_due(session, IMPORTED_AT)  # there is no attendance yet
        assert not refresh_report.refresh_report(session, IMPORTED_AT)
    import_attendance(small_district, write_files(tmp_path / "in", "1000007,,2025-09-03,A,,\n"), IMPORTED_AT)
    later = IMPORTED_AT + timedelta(hours=20)
    with small_district.transaction() as session:
        assert not refresh_report.is_due(session, later - timedelta(minutes=1))
        assert refresh_report.is_due(session, later)
        assert refresh_report.refresh_report(session, later)
        snapshot = queries.newest_snapshot(session)
        assert not refresh_report.is_due(session, later)
    assert snapshot is not None
    assert snapshot.made_at == later


def test_students_enrolled_for_fewer_than_ten_days_are_not_counted(small_district: Database, tmp_path: Path) -> None:
    import_attendance(small_district, write_files(tmp_path / "in", "1000007,,2025-09-03,A,,\n"), IMPORTED_AT)
    with small_district.reading() as session:
        period = queries.find_period(session)
        assert period is not None
        assert queries.sum_groups(session, period) == (EMPTY_GROUP, EMPTY_GROUP)


@pytest.mark.parametrize(
    ("file", "row", "finding"),
    [
        ("calendar.csv", "2025-09-08,maybe", ("school_day", "yes_or_no")),
        ("attendance_codes.csv", ",Absent,x,1,1.0", ("code", "value_missing")),
        ("attendance_codes.csv", "B,Absent,x,1,half", ("portion_of_day", "portion_of_day")),
        ("attendance_events.csv", ",100074,2025-09-01,A,,", ("student_number", "value_missing")),
        ("attendance_events.csv", "1000007,100074,2025-9-1,A,,", ("att_date", "date_unreadable")),
        ("prior_year_summary.csv", "1000007,2024,180,181", ("days_absent", "more_absent_than_enrolled")),
        ("prior_year_summary.csv", "1000007,2024,-1,0", ("days_enrolled", "days_not_a_number")),
        ("prior_year_summary.csv", "1000007,2024,367,0", ("days_enrolled", "days_not_a_number")),
    ],
)
def test_invalid_value_is_reported_with_its_row_and_column(
    small_district: Database, tmp_path: Path, file: str, row: str, finding: tuple[str, str]
) -> None:
    folder = write_files(tmp_path / "in", "1000007,100074,2025-09-01,A,,\n")
    path = folder / file
    header = "student_number,school_year,days_enrolled,days_absent\n"
    before = path.read_text(encoding="utf-8") if path.exists() else header
    path.write_text(before + row + "\n", encoding="utf-8")
    line = len(before.splitlines()) + 1
    assert error_positions(import_attendance(small_district, folder, IMPORTED_AT)) == [(file, line, *finding)]
