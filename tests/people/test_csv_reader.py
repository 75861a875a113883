"""Reading a file or roster returns rows and findings for any bytes and never raises an exception."""

import csv
import io

from hypothesis import example, given
from hypothesis import strategies as st

from homevisits.people.importing import csv_reader, oneroster
from tests.people import rosters

CELL = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="\r\n\x00", exclude_categories=["Cc"]), max_size=8
)


@given(st.binary(max_size=300))
@example(b'"')
@example(b"\xef\xbb\xbf")
@example(b"a,a\r\n1,2")
@example(b'a\r\n"x\r\ny"\r\n')
@example(b"\r\n\r\na\r\n")
def test_any_bytes_can_be_read(content: bytes) -> None:
    result = csv_reader.read_csv("file.csv", content, ("a",))
    assert all(row.line > 1 for row in result.rows)
    assert all(finding.code for finding in result.errors)


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=6))
def test_written_csv_is_read_back_with_line_numbers(rows: list[list[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b", "c"])
    writer.writerows(rows)
    result = csv_reader.read_csv("file.csv", text.getvalue().encode(), ("a",))
    assert result.errors == ()
    assert [[row["a"], row["b"], row["c"]] for row in result.rows] == [[cell.strip() for cell in row] for row in rows]
    assert [row.line for row in result.rows] == list(range(2, len(rows) + 2))


@given(
    st.sampled_from(sorted(rosters.ROWS)),
    st.integers(2, 8),
    st.sampled_from(rosters.HEADERS["users.csv"].split(",")),
    CELL,
)
def test_any_value_in_a_roster_gives_rows_or_findings(name: str, line: int, column: str, value: str) -> None:
    if column in rosters.HEADERS[name].split(","):
        result = oneroster.read_roster(rosters.build_files({(name, line, column): value}))
        assert result.users or result.errors
        assert all(finding.file in (*oneroster.FILE_NAMES,) for finding in (*result.errors, *result.warnings))


def test_line_numbers_include_blank_lines_and_line_breaks_in_cells() -> None:
    content = b'a,b\r\n1,2\r\n\r\n"x\ny",3\r\n4\r\n5,6\r\n'
    result = csv_reader.read_csv("file.csv", content, ("a",))
    assert [row.line for row in result.rows] == [2, 7]
    assert [(finding.line, finding.code) for finding in result.errors] == [(4, "field_line_break"), (6, "row_width")]
