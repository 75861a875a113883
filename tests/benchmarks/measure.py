"""Compare two implementations: measure them alternately and take the median."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

Act = Callable[[], object]


def nothing() -> None:
    """Do nothing between two measurements."""


@dataclass(frozen=True)
class Contest:
    """Our implementation and the rival's; `between` restores the state outside the measured time."""

    name: str
    rival: str
    ours: Act
    theirs: Act
    target: float
    rounds: int = 60
    between: Act = nothing


@dataclass(frozen=True)
class Line:
    """A result: the times or rates of both sides, their ratio and its target."""

    name: str
    rival: str
    ours: float
    theirs: float
    ratio: float
    target: float
    ok: bool
    rate: bool = False
    """Whether the values are rates, with a minimum ratio as target; otherwise seconds, with a maximum."""

    def document(self) -> dict[str, object]:
        """Return the result as an entry of build/bench.json."""
        return asdict(self)


def run(contest: Contest) -> Line:
    """Measure a benchmark."""
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
            # The second side finds warmer caches, so each side goes first equally often.
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
"""A run of a side; returns its rate per second."""


def heats(sides: Mapping[str, Run], rounds: int = 5) -> dict[str, list[float]]:
    """Run the sides alternately and return the rates of each round; a first round does not count."""
    done: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name in sides if turn % 2 else reversed(sides):
            rate = sides[name]()
            if turn:
                done[name].append(rate)
    return done


def rated(name: str, rival: str, ours: Sequence[float], theirs: Sequence[float], target: float) -> Line:
    """Compare our rates with a rival's: the median of the ratios of two consecutive runs.

    The median of ratios is robust: other load on the machine slows both sides of a round.
    """
    ratio = round(statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True)), 3)
    mine, other = statistics.median(ours), statistics.median(theirs)
    return Line(name, rival, round(mine, 1), round(other, 1), ratio, target, ratio >= target, rate=True)


def within(name: str, what: str, seconds: float, most: float) -> Line:
    """Compare a time with its maximum."""
    return Line(name, what, round(seconds, 6), most, round(seconds / most, 3), 1.0, seconds <= most)


def part(times: Sequence[float], share: float) -> float:
    """Return the quantile `share` of the times, for example 0.95 for the 95th percentile."""
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def table(lines: list[Line]) -> str:
    """Format the results as a table."""
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
