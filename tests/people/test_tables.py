"""Whatever bytes are handed in, reading them ends in rows and findings, never in an exception."""

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
def test_any_bytes_can_be_read_as_a_table(content: bytes) -> None:
    found = csv_reader.read_csv("file.csv", content, ("a",))
    assert all(row.line > 1 for row in found.rows)
    assert all(finding.code for finding in found.errors)


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=6))
def test_what_a_csv_writer_wrote_is_read_back_with_its_line_numbers(rows: list[list[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b", "c"])
    writer.writerows(rows)
    found = csv_reader.read_csv("file.csv", text.getvalue().encode(), ("a",))
    assert found.errors == ()
    assert [[row["a"], row["b"], row["c"]] for row in found.rows] == [[cell.strip() for cell in row] for row in rows]
    assert [row.line for row in found.rows] == list(range(2, len(rows) + 2))


@given(
    st.sampled_from(sorted(rosters.ROWS)),
    st.integers(2, 8),
    st.sampled_from(rosters.HEADS["users.csv"].split(",")),
    CELL,
)
def test_any_value_anywhere_in_a_roster_ends_in_rows_or_findings(name: str, line: int, column: str, value: str) -> None:
    if column in rosters.HEADS[name].split(","):
        found = oneroster.read_roster(rosters.files({(name, line, column): value}))
        assert found.users or found.errors
        assert all(finding.file in (*oneroster.FILE_NAMES,) for finding in (*found.errors, *found.warnings))


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    content = b'a,b\r\n1,2\r\n\r\n"x\ny",3\r\n4\r\n5,6\r\n'
    found = csv_reader.read_csv("file.csv", content, ("a",))
    assert [row.line for row in found.rows] == [2, 7]
    assert [(one.line, one.code) for one in found.errors] == [(4, "field_line_break"), (6, "row_width")]
