"""The message benchmarks B1 to B7, by their names for `make bench ONLY=...`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.benchmarks import dispatch_benchmarks, outbox_benchmarks, webhook_benchmarks
from tests.benchmarks.environment import BenchEnvironment, bench_environment
from tests.benchmarks.measure import Result

BENCHMARKS: dict[tuple[str, ...], Callable[[BenchEnvironment], Iterator[Result]]] = {
    ("texts-dispatch-80ms",): dispatch_benchmarks.slow,
    ("texts-dispatch-fast", "texts-queue"): dispatch_benchmarks.fast,
    ("texts-claim",): outbox_benchmarks.claims,
    ("texts-webhook",): webhook_benchmarks.webhook,
    ("texts-plan",): outbox_benchmarks.plans,
    ("texts-due", "texts-stop"): webhook_benchmarks.idle,
}
"""Benchmarks by the beginnings of their result names."""


@dataclass(frozen=True)
class SkippedBenchmarks:
    """Benchmarks that cannot run on this machine, and why."""

    names: tuple[str, ...]
    reason: str


def run_message_benchmarks(only: str) -> Iterator[Result | SkippedBenchmarks]:
    """Yield each result of the benchmarks with a name that begins with `only`, and the benchmarks left out.

    A benchmark is left out if it needs an outside program, such as nginx, that is not installed.
    """
    for names, benchmark in BENCHMARKS.items():
        if any(name.startswith(only) or only.startswith(name) for name in names):
            try:
                with bench_environment() as environment:
                    yield from (result for result in benchmark(environment) if result.name.startswith(only))
            except pytest.skip.Exception as skipped:  # raised by tests.external_programs
                yield SkippedBenchmarks(names, str(skipped))
