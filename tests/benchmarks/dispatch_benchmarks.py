"""Benchmarks B1, B2, B5: the dispatcher compared with a bare SDK loop and with procrastinate."""

from collections.abc import Iterator
from functools import partial

import procrastinate

from homevisits.core.db import Database
from tests.benchmarks.environment import BenchEnvironment, SenderProcesses
from tests.benchmarks.measure import Result, Run, compare_rates, measure_rates

ENGINES = ("sqlite", "postgresql")
BARE = "a bare SDK loop, same client and server"
PER_THREAD = 25
"""Messages per thread and round at 80 ms; a round takes at least two seconds."""
ROUND = 600
"""Messages per round without latency."""
FAST = {("sqlite", 1): 0.45, ("sqlite", 2): 0.50, ("postgresql", 1): 0.65, ("postgresql", 2): 0.70}


def slow(environment: BenchEnvironment) -> Iterator[Result]:
    """B1: a provider that answers after 80 ms, as real providers do."""
    twilio = environment.slow_twilio(80)
    for processes in (1, 2):
        rates = measure_rates(make_runs(environment, twilio, processes, 8, PER_THREAD * 8 * processes))
        for engine in ENGINES:
            name = f"texts-dispatch-80ms-{processes}x8-{engine}"
            yield compare_rates(name, BARE, rates[engine], rates["bare"], 0.90)


def fast(environment: BenchEnvironment) -> Iterator[Result]:
    """B2 and B5: a provider that answers at once, which shows the cost of our own work."""
    twilio = environment.nginx()
    for processes in (1, 2):
        runs = make_runs(environment, twilio, processes, 4, ROUND)
        if processes == 1:
            runs["procrastinate"] = make_procrastinate_run(environment, twilio, 4, ROUND)
        rates = measure_rates(runs)
        for engine in ENGINES:
            name = f"texts-dispatch-fast-{processes}x4-{engine}"
            yield compare_rates(name, BARE, rates[engine], rates["bare"], FAST[engine, processes])
        if "procrastinate" in rates:
            rival = "procrastinate 3, the same call as its job"
            yield compare_rates("texts-queue-1x4-postgresql", rival, rates["postgresql"], rates["procrastinate"], 1.0)


def make_runs(environment: BenchEnvironment, twilio: str, processes: int, threads: int, texts: int) -> dict[str, Run]:
    """Return the runs of the bare loop and of the dispatcher on each engine."""
    bare = SenderProcesses(environment, "bare", twilio, "-", processes=processes, threads=threads)
    runs: dict[str, Run] = {"bare": partial(bare.run, texts)}
    for engine in ENGINES:
        database = environment.database(engine)
        senders = SenderProcesses(environment, "ours", twilio, database.url, processes=processes, threads=threads)
        runs[engine] = partial(fill_and_send, environment, database, senders, texts)
    return runs


def fill_and_send(environment: BenchEnvironment, database: Database, senders: SenderProcesses, texts: int) -> float:
    """Insert messages outside the measured time, then send them."""
    environment.fill_outbox(database, texts)
    return senders.run(texts)


def make_procrastinate_run(environment: BenchEnvironment, twilio: str, threads: int, texts: int) -> Run:
    """Return a run of procrastinate with a queue that is filled outside the measured time."""
    dsn = environment.postgres().dsn(environment.postgres().create_database("template0"))
    app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=dsn))
    app.open()
    environment.stack.callback(app.close)
    app.schema_manager.apply_schema()
    senders = SenderProcesses(environment, "procrastinate", twilio, dsn, processes=1, threads=threads)

    def run() -> float:
        app.configure_task("send").batch_defer(*({"phone": phone} for phone in environment.phones(texts)))
        return senders.run(texts)

    return run
