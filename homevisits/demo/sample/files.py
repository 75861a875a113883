"""Write the sample district's export files: OneRoster 1.1, the supplement and attendance."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from homevisits.demo.sample import names
from homevisits.demo.sample.absences import CODES, AttendanceRecord
from homevisits.demo.sample.district import District


def write(district: District, folder: Path, year_begins: date) -> None:
    """Write the OneRoster 1.1 folder and the supplement, as a district would export them."""
    roster, supplement = folder / "oneroster", folder / "supplement"
    for place in (roster, supplement):
        place.mkdir(parents=True, exist_ok=True)
    _csv(roster / "manifest.csv", ("propertyName", "value"), _manifest())
    _csv(roster / "orgs.csv", _ORGS, _orgs())
    _csv(roster / "users.csv", _USERS, [*_staff_rows(district), *_student_rows(district), *_adult_rows(district)])
    _csv(roster / "classes.csv", _CLASSES, _class_rows(district))
    _csv(roster / "enrollments.csv", _ENROLLMENTS, _enrollment_rows(district, year_begins))
    _csv(supplement / "student_supplement.csv", _SUPPLEMENT, _supplement_rows(district))


_HEAD = ("sourcedId", "status", "dateLastModified")
_ORGS = (*_HEAD, "name", "type", "identifier", "parentSourcedId")
_USERS = (*_HEAD, "enabledUser", "orgSourcedIds", "role", "username", "userIds", "givenName", "familyName",
          "middleName", "identifier", "email", "sms", "phone", "agentSourcedIds", "grades", "password")  # fmt: skip
_CLASSES = (*_HEAD, "title", "grades", "courseSourcedId", "classCode", "classType", "location", "schoolSourcedId",
            "termSourcedIds", "subjects", "subjectCodes", "periods")  # fmt: skip
_ENROLLMENTS = (*_HEAD, "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary", "beginDate", "endDate")
_SUPPLEMENT = ("student_number", "home_language", "home_language_name", "english_learner", "interpreter_needed",
               "address", "city", "state", "postal_code")  # fmt: skip

_CODES = ("code", "description", "category", "counts_as_absent", "portion_of_day")
_EVENTS = ("student_number", "school_number", "att_date", "att_code", "att_code_description", "portion_absent")


def _csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode("utf-8"))


def _manifest() -> list[tuple[str, str]]:
    present = ("orgs", "users", "classes", "enrollments")
    absent = ("academicSessions", "categories", "classResources", "courses", "courseResources", "demographics",
              "lineItems", "resources", "results")  # fmt: skip
    first = [("manifest.version", "1.0"), ("oneroster.version", "1.1")]
    properties = [*((f"file.{name}", "bulk") for name in present), *((f"file.{name}", "absent") for name in absent)]
    return [*first, *properties, ("source.systemName", "Homevisits sample district")]


def _orgs() -> Iterable[Sequence[str]]:
    yield (names.DISTRICT[0], "", "", names.DISTRICT[1], "district", "1000", "")
    for key, name, number in names.SCHOOLS:
        yield (key, "", "", name, "school", number, names.DISTRICT[0])


def _staff_rows(district: District) -> Iterable[Sequence[str]]:
    for staff in district.employees:
        mail = f"{staff.number.lower()}@cottonwood.example.org"
        yield (staff.id, "", "", "true", staff.school, staff.role, mail, f"{{Payroll:{staff.number}}}",
               staff.given, staff.family, "", staff.number, mail, "", "", "", "", "")  # fmt: skip


def _student_rows(district: District) -> Iterable[Sequence[str]]:
    for number, household in enumerate(district.households):
        # Real exports link caregivers on the student's row, the caregiver's row, or both; so does the sample.
        agents = "" if number % 10 == 0 else ",".join(adult.id for adult in household.adults)
        for child in household.children:
            yield (child.id, "", "", "true", child.school, "student", child.number, "", child.given, child.family, "",
                   child.number, "", "", "", agents, child.grade, "")  # fmt: skip


def _adult_rows(district: District) -> Iterable[Sequence[str]]:
    for number, household in enumerate(district.households):
        agents = ",".join(child.id for child in household.children) if number % 10 < 2 else ""
        for adult in household.adults:
            yield (adult.id, "", "", "true", household.children[0].school, adult.role, adult.id, "",
                   adult.given, adult.family, "", "", "", adult.phone, adult.second_phone, agents, "", "")  # fmt: skip


def _class_rows(district: District) -> Iterable[Sequence[str]]:
    for homeroom in district.homerooms:
        yield (
            homeroom.id,
            "",
            "",
            homeroom.title,
            homeroom.grade,
            "",
            homeroom.id,
            "homeroom",
            "",
            homeroom.school,
            "",
            "",
            "",
            "",
        )


def _enrollment_rows(district: District, begins: date) -> Iterable[Sequence[str]]:
    number = 0
    for homeroom in district.homerooms:
        for user, role in [(homeroom.teacher, "teacher"), *((child, "student") for child in homeroom.children)]:
            number += 1
            yield (f"cv-n{number:06}", "", "", homeroom.id, homeroom.school, user, role, str(role == "teacher").lower(),
                   begins.isoformat(), "")  # fmt: skip


def _supplement_rows(district: District) -> Iterable[Sequence[str]]:
    for household in district.households:
        code, name = household.language
        learner = "Y" if code != "eng" and len(household.children) % 2 else "N"
        for child in household.children:
            yield (child.number, code, name, learner, "N" if code == "eng" else "Y", household.address, names.CITY,
                   names.STATE, household.postal_code)  # fmt: skip


def write_attendance(district: District, record: AttendanceRecord, folder: Path, year_begins: date) -> None:
    """Write the attendance of the sample in the four files that a district exports."""
    folder.mkdir(parents=True, exist_ok=True)
    number_of_school = {key: number for key, _name, number in names.SCHOOLS}
    school = {
        child.number: number_of_school[child.school]
        for household in district.households
        for child in household.children
    }
    calendar = ((day.isoformat(), "Y" if held else "N") for day, held in record.calendar)
    described = {code: (words, portion) for code, words, _category, _counts, portion in CODES}
    events = ((who, school[who], day.isoformat(), code, *described[code]) for who, day, code in record.absences)
    prior = ((who, year_begins.year, enrolled, absent) for who, enrolled, absent in record.prior)
    _csv(folder / "attendance_codes.csv", _CODES, CODES)
    _csv(folder / "calendar.csv", ("date", "school_day"), calendar)
    _csv(folder / "attendance_events.csv", _EVENTS, events)
    _csv(folder / "prior_year_summary.csv", ("student_number", "school_year", "days_enrolled", "days_absent"), prior)
