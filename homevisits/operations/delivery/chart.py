"""The bars of the delivery page: what became of the texts of each day, as places and heights. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

PURE = True

HIGH = 140
LEFT, RIGHT = 9.0, 100.0
LAYERS = ("delivered", "accepted", "unknown", "failed")
"""From the ground up."""
MOST_LABELS = 4


@dataclass(frozen=True)
class Piece:
    """One layer of a bar: its top and height in pixels."""

    what: str
    top: float
    height: float


@dataclass(frozen=True)
class Bar:
    """A day: its left edge, middle and width in per cent of the picture."""

    day: date
    left: float
    middle: float
    width: float
    pieces: tuple[Piece, ...]
    labelled: bool


@dataclass(frozen=True)
class Plot:
    """Everything a page draws; ``top`` is the number at the top line."""

    bars: tuple[Bar, ...]
    top: int


def plot(days: Mapping[date, Counter[str]]) -> Plot:
    """The bars of `days`, in order. The lines begin at nought, and the top one is a round number."""
    highest = max((sum(each[what] for what in LAYERS) for each in days.values()), default=0)
    top = round_up(highest)
    room = (RIGHT - LEFT) / max(1, len(days))
    step = max(1, -(-len(days) // MOST_LABELS))
    bars = []
    for place, (day, counts) in enumerate(days.items()):
        ground, pieces = float(HIGH), []
        for what in LAYERS:
            height = HIGH * counts[what] / top
            if counts[what]:
                ground -= height
                pieces.append(Piece(what, round(ground, 2), round(height, 2)))
        left = LEFT + room * (place + 0.12)
        middle = LEFT + room * (place + 0.5)
        labelled = place % step == step // 2
        bars.append(Bar(day, round(left, 2), round(middle, 2), round(room * 0.76, 2), tuple(pieces), labelled))
    return Plot(tuple(bars), top)


def round_up(number: int) -> int:
    """The next of 4, 10, 20, 40, 50, 100, 200 …: a number whose half is whole."""
    size = 1
    while True:
        for step in (4, 10, 20, 40, 50):
            if number <= step * size:
                return step * size
        size *= 10
