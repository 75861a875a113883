"""Measuring two things fairly: turn and turn about, the median of many."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

Act = Callable[[], object]


def nothing() -> None:
    """What is done between two measurements when nothing need be."""


@dataclass(frozen=True)
class Contest:
    """Ours against a rival's; `between` puts things back outside the measured time. Both are checked before."""

    name: str
    rival: str
    ours: Act
    theirs: Act
    target: float
    rounds: int = 60
    between: Act = nothing


@dataclass(frozen=True)
class Line:
    """A result: seconds, and their ratio beside the target."""

    name: str
    rival: str
    ours: float
    theirs: float
    ratio: float
    target: float
    ok: bool
    rate: bool = False
    """Ours and theirs are a number per second, and the target is the least ratio; else seconds, and the most."""

    def document(self) -> dict[str, object]:
        """As build/bench.json holds it."""
        return asdict(self)


def run(contest: Contest) -> Line:
    """Measure one contest."""
    for _ in range(5):
        for act in (contest.ours, contest.theirs):
            act()
            contest.between()
    ours: list[float] = []
    theirs: list[float] = []
    gc.collect()
    gc.disable()
    try:
        for turn in range(contest.rounds):
            # Whoever goes second finds warmer caches: each is second as often as first.
            pair = [(contest.ours, ours), (contest.theirs, theirs)]
            for act, times in pair if turn % 2 else reversed(pair):
                begun = time.perf_counter()
                act()
                times.append(time.perf_counter() - begun)
                contest.between()
            if turn % 20 == 19:
                gc.collect()
    finally:
        gc.enable()
    mine, other = statistics.median(ours), statistics.median(theirs)
    ratio = round(mine / other, 3)
    return Line(
        contest.name, contest.rival, round(mine, 6), round(other, 6), ratio, contest.target, ratio <= contest.target
    )


Run = Callable[[], float]
"""A whole run: how many things a second it did."""


def heats(sides: Mapping[str, Run], rounds: int = 5) -> dict[str, list[float]]:
    """Whole runs, turn and turn about: what each side did in each round. One round before does not count."""
    done: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name in sides if turn % 2 else reversed(sides):
            rate = sides[name]()
            if turn:
                done[name].append(rate)
    return done


def rated(name: str, rival: str, ours: Sequence[float], theirs: Sequence[float], target: float) -> Line:
    """Rates of ours against a rival's: the median of the ratios, each of two runs that followed one another.

    Of the ratios, not the ratio of two medians: a machine with other work is slow for both sides of a round.
    """
    ratio = round(statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True)), 3)
    mine, other = statistics.median(ours), statistics.median(theirs)
    return Line(name, rival, round(mine, 1), round(other, 1), ratio, target, ratio >= target, rate=True)


def within(name: str, what: str, seconds: float, most: float) -> Line:
    """A time against the most it may be."""
    return Line(name, what, round(seconds, 6), most, round(seconds / most, 3), 1.0, seconds <= most)


def part(times: Sequence[float], share: float) -> float:
    """The time that `share` of them stay under: 0.95 for the 95th percentile."""
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def table(lines: list[Line]) -> str:
    """The results for a person."""
    head = f"{'name':<38}{'rival':<44}{'ours':>12}{'theirs':>12}{'ratio':>8}{'target':>9}  ok"
    rows = [
        f"{line.name:<38}{line.rival:<44}{_shown(line.ours, line):>12}{_shown(line.theirs, line):>12}{line.ratio:>8.2f}"
        f"{'≥' if line.rate else '≤':>4}{line.target:>5.2f}  {'yes' if line.ok else 'NO'}"
        for line in lines
    ]
    return "\n".join([head, *rows])


def _shown(value: float, line: Line) -> str:
    if line.rate:
        return f"{value:.0f}/s"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.2f} ms"
