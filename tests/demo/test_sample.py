"""The sample district is reproducible and is imported like any roster, without errors."""

import hashlib
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import phonenumbers
import pytest

from homevisits.attendance.importing import import_attendance
from homevisits.core.db import Database
from homevisits.demo.sample import absences, build, files, names
from homevisits.demo.sample import district as sample
from homevisits.people.importing import oneroster
from homevisits.people.importing import package as packages
from homevisits.people.importing.apply import import_oneroster
from homevisits.people.importing.supplement import import_supplement
from tests.factories.school import NOW

BEGINS, TODAY = date(2026, 8, 24), date(2026, 10, 5)


@pytest.fixture(scope="module")
def district() -> sample.District:
    return sample.make("a seed")


def write(district: sample.District, folder: Path) -> Path:
    files.write(district, folder, BEGINS)
    record = absences.make(district, BEGINS, TODAY)
    files.write_attendance(district, record, folder / "attendance", BEGINS)
    return folder


def digest(folder: Path) -> str:
    content = b"".join(path.read_bytes() for path in sorted(folder.rglob("*.csv")))
    return hashlib.sha256(content).hexdigest()


def test_files_depend_on_the_seed_only(district: sample.District, tmp_path: Path) -> None:
    first, second = write(district, tmp_path / "one"), write(sample.make("a seed"), tmp_path / "two")
    assert digest(first) == digest(second)
    assert digest(first) != digest(write(sample.make("another"), tmp_path / "three"))


def test_small_district_is_the_same_on_every_python(tmp_path: Path) -> None:
    # Recorded digest: fails on a Python version that generates other random numbers.
    district = sample.make("fixed", students=40)
    files.write(district, tmp_path, BEGINS)
    assert digest(tmp_path) == "fb3118e92bf5f62aa9618997d7b8c1733e6e34ed8b0c7af377fe10712148659b"


def test_sample_has_four_schools_a_thousand_students_and_siblings(district: sample.District) -> None:
    children = [child for household in district.households for child in household.children]
    assert len(children) == 1000
    assert {child.school for child in children} == {key for key, _name, _number in names.SCHOOLS}
    assert 500 < len(district.households) < 650
    assert max(len(household.children) for household in district.households) >= 4
    assert len({child.number for child in children}) == 1000


def test_every_phone_is_fictional_and_belongs_to_one_person(district: sample.District) -> None:
    phones = [adult.phone for household in district.households for adult in household.adults if adult.phone]
    assert len(phones) == len(set(phones))
    assert all(phone[5:10] == "55501" and len(phone) == 12 for phone in phones)
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(phone)) for phone in phones)


def test_english_and_spanish_are_the_most_common_languages(district: sample.District) -> None:
    spoken = Counter(household.language[0] for household in district.households)
    assert [language for language, _ in spoken.most_common(2)] == ["eng", "spa"]
    assert set(spoken) == {"eng", "spa", "som", "hmn", "ara", "vie"}


def test_every_teacher_and_student_has_one_class(district: sample.District) -> None:
    enrolled = [child for room in district.homerooms for child in room.children]
    assert len(enrolled) == len(set(enrolled)) == 1000
    assert len({room.teacher for room in district.homerooms}) == len(district.homerooms)
    assert max(len(room.children) for room in district.homerooms) <= 26


def test_sample_is_imported_like_any_roster(district: sample.District, database: Database, tmp_path: Path) -> None:
    folder = write(district, tmp_path)
    report = import_oneroster(database, folder / "oneroster", NOW)
    assert report.errors == report.warnings == ()
    assert report.counts["students"] == 1000
    assert report.counts["households"] == len(district.households)
    supplement = import_supplement(database, folder / "supplement")
    assert supplement.errors == supplement.warnings == ()
    attendance = import_attendance(database, folder / "attendance", NOW)
    assert attendance.errors == attendance.warnings == ()


def test_caregivers_are_linked_on_either_row_as_in_real_exports(district: sample.District, tmp_path: Path) -> None:
    files.write(district, tmp_path, BEGINS)
    package = packages.open_package(tmp_path / "oneroster", oneroster.FILE_NAMES)
    users = oneroster.read_roster(package.files).users
    assert any(not user.agents for user in users if user.role == "student")
    assert any(user.agents for user in users if user.role in oneroster.CAREGIVER_ROLES)


def test_absences_are_on_school_days_only(district: sample.District) -> None:
    record = absences.make(district, BEGINS, TODAY)
    held = {day for day, is_held in record.calendar if is_held}
    assert {day for _student, day, _code in record.absences} <= held
    assert all(day.weekday() < 5 for day in held)
    assert date(2026, 9, 7) not in held  # Labor Day
    assert max(day for day, _ in record.calendar) == date(2026, 10, 4)


@pytest.mark.parametrize("today", [date(2026, 1, 1) + timedelta(days=number) for number in range(0, 366, 7)])
def test_school_year_began_some_weeks_before_any_date(today: date) -> None:
    begins = build.current_school_year(today).starts_on
    assert timedelta(days=52) <= today - begins <= timedelta(days=130)
    assert begins.weekday() == 0 or (begins.month, begins.day) == (8, 24)
