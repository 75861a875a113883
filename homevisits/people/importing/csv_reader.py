"""CSV as RFC 4180 has it, bytes in: rows with their line numbers, and what is wrong, by file, line and column."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

PURE = True

_NO_PARAMS: Mapping[str, object] = MappingProxyType({})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
MAX_FIELD_LENGTH = 10_000


@dataclass(frozen=True)
class Finding:
    """A problem in an uploaded file: place, problem code (see `homevisits.web.problem_wording`) and parameters."""

    file: str
    line: int | None
    column: str | None
    code: str
    params: Mapping[str, object] = field(default_factory=lambda: _NO_PARAMS, hash=False)


@dataclass(frozen=True)
class Row:
    """One row: its line in the file and its fields by column name, stripped; a column that is not there reads ''."""

    file: str
    line: int
    fields: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.fields.get(column, "")

    def many(self, column: str) -> tuple[str, ...]:
        """A field that holds a list, separated by commas."""
        return tuple(part for part in (piece.strip() for piece in self[column].split(",")) if part)

    def finding(self, column: str | None, code: str, **params: object) -> Finding:
        """A finding at this row."""
        return Finding(self.file, self.line, column, code, params)


@dataclass(frozen=True)
class Table:
    """A file's rows and what was wrong with its form."""

    rows: tuple[Row, ...]
    errors: tuple[Finding, ...]


def read_csv(file: str, content: bytes, required: Sequence[str]) -> Table:
    """Read one CSV file. A byte order mark is tolerated; the header must hold every name in `required`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        return Table((), (Finding(file, line, None, "file_not_utf8"),))
    errors: list[Finding] = []
    lines = _read_records(file, text, errors)
    first = next(lines, None)
    if first is None:
        return Table((), (*errors, Finding(file, 1, None, "file_empty")))
    header = first[1]
    wrong_header = list(_check_header(file, header, required))
    if wrong_header:
        return Table((), (*errors, *wrong_header))
    rows = tuple(_check_rows(file, header, lines, errors))
    return Table(rows, tuple(errors))


def _read_records(file: str, text: str, errors: list[Finding]) -> Iterator[tuple[int, list[str]]]:
    """Records with the line they start on; blank lines are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error:
            # After a broken quotation mark nothing that follows can be told apart: the file ends here.
            errors.append(Finding(file, start, None, "row_quotes"))
            return
        if record:
            yield start, record
        start = reader.line_num + 1


def _check_header(file: str, header: Sequence[str], required: Sequence[str]) -> Iterable[Finding]:
    names = [name.strip() for name in header]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield Finding(file, 1, name, "column_twice")
    for name in required:
        if name not in names:
            yield Finding(file, 1, name, "column_missing")


def _check_rows(
    file: str, header: Sequence[str], lines: Iterable[tuple[int, list[str]]], errors: list[Finding]
) -> Iterator[Row]:
    names = [name.strip() for name in header]
    for line, record in lines:
        if len(record) != len(names):
            errors.append(Finding(file, line, None, "row_width", {"found": len(record), "expected": len(names)}))
            continue
        bad = [_check_field(file, line, name, value) for name, value in zip(names, record, strict=True)]
        found = [finding for finding in bad if finding]
        errors.extend(found)
        if not found:
            yield Row(file, line, {name: value.strip() for name, value in zip(names, record, strict=True)})


def _check_field(file: str, line: int, name: str, value: str) -> Finding | None:
    if "\n" in value or "\r" in value:
        return Finding(file, line, name, "field_line_break")
    if _CONTROL.search(value):
        return Finding(file, line, name, "field_control_character")
    if len(value) > MAX_FIELD_LENGTH:
        return Finding(file, line, name, "field_too_long", {"limit": MAX_FIELD_LENGTH})
    return None
