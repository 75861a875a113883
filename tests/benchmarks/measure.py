"""Measuring two things fairly: turn and turn about, in one process, the median of many."""

import gc
import statistics
import time
from collections.abc import Callable
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


def table(lines: list[Line]) -> str:
    """The results for a person."""
    head = f"{'name':<28}{'rival':<44}{'ours':>10}{'theirs':>10}{'ratio':>8}{'target':>8}  ok"
    rows = [
        f"{line.name:<28}{line.rival:<44}{line.ours * 1000:>7.2f} ms{line.theirs * 1000:>7.2f} ms"
        f"{line.ratio:>8.2f}{line.target:>8.1f}  {'yes' if line.ok else 'NO'}"
        for line in lines
    ]
    return "\n".join([head, *rows])
