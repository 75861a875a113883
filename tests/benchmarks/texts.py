"""The races of texts, B1 to B7, by the names that `make bench ONLY=...` knows them by."""

from collections.abc import Callable, Iterator

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


def measured(only: str) -> Iterator[Line]:
    """The results of every race with a line whose name begins with `only`, one by one."""
    for names, race in RACES.items():
        if any(name.startswith(only) or only.startswith(name) for name in names):
            with stage() as on:
                yield from (line for line in race(on) if line.name.startswith(only))
