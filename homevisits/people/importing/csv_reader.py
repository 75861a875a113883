"""Read CSV files (RFC 4180) into rows with line numbers, and report problems by file, line and column."""

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
    """A problem in an imported file: place, code (see `homevisits.web.problem_wording`) and parameters."""

    file: str
    line: int | None
    column: str | None
    code: str
    params: Mapping[str, object] = field(default_factory=lambda: _NO_PARAMS, hash=False)


@dataclass(frozen=True)
class Row:
    """A row with its line number and stripped fields by column name. A missing column reads as ''."""

    file: str
    line: int
    fields: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.fields.get(column, "")

    def split_values(self, column: str) -> tuple[str, ...]:
        """Split a comma-separated field."""
        return tuple(part for part in (piece.strip() for piece in self[column].split(",")) if part)

    def finding(self, column: str | None, code: str, **params: object) -> Finding:
        """Return a finding for this row."""
        return Finding(self.file, self.line, column, code, params)


@dataclass(frozen=True)
class Table:
    """The rows of a file and its format errors."""

    rows: tuple[Row, ...]
    errors: tuple[Finding, ...]


def read_csv(file: str, content: bytes, required: Sequence[str]) -> Table:
    """Read a CSV file. A byte order mark is allowed; the header must contain all names in `required`."""
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
    """Yield records with the line on which they start; skip blank lines."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error:
            # After an unbalanced quotation mark the rest of the file cannot be parsed.
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
        findings = [finding for finding in bad if finding]
        errors.extend(findings)
        if not findings:
            yield Row(file, line, {name: value.strip() for name, value in zip(names, record, strict=True)})


def _check_field(file: str, line: int, name: str, value: str) -> Finding | None:
    if "\n" in value or "\r" in value:
        return Finding(file, line, name, "field_line_break")
    if _CONTROL.search(value):
        return Finding(file, line, name, "field_control_character")
    if len(value) > MAX_FIELD_LENGTH:
        return Finding(file, line, name, "field_too_long", {"limit": MAX_FIELD_LENGTH})
    return None
