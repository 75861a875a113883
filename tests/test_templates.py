"""Layout of the HTML templates: short lines and one block element a line, so that a change shows as a small diff."""

import re
from pathlib import Path

import pytest

from homevisits.core import paths

LONGEST_LINE = 160
BLOCK_START = re.compile(
    r"<(?:article|aside|body|caption|dd|details|div|dl|dt|fieldset|footer|form|h[1-6]|head|header|hr|html|legend|li|main"
    r"|nav|ol|option|p|section|select|summary|svg|table|tbody|td|tfoot|th|thead|tr|ul)\b(?=[\s>])"
)
TEMPLATES = sorted(paths.templates().rglob("*.html"))


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    return list(enumerate(path.read_text(encoding="utf-8").splitlines(), 1))


def problems(path: Path) -> list[str]:
    """Return the lines of a template that are too long or start more than one block element."""
    messages = []
    for number, line in numbered_lines(path):
        if len(line) > LONGEST_LINE:
            messages.append(f"{path.name}:{number}: {len(line)} characters")
        if len(BLOCK_START.findall(line)) > 1:
            messages.append(f"{path.name}:{number}: more than one block element")
    return messages


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(paths.templates())))
def test_template_has_short_lines_with_one_block_element(path: Path) -> None:
    assert problems(path) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("<div><p>Two</p></div>", 1),
        ("<tr><td>1</td><td>2</td></tr>", 1),
        (f"<p>{'x' * LONGEST_LINE}</p>", 1),
        ('<p class="small">One <strong>block</strong> with <a href="#">inline</a> elements</p>', 0),
    ],
)
def test_long_line_and_second_block_element_are_found(tmp_path: Path, line: str, expected: int) -> None:
    path = tmp_path / "page.html"
    path.write_text(line, encoding="utf-8")
    assert len(problems(path)) == expected
