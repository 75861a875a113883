"""Geometry of the bar chart on the delivery page."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

PURE = True

CHART_HEIGHT = 140
LEFT, RIGHT = 9.0, 100.0
LAYERS = ("delivered", "accepted", "unknown", "failed")  # from bottom to top
MAX_LABELS = 4


@dataclass(frozen=True)
class BarLayer:
    """A layer of a bar: its outcome, and its top and height in pixels."""

    what: str
    top: float
    height: float


@dataclass(frozen=True)
class Bar:
    """The bar of a day: its left edge, middle and width in percent of the chart."""

    day: date
    left: float
    middle: float
    width: float
    pieces: tuple[BarLayer, ...]
    labelled: bool


@dataclass(frozen=True)
class Chart:
    """Everything that the template draws. `top`: the number at the top grid line."""

    bars: tuple[Bar, ...]
    top: int


def build_chart(days: Mapping[date, Counter[str]]) -> Chart:
    """Lay out a bar for each day, in order. The axis starts at zero and ends at a round number."""
    highest = max((sum(counts[what] for what in LAYERS) for counts in days.values()), default=0)
    top = round_up_axis(highest)
    room = (RIGHT - LEFT) / max(1, len(days))
    step = max(1, -(-len(days) // MAX_LABELS))
    bars = []
    for place, (day, counts) in enumerate(days.items()):
        ground, pieces = float(CHART_HEIGHT), []
        for what in LAYERS:
            height = CHART_HEIGHT * counts[what] / top
            if counts[what]:
                ground -= height
                pieces.append(BarLayer(what, round(ground, 2), round(height, 2)))
        left = LEFT + room * (place + 0.12)
        middle = LEFT + room * (place + 0.5)
        labelled = place % step == step // 2
        bars.append(
            Bar(
                day=day,
                left=round(left, 2),
                middle=round(middle, 2),
                width=round(room * 0.76, 2),
                pieces=tuple(pieces),
                labelled=labelled,
            )
        )
    return Chart(tuple(bars), top)


def round_up_axis(number: int) -> int:
    """Round up to the next of 4, 10, 20, 40, 50, 100, 200, ..., which are all even."""
    size = 1
    while True:
        for step in (4, 10, 20, 40, 50):
            if number <= step * size:
                return step * size
        size *= 10
