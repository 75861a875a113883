"""A roster is imported completely or not at all; findings name file, line, column and reason."""

import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from homevisits import tables
from homevisits.core.db import Database
from homevisits.core.problems import Problem
from homevisits.people.importing import package
from homevisits.people.importing.apply import import_oneroster
from homevisits.people.importing.supplement import import_supplement
from homevisits.people.models import Caregiver, District, Educator, Enrollment, Family, School, Student, Teaching
from homevisits.web.problem_wording import describe_problem
from tests.people import rosters

NOW = datetime(2026, 10, 5, 15, 0, tzinfo=UTC)


def read_all_tables(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table."""
    with database.reading() as session:
        return {
            table.name: sorted(tuple(row) for row in session.execute(select(table)))
            for table in tables.metadata.sorted_tables
        }


def test_reference_district_is_imported_from_a_folder(database: Database, shared: Path) -> None:
    report = import_oneroster(database, shared / "data/district-1k/oneroster", NOW)
    assert report.errors == ()
    assert report.counts == {
        "schools": 4,
        "students": 1000,
        "households": 594,
        "caregivers": 959,
        "educators": 64,
        "classes": 130,
        "enrollments": 2764,
    }
    # There are five more households than in the reference: children without a caregiver in the roster.
    assert {finding.code for finding in report.warnings} == {"no_caregiver"}
    assert len(report.warnings) == 13
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Family)) == 594
        assert session.scalar(select(func.count()).select_from(Student)) == 1000
        unexpected_phones = session.scalars(
            select(Caregiver.phone).where(Caregiver.phone.not_like("+1___55501__"))
        ).all()
        assert unexpected_phones == []


def test_importing_the_same_roster_as_zip_changes_nothing(database: Database, shared: Path) -> None:
    import_oneroster(database, shared / "data/district-1k/oneroster", NOW)
    before = read_all_tables(database)
    report = import_oneroster(database, shared / "data/district-1k/oneroster.zip", NOW)
    assert report.errors == ()
    assert report.changes == {"added": 0, "changed": 0, "left": 0}
    assert read_all_tables(database) == before


def test_households_equal_the_reference(sqlite_database: Database, shared: Path) -> None:
    import_oneroster(sqlite_database, shared / "data/district-1k/oneroster", NOW)
    lines = (shared / "data/district-1k/truth/households.csv").read_text(encoding="utf-8").splitlines()[1:]
    reference: dict[str, set[str]] = {}
    for line in lines:
        household, student, _language, guardians = line.split(",")
        reference.setdefault(household if guardians != "0" else f"alone {student}", set()).add(student)
    with sqlite_database.reading() as session:
        students: dict[int, set[str]] = {}
        for family, number in session.execute(select(Student.family_id, Student.identifier)):
            students.setdefault(family, set()).add(str(number))
    assert sorted(map(sorted, students.values())) == sorted(map(sorted, reference.values()))


def test_roster_with_only_required_fields_is_imported(sqlite_database: Database, shared: Path) -> None:
    path = shared / "data/oneroster-moodle-minimal/Test_minimal_data_set.zip"
    report = import_oneroster(sqlite_database, path, NOW)
    assert report.errors == ()
    assert (report.counts["students"], report.counts["educators"], report.counts["schools"]) == (3, 2, 1)
    assert "role_does_not_fit" in {finding.code for finding in report.warnings}


def test_delta_roster_is_refused_with_its_line(sqlite_database: Database, shared: Path) -> None:
    report = import_oneroster(sqlite_database, shared / "data/oneroster-moodle-minimal/oneroster_test_data.zip", NOW)
    assert ("manifest.csv", 3, "value", "manifest_version") in positions(report.errors)


def positions(findings: object) -> set[tuple[object, ...]]:
    return {(finding.file, finding.line, finding.column, finding.code) for finding in findings}  # type: ignore[attr-defined]


def test_small_roster_is_imported(database: Database, tmp_path: Path) -> None:
    report = import_oneroster(database, rosters.write_folder(tmp_path / "in", rosters.build_files()), NOW)
    assert report.errors == report.warnings == ()
    with database.reading() as session:
        family_ids = dict(session.execute(select(Student.source_id, Student.family_id)).all())
        assert family_ids["a"] == family_ids["b"] != family_ids["c"]
        order = select(Caregiver.source_id, Caregiver.phone).order_by(Caregiver.family_id, Caregiver.contact_order)
        assert session.execute(order).all() == [("g", "+13035550101"), ("h", "+13035550102"), ("k", None)]
        assert session.scalars(select(Educator.payroll_id)).all() == ["E1"]
        assert session.scalars(select(School.timezone)).all() == ["America/Chicago"]
        assert session.scalar(select(func.count()).select_from(Teaching)) == 1
        assert session.scalar(select(func.count()).select_from(Enrollment)) == 2


def test_byte_order_mark_is_accepted(sqlite_database: Database, tmp_path: Path) -> None:
    marked = {name: b"\xef\xbb\xbf" + data for name, data in rosters.build_files().items()}
    assert import_oneroster(sqlite_database, rosters.write_folder(tmp_path / "in", marked), NOW).errors == ()


def test_password_is_not_stored(sqlite_database: Database, tmp_path: Path) -> None:
    import_oneroster(sqlite_database, rosters.write_folder(tmp_path / "in", rosters.build_files()), NOW)
    assert "open sesame" not in repr(read_all_tables(sqlite_database))


INVALID_VALUES = [
    ("users.csv", 3, "sourcedId", "", "value_missing"),
    ("users.csv", 4, "sourcedId", "a", "id_twice"),
    ("users.csv", 3, "givenName", "", "value_missing"),
    ("users.csv", 3, "orgSourcedIds", "", "value_missing"),
    ("users.csv", 3, "orgSourcedIds", "nowhere", "id_unknown"),
    ("users.csv", 3, "orgSourcedIds", "d", "student_without_school", ("users.csv", 4)),
    ("users.csv", 3, "role", "wizard", "value_unknown"),
    ("users.csv", 3, "grades", "27", "value_unknown"),
    ("users.csv", 3, "enabledUser", "maybe", "value_unknown"),
    ("users.csv", 3, "status", "gone", "value_unknown"),
    ("users.csv", 3, "agentSourcedIds", "g,nobody", "id_unknown"),
    ("users.csv", 3, "familyName", "Ve\nga", "field_line_break"),
    ("users.csv", 3, "familyName", "Ve\x00ga", "field_control_character"),
    ("users.csv", 3, "familyName", "V" * 10_001, "field_too_long"),
    ("orgs.csv", 3, "name", "", "value_missing"),
    ("orgs.csv", 3, "parentSourcedId", "x", "id_unknown"),
    ("orgs.csv", 3, "type", "district", "second_district"),
    ("classes.csv", 2, "title", "", "value_missing"),
    ("classes.csv", 2, "schoolSourcedId", "x", "id_unknown"),
    ("enrollments.csv", 3, "classSourcedId", "x", "id_unknown"),
    ("enrollments.csv", 3, "userSourcedId", "x", "id_unknown"),
    ("enrollments.csv", 3, "userSourcedId", "", "value_missing"),
    ("enrollments.csv", 3, "schoolSourcedId", "d", "school_not_of_class"),
    ("enrollments.csv", 3, "role", "wizard", "value_unknown"),
    ("enrollments.csv", 3, "primary", "perhaps", "value_unknown"),
    ("enrollments.csv", 3, "beginDate", "8/24/2026", "date_unreadable"),
    ("enrollments.csv", 3, "endDate", "2026-08-01", "ends_before_begin"),
    ("manifest.csv", 2, "value", "1.2", "manifest_version"),
    ("manifest.csv", 3, "value", "delta", "manifest_delta"),
    ("manifest.csv", 3, "value", "some", "manifest_value"),
]


@pytest.mark.parametrize("bad", INVALID_VALUES, ids=lambda bad: f"{bad[0]}-{bad[2]}-{bad[4]}")
def test_invalid_row_is_reported_and_nothing_is_written(
    sqlite_database: Database, tmp_path: Path, bad: tuple[str, int, str, str, str]
) -> None:
    file, line, column, value, code, *_ = bad
    if code == "student_without_school":
        changes = {("users.csv", 4, "orgSourcedIds"): "d"}
        line = 4
    else:
        changes = {(file, line, column): value}
    before = read_all_tables(sqlite_database)
    report = import_oneroster(sqlite_database, rosters.write_folder(tmp_path / "in", rosters.build_files(changes)), NOW)
    assert (file, line, column, code) in positions(report.errors)
    assert set(report.counts.values()) == {0}
    assert all(describe_problem(Problem(finding.code, None, finding.params)) for finding in report.errors)
    assert read_all_tables(sqlite_database) == before


def test_all_invalid_rows_are_reported(sqlite_database: Database, tmp_path: Path) -> None:
    changes = {("users.csv", 3, "role"): "x", ("users.csv", 5, "grades"): "99", ("classes.csv", 2, "title"): ""}
    report = import_oneroster(sqlite_database, rosters.write_folder(tmp_path / "in", rosters.build_files(changes)), NOW)
    assert positions(report.errors) == {
        ("users.csv", 3, "role", "value_unknown"),
        ("users.csv", 5, "grades", "value_unknown"),
        ("classes.csv", 2, "title", "value_missing"),
    }


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("users.csv", None, (None, None, "file_missing")),
        ("users.csv", b"", (1, None, "file_empty")),
        ("users.csv", b"sourcedId,role\r\n", (1, "givenName", "column_missing")),
        ("orgs.csv", b"sourcedId,name,type,name\r\n", (1, "name", "column_twice")),
        ("orgs.csv", b"sourcedId,name,type\r\nd,Dis,district\r\ns,Caf\xe9,school\r\n", (3, None, "file_not_utf8")),
        ("orgs.csv", b"sourcedId,name,type\r\nd,Dis\r\n", (2, None, "row_width")),
        ("orgs.csv", b'sourcedId,name,type\r\nd,"Dis,district\r\n', (2, None, "row_quotes")),
    ],
)
def test_malformed_file_is_refused(
    sqlite_database: Database, tmp_path: Path, name: str, content: bytes | None, place: tuple[object, ...]
) -> None:
    files = rosters.build_files()
    if content is None:
        del files[name]
    else:
        files[name] = content
    report = import_oneroster(sqlite_database, rosters.write_folder(tmp_path / "in", files), NOW)
    assert (name, *place) in positions(report.errors)


def test_caregiver_with_invalid_phone_is_imported_with_a_warning(sqlite_database: Database, tmp_path: Path) -> None:
    files = rosters.build_files({("users.csv", 6, "sms"): "call the shop"})
    report = import_oneroster(sqlite_database, rosters.write_folder(tmp_path / "in", files), NOW)
    assert positions(report.warnings) == {("users.csv", 6, "sms", "phone_unreadable")}
    with sqlite_database.reading() as session:
        assert session.scalar(select(Caregiver.phone).where(Caregiver.source_id == "g")) is None


def test_roster_without_manifest_is_imported_with_a_warning(sqlite_database: Database, tmp_path: Path) -> None:
    files = rosters.build_files()
    del files["manifest.csv"]
    report = import_oneroster(sqlite_database, rosters.write_folder(tmp_path / "in", files), NOW)
    assert report.errors == ()
    assert positions(report.warnings) == {("manifest.csv", None, None, "manifest_missing")}
    assert report.counts["students"] == 3


def test_teacher_named_as_the_agent_of_a_student_is_no_caregiver(database: Database, tmp_path: Path) -> None:
    files = rosters.build_files({("users.csv", 3, "agentSourcedIds"): "t,g,h"})
    report = import_oneroster(database, rosters.write_folder(tmp_path / "in", files), NOW)
    assert report.errors == ()
    assert positions(report.warnings) == {("users.csv", 3, "agentSourcedIds", "agent_no_caregiver")}
    with database.reading() as session:
        assert set(session.scalars(select(Caregiver.source_id))) == {"g", "h", "k"}


def test_educator_without_a_school_is_left_out_with_a_warning(database: Database, tmp_path: Path) -> None:
    changes = {("users.csv", 2, "orgSourcedIds"): "d", ("enrollments.csv", 2, "status"): "tobedeleted"}
    report = import_oneroster(database, rosters.write_folder(tmp_path / "in", rosters.build_files(changes)), NOW)
    assert report.errors == ()
    assert positions(report.warnings) == {
        ("users.csv", 2, "orgSourcedIds", "educator_without_school"),
        ("enrollments.csv", 2, "status", "row_deleted"),
    }
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Educator)) == 0


def test_email_and_payroll_number_shared_by_two_educators_are_not_stored(database: Database, tmp_path: Path) -> None:
    files = rosters.build_files()
    files["users.csv"] += b"u,,,,s,aide,,{Payroll:E1},Uma,Lowell,,,TESS@example.org,,,,,\r\n"
    report = import_oneroster(database, rosters.write_folder(tmp_path / "in", files), NOW)
    assert report.errors == ()
    assert positions(report.warnings) == {
        (file, line, column, code)
        for file, line in (("users.csv", 2), ("users.csv", 9))
        for column, code in (("email", "email_shared"), ("identifier", "payroll_shared"))
    }
    with database.reading() as session:
        rows = session.execute(select(Educator.source_id, Educator.email, Educator.payroll_id)).all()
        assert sorted(tuple(row) for row in rows) == [("t", None, None), ("u", None, None)]


def test_person_who_returns_to_the_roster_keeps_the_id(database: Database, tmp_path: Path) -> None:
    import_oneroster(database, rosters.write_folder(tmp_path / "in", rosters.build_files()), NOW)
    leavers = {("users.csv", 5, "status"): "tobedeleted", ("enrollments.csv", 4, "status"): "tobedeleted",
            ("users.csv", 8, "status"): "tobedeleted"}  # fmt: skip
    before = read_all_tables(database)
    import_oneroster(database, rosters.write_folder(tmp_path / "second", rosters.build_files(leavers)), NOW)
    with database.reading() as session:
        left = session.execute(select(Student.enrolled_to).where(Student.source_id == "c")).scalar_one()
        assert left == date(2026, 10, 5)
        assert session.scalar(select(Caregiver.left_on).where(Caregiver.source_id == "k")) == date(2026, 10, 5)
        assert session.scalar(select(func.count()).select_from(Enrollment)) == 1
    import_oneroster(database, tmp_path / "in", NOW)
    assert read_all_tables(database) == before


def test_new_sibling_joins_the_existing_family(database: Database, tmp_path: Path) -> None:
    import_oneroster(database, rosters.write_folder(tmp_path / "in", rosters.build_files()), NOW)
    with database.reading() as session:
        family_id = session.scalar(select(Student.family_id).where(Student.source_id == "b"))
    # "A0" sorts before "a": the first child of the household changes, but not the family.
    files = rosters.build_files()
    extra = b"A0,,,,s,student,,,Abe,Vega,,9,,,,h,KG,\r\n"
    files["users.csv"] += extra
    import_oneroster(database, rosters.write_folder(tmp_path / "more", files), NOW)
    with database.reading() as session:
        assert session.scalar(select(Student.family_id).where(Student.source_id == "A0")) == family_id
        assert session.scalar(select(func.count()).select_from(Family)) == 2


def test_roster_of_another_district_is_refused(sqlite_database: Database, tmp_path: Path) -> None:
    import_oneroster(sqlite_database, rosters.write_folder(tmp_path / "in", rosters.build_files()), NOW)
    other = rosters.build_files({("orgs.csv", 2, "sourcedId"): "other", ("orgs.csv", 3, "parentSourcedId"): "other"})
    report = import_oneroster(sqlite_database, rosters.write_folder(tmp_path / "other", other), NOW)
    assert [finding.code for finding in report.errors] == ["other_district"]


def test_failed_import_writes_nothing(database: Database, tmp_path: Path) -> None:
    with database.engine.begin() as connection:
        # Writing the last table fails, so the rows written before must be rolled back.
        connection.execute(text("DROP TABLE teaching"))
    with pytest.raises(Exception, match="teaching"):
        import_oneroster(database, rosters.write_folder(tmp_path / "in", rosters.build_files()), NOW)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(District)) == 0
        assert session.scalar(select(func.count()).select_from(Student)) == 0


def test_zip_with_too_large_content_is_refused(tmp_path: Path) -> None:
    path = rosters.write_zip(tmp_path / "bomb.zip", {"users.csv": b"0" * 5_000_000})
    assert path.stat().st_size < 20_000
    opened = package.open_package(path, ("users.csv",), limit=1_000_000)
    assert [finding.code for finding in opened.errors] == ["package_too_large"]


def test_folder_with_too_large_content_is_refused(tmp_path: Path) -> None:
    folder = rosters.write_folder(tmp_path / "in", {"orgs.csv": b"0" * 600, "users.csv": b"0" * 401})
    names = ("orgs.csv", "users.csv")
    opened = package.open_package(folder, names, limit=1_000)
    assert [(finding.file, finding.code) for finding in opened.errors] == [("users.csv", "package_too_large")]
    assert opened.files == {}
    assert set(package.open_package(folder, names, limit=1_001).files) == set(names)


@pytest.mark.parametrize("name", ["../users.csv", "/etc/users.csv", "a/../../users.csv", "..\\users.csv"])
def test_zip_with_a_path_outside_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = rosters.write_zip(tmp_path / "in.zip", {name: b"x"})
    assert [finding.code for finding in package.open_package(path, ("users.csv",)).errors] == ["package_unsafe_path"]


def test_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_bytes(b"x")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/users.csv").symlink_to(tmp_path / "secret.csv")
    opened = package.open_package(tmp_path / "in", ("users.csv",))
    assert [finding.code for finding in opened.errors] == ["package_unsafe_path"]


def test_broken_zip_and_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("hello")
    assert [finding.code for finding in package.open_package(tmp_path / "in.txt", ("users.csv",)).errors] == [
        "package_not_zip"
    ]
    path = rosters.write_zip(tmp_path / "in.zip", rosters.build_files())
    whole = path.read_bytes()
    path.write_bytes(whole[:60] + b"\x00" * 40 + whole[100:])
    assert [finding.code for finding in package.open_package(path, rosters.HEADERS).errors] == ["package_broken"]
    assert [finding.code for finding in package.open_package(tmp_path / "none", ()).errors] == ["package_missing"]


def test_zip_may_have_a_folder_but_no_duplicate_file_names(tmp_path: Path) -> None:
    inside = {f"export/{name}": data for name, data in rosters.build_files().items()}
    assert len(package.open_package(rosters.write_zip(tmp_path / "in.zip", inside), rosters.HEADERS).files) == 5
    twice = {"a/users.csv": b"x", "b/users.csv": b"y"}
    opened = package.open_package(rosters.write_zip(tmp_path / "two.zip", twice), ("users.csv",))
    assert [finding.code for finding in opened.errors] == ["package_file_twice"]


def test_zip_with_too_many_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for number in range(1_001):
            archive.writestr(f"{number}.csv", b"")
    opened = package.open_package(tmp_path / "in.zip", ("users.csv",))
    assert [finding.code for finding in opened.errors] == ["package_too_many"]


def test_supplement_sets_language_and_address_of_families(database: Database, shared: Path) -> None:
    import_oneroster(database, shared / "data/district-1k/oneroster", NOW)
    report = import_supplement(database, shared / "data/district-1k/supplement")
    assert report.errors == ()
    with database.reading() as session:
        of_child = select(Family.language, Family.address).join(Student, Student.family_id == Family.id)
        assert session.execute(of_child.where(Student.identifier == "1000007")).one() == (
            "ko",
            "2991 Río-Grande Blvd, Peña Valley, MT 59001",
        )
        assert "hmn" in set(session.scalars(select(Family.language)))
    again = import_supplement(database, shared / "data/district-1k/supplement/student_supplement.csv")
    assert again.changes == {"changed": 0}


def test_supplement_with_invalid_rows_is_refused_completely(sqlite_database: Database, tmp_path: Path) -> None:
    import_oneroster(sqlite_database, rosters.write_folder(tmp_path / "in", rosters.build_files()), NOW)
    path = tmp_path / "student_supplement.csv"
    path.write_text("student_number,home_language,address\n1,spa,12 Alder Lane\n2,Spanish!,\n77,eng,\n")
    report = import_supplement(sqlite_database, path)
    assert positions(report.errors) == {
        ("student_supplement.csv", 3, "home_language", "language_unknown"),
        ("student_supplement.csv", 4, "student_number", "student_unknown"),
    }
    with sqlite_database.reading() as session:
        assert set(session.scalars(select(Family.language))) == {"en"}
