"""Progress of building the sample: a single line in a terminal, a few lines elsewhere."""

from io import StringIO

from homevisits.demo.progress import Progress


def test_progress_prints_every_ten_percent_without_a_terminal() -> None:
    lines: list[str] = []
    progress = Progress(lines.append, None)
    for percent in range(101):
        progress.update(percent, "building")
    assert lines == [f"  {percent:3d} %  building" for percent in range(0, 101, 10)]


def test_progress_updates_its_line_in_a_terminal() -> None:
    lines: list[str] = []
    terminal = StringIO()
    progress = Progress(lines.append, terminal)
    progress.update(3.2, "building")
    progress.update(3.9, "building")
    progress.print_line("found 4 schools")
    progress.update(150, "building")
    written = terminal.getvalue()
    assert lines == ["found 4 schools"]
    assert "\n" not in written
    assert [part.strip() for part in written.split("\r") if part.strip()] == ["3 %  building", "100 %  building"]
