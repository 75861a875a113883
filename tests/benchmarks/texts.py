"""The races of texts, B1 to B7, by the names that `make bench ONLY=...` knows them by."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.benchmarks import texts_dispatch, texts_plan, texts_webhook
from tests.benchmarks.measure import Line
from tests.benchmarks.texts_stage import Stage, stage

RACES: dict[tuple[str, ...], Callable[[Stage], Iterator[Line]]] = {
    ("texts-dispatch-80ms",): texts_dispatch.slow,
    ("texts-dispatch-fast", "texts-queue"): texts_dispatch.fast,
    ("texts-claim",): texts_plan.claims,
    ("texts-webhook",): texts_webhook.webhook,
    ("texts-plan",): texts_plan.plans,
    ("texts-due", "texts-stop"): texts_webhook.idle,
}
"""What the names of a race's lines begin with."""


@dataclass(frozen=True)
class LeftOut:
    """Benchmarks that cannot run on this machine, and why."""

    names: tuple[str, ...]
    reason: str


def measured(only: str) -> Iterator[Line | LeftOut]:
    """Yield each result of the benchmarks with a name that begins with `only`, and the benchmarks left out.

    A benchmark is left out if it needs an outside program, such as nginx, that is not installed.
    """
    for names, race in RACES.items():
        if any(name.startswith(only) or only.startswith(name) for name in names):
            try:
                with stage() as on:
                    yield from (line for line in race(on) if line.name.startswith(only))
            except pytest.skip.Exception as missing:  # raised by tests.tools.missing
                yield LeftOut(names, str(missing))
