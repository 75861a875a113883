from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from homevisits.core.db import Database
from homevisits.demographics.importing import import_demographics
from homevisits.demographics.models import StudentTraits
from homevisits.demographics.queries import count_students_by_trait
from homevisits.people.importing.apply import import_oneroster

NOW = datetime(2026, 6, 30, 18, 0, tzinfo=UTC)
HEADER = "sourcedId,sex,asian,white,hispanicOrLatinoEthnicity,cityOfBirth\n"


@pytest.fixture
def district(database: Database, shared: Path) -> Database:
    assert import_oneroster(database, shared / "data" / "district-1k" / "oneroster", NOW).errors == ()
    return database


def count_stored(database: Database) -> int | None:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(StudentTraits))


def test_importing_the_example_district_twice_changes_nothing(district: Database, shared: Path) -> None:
    folder = shared / "data" / "district-1k"
    first = import_demographics(district, folder / "oneroster")
    assert (first.errors, first.counts, first.changes) == ((), {"students": 1000}, {"changed": 1000})
    assert import_demographics(district, folder / "oneroster").changes == {"changed": 0}
    learners = import_demographics(district, folder / "supplement")
    assert (learners.errors, learners.changes) == ((), {"changed": 1000})
    assert import_demographics(district, folder / "oneroster").changes == {"changed": 0}
    with district.reading() as session:
        sexes = count_students_by_trait(session, "sex")
        rows = session.execute(
            select(StudentTraits.english_learner, func.count()).group_by(StudentTraits.english_learner)
        )
        assert dict(map(tuple, rows)) == {True: 99, False: 901}
    shown = [count for row in sexes.values() for count in row.values()]
    assert sum(count or 0 for count in shown) == 1000


def test_small_counts_of_a_school_are_suppressed(district: Database, shared: Path) -> None:
    import_demographics(district, shared / "data" / "district-1k" / "oneroster")
    with district.reading() as session:
        shown = [count for row in count_students_by_trait(session, "race_ethnicity").values() for count in row.values()]
    assert None in shown
    assert all(count is None or count >= 10 for count in shown)


def test_birth_place_is_not_stored_and_wrong_rows_are_reported(district: Database, tmp_path: Path) -> None:
    assert {column.name for column in StudentTraits.__table__.columns} == {
        "student_id", "sex", "race_ethnicity", "english_learner",
    }  # fmt: skip
    file = tmp_path / "demographics.csv"
    file.write_text(HEADER + "st_1000007,female,maybe,false,false,Denver\nst_1000020,x,false,true,false,\n", "utf-8")
    report = import_demographics(district, file)
    assert [(f.line, f.column, f.code) for f in report.errors] == [
        (2, "asian", "yes_or_no"),
        (3, "sex", "value_unknown"),
    ]
    assert count_stored(district) == 0


def test_rows_of_other_people_are_ignored(district: Database, tmp_path: Path) -> None:
    file = tmp_path / "demographics.csv"
    file.write_text(HEADER + "gd_000001,female,false,true,false,\nst_1000007,female,true,true,false,\n", "utf-8")
    assert import_demographics(district, file).counts == {"students": 1}
    with district.reading() as session:
        assert session.scalars(select(StudentTraits.race_ethnicity)).all() == ["demographicRaceTwoOrMoreRaces"]
