"""Geometry of the interval plot: positions in percent of its width."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor

PURE = True

TICK_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
MAX_TICKS = 6
LEFT, RIGHT = 4.0, 96.0  # percent of the width


@dataclass(frozen=True)
class Mark:
    """Positions of a group's value and interval."""

    low: float
    at: float
    high: float


@dataclass(frozen=True)
class Tick:
    """A labeled value on the axis."""

    at: float
    value: float


@dataclass(frozen=True)
class Plot:
    """Everything that the template draws."""

    visited: Mark
    others: Mark
    ticks: tuple[Tick, ...]


def build_plot(shown: Mapping[str, Mapping[str, float]]) -> Plot:
    """Lay out the intervals of `visited` and `others`.

    The axis covers just the intervals. Both of its ends have a tick, to show that it does not start at zero.
    """
    low = min(shown[group]["low"] for group in ("visited", "others"))
    high = max(shown[group]["high"] for group in ("visited", "others"))
    step = next((size for size in TICK_STEPS if (high - low) / size <= MAX_TICKS - 2), TICK_STEPS[-1])
    first, last = floor(low / step), max(ceil(high / step), floor(low / step) + 1)

    def place(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value / step - first) / (last - first), 2)

    def mark(group: str) -> Mark:
        return Mark(place(shown[group]["low"]), place(shown[group]["value"]), place(shown[group]["high"]))

    ticks = tuple(Tick(place(n * step), round(n * step, 6)) for n in range(first, last + 1))
    return Plot(mark("visited"), mark("others"), ticks)
