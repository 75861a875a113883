"""Progress of building the sample: an updated line in a terminal, separate lines elsewhere."""

from collections.abc import Callable
from typing import TextIO

STEP = 10  # percent between two separate lines
WIDTH = 60


class Progress:
    """Shows the percentage of a task.

    ``print_line`` prints a line; ``terminal`` is the stream in which the line is updated, or None without a terminal.
    """

    def __init__(self, print_line: Callable[[str], None], terminal: TextIO | None) -> None:
        self._print_line, self._terminal = print_line, terminal
        self._percent = -STEP

    def update(self, percent: float, doing: str) -> None:
        """Show that `percent` (0 to 100) of the task is done."""
        whole = max(0, min(100, int(percent)))
        if self._terminal is not None:
            if whole != self._percent:
                self._terminal.write(f"\r{f'  {whole:3d} %  {doing}':<{WIDTH}}")
                self._terminal.flush()
                self._percent = whole
        elif whole >= self._percent + STEP:
            self._print_line(f"  {whole:3d} %  {doing}")
            self._percent = whole // STEP * STEP

    def print_line(self, line: str) -> None:
        """Print a separate line above the percentage."""
        if self._terminal is not None:
            self._terminal.write(f"\r{'':<{WIDTH}}\r")
            self._terminal.flush()
            self._percent = -STEP
        self._print_line(line)
