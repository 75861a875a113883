"""Import home language and address of families from the district's supplement, by student number.

Other columns (English learner, interpreter) are not read here; `demographics` imports traits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from homevisits.core.db import Database
from homevisits.people.importing.apply import ImportReport
from homevisits.people.importing.csv_reader import Finding, Row, read_csv
from homevisits.people.importing.package import open_package
from homevisits.people.models import Family, Student

FILE_NAME = "student_supplement.csv"
REQUIRED_COLUMNS = ("student_number", "home_language")
ADDRESS_COLUMNS = ("address", "city", "state", "postal_code")
TWO_LETTERS = MappingProxyType(
    {
        "amh": "am", "ara": "ar", "ben": "bn", "bos": "bs", "chi": "zh", "cmn": "zh", "deu": "de", "eng": "en",
        "fas": "fa", "fra": "fr", "fre": "fr", "ger": "de", "guj": "gu", "hat": "ht", "hin": "hi", "hye": "hy",
        "ita": "it", "jpn": "ja", "khm": "km", "kor": "ko", "kur": "ku", "lao": "lo", "mya": "my", "nav": "nv",
        "nep": "ne", "orm": "om", "pan": "pa", "pol": "pl", "por": "pt", "pus": "ps", "ron": "ro", "rus": "ru",
        "som": "so", "spa": "es", "swa": "sw", "tgl": "tl", "tha": "th", "tir": "ti", "ukr": "uk", "urd": "ur",
        "uzb": "uz", "vie": "vi", "yor": "yo", "zho": "zh",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Home:
    """Language and address of a family."""

    language: str
    address: str | None


def to_language_code(written: str) -> str | None:
    """Return the ISO 639 code, with two letters if there are ("es"), else three ("hmn"); None if invalid."""
    code = written.strip().lower()
    if not (code.isascii() and code.isalpha() and len(code) in (2, 3)):
        return None
    return TWO_LETTERS.get(code, code)


def import_supplement(database: Database, path: Path) -> ImportReport:
    """Import the supplement (CSV file, folder or zip) at `path`, completely or not at all."""
    if path.is_file() and path.suffix.lower() == ".csv":
        name, content = path.name, path.read_bytes()
    else:
        package = open_package(path, (FILE_NAME,))
        if package.errors or FILE_NAME not in package.files:
            return ImportReport({}, package.errors or (Finding(FILE_NAME, None, None, "file_missing"),))
        name, content = FILE_NAME, package.files[FILE_NAME]
    table = read_csv(name, content, REQUIRED_COLUMNS)
    errors = [*table.errors, *_check_languages(table.rows)]
    with database.transaction() as session:
        found = session.execute(select(Student.identifier, Student.family_id).where(Student.identifier.is_not(None)))
        family_of = {str(number): family for number, family in found}
        unknown = (row for row in table.rows if row["student_number"] not in family_of)
        errors += [row.finding("student_number", "student_unknown", found=row["student_number"]) for row in unknown]
        counts = {"students": len(table.rows)}
        if errors:
            return ImportReport(counts, tuple(errors))
        homes: dict[int, Home] = {}
        warnings: list[Finding] = []
        for row in table.rows:
            home = _parse_home(row)
            if homes.setdefault(family_of[row["student_number"]], home) != home:
                warnings.append(row.finding("home_language", "supplement_differs"))
        changed = update_homes(session, homes)
    return ImportReport({**counts, "households": len(homes)}, (), tuple(warnings), {"changed": changed})


def update_homes(session: Session, homes: dict[int, Home]) -> int:
    """Update language and address of the families; return how many changed."""
    families = session.execute(select(Family.id, Family.language, Family.address))
    known = {family: Home(language, address) for family, language, address in families}
    changed = [
        {"id": family, "language": home.language, "address": home.address}
        for family, home in homes.items()
        if known[family] != home
    ]
    if changed:
        session.execute(update(Family), changed)
    return len(changed)


def _check_languages(rows: Iterable[Row]) -> Iterable[Finding]:
    for row in rows:
        if to_language_code(row["home_language"]) is None:
            yield row.finding("home_language", "language_unknown", found=row["home_language"])


def _parse_home(row: Row) -> Home:
    street, city, state, code = (row[column] for column in ADDRESS_COLUMNS)
    place = " ".join(part for part in (state, code) if part)
    address = ", ".join(part for part in (street, city, place) if part)
    return Home(to_language_code(row["home_language"]) or "en", address or None)
