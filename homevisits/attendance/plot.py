"""Two intervals on one line of numbers: where each mark stands, in per cent of the width. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor

PURE = True

STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
MOST_TICKS = 6
LEFT, RIGHT = 4.0, 96.0


@dataclass(frozen=True)
class Mark:
    """A group's value and interval, as places from left to right."""

    low: float
    at: float
    high: float


@dataclass(frozen=True)
class Tick:
    """A number on the line."""

    at: float
    value: float


@dataclass(frozen=True)
class Plot:
    """Everything a page draws."""

    visited: Mark
    others: Mark
    ticks: tuple[Tick, ...]


def plot(shown: Mapping[str, Mapping[str, float]]) -> Plot:
    """Return the plot of ``visited`` and ``others``. The axis is as long as the intervals need; both of its ends have a
    tick, so that a reader sees that it does not start at zero."""
    low = min(shown[group]["low"] for group in ("visited", "others"))
    high = max(shown[group]["high"] for group in ("visited", "others"))
    step = next((s for s in STEPS if (high - low) / s <= MOST_TICKS - 2), STEPS[-1])
    first, last = floor(low / step), max(ceil(high / step), floor(low / step) + 1)

    def place(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value / step - first) / (last - first), 2)

    def mark(group: str) -> Mark:
        return Mark(place(shown[group]["low"]), place(shown[group]["value"]), place(shown[group]["high"]))

    ticks = tuple(Tick(place(n * step), round(n * step, 6)) for n in range(first, last + 1))
    return Plot(mark("visited"), mark("others"), ticks)
