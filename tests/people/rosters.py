"""A small valid roster, with functions that change single values and write its files."""

import csv
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

HEADERS = {
    "orgs.csv": "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId",
    "users.csv": "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,"
    "familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password",
    "classes.csv": "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,"
    "schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods",
    "enrollments.csv": "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,"
    "beginDate,endDate",
    "manifest.csv": "propertyName,value",
}
# Two households: Ana and Beto with Gala and Hugo (linked by the row of Hugo), and Cy with Kim.
ROWS: dict[str, list[dict[str, str]]] = {
    "manifest.csv": [
        {"propertyName": "oneroster.version", "value": "1.1"},
        *({"propertyName": f"file.{name}", "value": "bulk"} for name in ("orgs", "users", "classes", "enrollments")),
    ],
    "orgs.csv": [
        {"sourcedId": "d", "name": "Valle Peña", "type": "district"},
        {"sourcedId": "s", "name": "Alder School", "type": "school", "identifier": "11", "parentSourcedId": "d"},
    ],
    "users.csv": [
        {"sourcedId": "t", "orgSourcedIds": "s", "role": "teacher", "givenName": "Tess", "familyName": "Lowell",
         "email": "tess@example.org", "userIds": "{Payroll:E1}", "password": "open sesame"},
        {"sourcedId": "a", "orgSourcedIds": "s", "role": "student", "givenName": "Ana", "familyName": "Vega",
         "identifier": "1", "agentSourcedIds": "g,h", "grades": "01"},
        {"sourcedId": "b", "orgSourcedIds": "s", "role": "student", "givenName": "Beto", "familyName": "Vega",
         "identifier": "2", "grades": "03"},
        {"sourcedId": "c", "orgSourcedIds": "s", "role": "student", "givenName": "Cy", "familyName": "Yates",
         "identifier": "3", "agentSourcedIds": "k", "grades": "KG"},
        {"sourcedId": "g", "orgSourcedIds": "s", "role": "parent", "givenName": "Gala", "familyName": "Vega",
         "sms": "(303) 555-0101"},
        {"sourcedId": "h", "orgSourcedIds": "s", "role": "guardian", "givenName": "Hugo", "familyName": "Solís",
         "phone": "+13035550102", "agentSourcedIds": "b"},
        {"sourcedId": "k", "orgSourcedIds": "s", "role": "relative", "givenName": "Kim", "familyName": "Yates"},
    ],
    "classes.csv": [
        {"sourcedId": "r", "title": "Room 1", "grades": "01", "classType": "homeroom", "schoolSourcedId": "s"},
    ],
    "enrollments.csv": [
        {"sourcedId": "n1", "classSourcedId": "r", "schoolSourcedId": "s", "userSourcedId": "t", "role": "teacher",
         "primary": "true"},
        {"sourcedId": "n2", "classSourcedId": "r", "schoolSourcedId": "s", "userSourcedId": "a", "role": "student",
         "beginDate": "2026-08-24"},
        {"sourcedId": "n3", "classSourcedId": "r", "schoolSourcedId": "s", "userSourcedId": "c", "role": "student"},
    ],
}  # fmt: skip


def build_files(changes: Mapping[tuple[str, int, str], str] | None = None) -> dict[str, bytes]:
    """Return the files of the roster. `changes` maps (file, line, column) to the new value."""
    files = {}
    for name, rows in ROWS.items():
        columns = HEADERS[name].split(",")
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\r\n")
        writer.writeheader()
        for line, row in enumerate(rows, start=2):
            changed = {
                column: value
                for (file, row_line, column), value in (changes or {}).items()
                if (file, row_line) == (name, line)
            }
            writer.writerow({**row, **changed})
        files[name] = text.getvalue().encode()
    return files


def write_folder(path: Path, content: Mapping[str, bytes]) -> Path:
    """Write files into a folder and return the folder."""
    path.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (path / name).write_bytes(data)
    return path


def write_zip(path: Path, content: Mapping[str, bytes]) -> Path:
    """Write files into a zip file and return its path."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path
