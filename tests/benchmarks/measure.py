"""Compare two implementations: measure them alternately and take the median."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

Action = Callable[[], object]


def do_nothing() -> None:
    """Do nothing between two measurements."""


@dataclass(frozen=True)
class Benchmark:
    """Our implementation and the rival's; `between` restores the state outside the measured time."""

    name: str
    rival: str
    ours: Action
    theirs: Action
    target: float
    rounds: int = 60
    between: Action = do_nothing


@dataclass(frozen=True)
class Result:
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


def run_benchmark(benchmark: Benchmark) -> Result:
    """Measure a benchmark."""
    for _ in range(5):
        for action in (benchmark.ours, benchmark.theirs):
            action()
            benchmark.between()
    ours: list[float] = []
    theirs: list[float] = []
    gc.collect()
    gc.disable()
    try:
        for round_number in range(benchmark.rounds):
            # The second side finds warmer caches, so each side goes first equally often.
            pair = [(benchmark.ours, ours), (benchmark.theirs, theirs)]
            for action, times in pair if round_number % 2 else reversed(pair):
                started = time.perf_counter()
                action()
                times.append(time.perf_counter() - started)
                benchmark.between()
            if round_number % 20 == 19:
                gc.collect()
    finally:
        gc.enable()
    our_median, rival_median = statistics.median(ours), statistics.median(theirs)
    ratio = round(our_median / rival_median, 3)
    return Result(
        benchmark.name,
        benchmark.rival,
        round(our_median, 6),
        round(rival_median, 6),
        ratio,
        benchmark.target,
        ratio <= benchmark.target,
    )


Run = Callable[[], float]
"""A run of a side; returns its rate per second."""


def measure_rates(sides: Mapping[str, Run], rounds: int = 5) -> dict[str, list[float]]:
    """Run the sides alternately and return the rates of each round; a first round does not count."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for round_number in range(rounds + 1):
        for name in sides if round_number % 2 else reversed(sides):
            rate = sides[name]()
            if round_number:
                rates[name].append(rate)
    return rates


def compare_rates(name: str, rival: str, ours: Sequence[float], theirs: Sequence[float], target: float) -> Result:
    """Compare our rates with a rival's: the median of the ratios of two consecutive runs.

    The median of ratios is robust: other load on the machine slows both sides of a round.
    """
    ratio = round(
        statistics.median(our_rate / rival_rate for our_rate, rival_rate in zip(ours, theirs, strict=True)), 3
    )
    our_rate, rival_rate = statistics.median(ours), statistics.median(theirs)
    return Result(name, rival, round(our_rate, 1), round(rival_rate, 1), ratio, target, ratio >= target, rate=True)


def compare_with_maximum(name: str, what: str, seconds: float, maximum: float) -> Result:
    """Compare a time with its maximum."""
    return Result(name, what, round(seconds, 6), maximum, round(seconds / maximum, 3), 1.0, seconds <= maximum)


def quantile(times: Sequence[float], share: float) -> float:
    """Return the quantile `share` of the times, for example 0.95 for the 95th percentile."""
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def format_table(rows: list[Result]) -> str:
    """Format the results as a table."""
    head = f"{'name':<38}{'rival':<44}{'ours':>12}{'theirs':>12}{'ratio':>8}{'target':>9}  ok"
    table_rows = [
        f"{row.name:<38}{row.rival:<44}{format_value(row.ours, row):>12}{format_value(row.theirs, row):>12}"
        f"{row.ratio:>8.2f}"
        f"{'≥' if row.rate else '≤':>4}{row.target:>5.2f}  {'yes' if row.ok else 'NO'}"
        for row in rows
    ]
    return "\n".join([head, *table_rows])


def format_value(value: float, result: Result) -> str:
    if result.rate:
        return f"{value:.0f}/s"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.2f} ms"
