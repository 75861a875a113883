"""B1, B2, B5: the delivery against a bare loop around the same SDK, and against procrastinate with the same job."""

from collections.abc import Iterator
from functools import partial

import procrastinate

from homevisits.core.db import Database
from tests.benchmarks.measure import Line, Run, heats, rated
from tests.benchmarks.texts_stage import Crew, Stage

ENGINES = ("sqlite", "postgresql")
BARE = "a bare SDK loop, same client and server"
PER_THREAD = 25
"""Texts of each thread in a round at 80 ms: two seconds and more."""
ROUND = 600
"""Texts of a round without latency."""
FAST = {("sqlite", 1): 0.45, ("sqlite", 2): 0.50, ("postgresql", 1): 0.65, ("postgresql", 2): 0.70}


def slow(stage: Stage) -> Iterator[Line]:
    """B1: a provider that takes 80 ms, as real ones do."""
    twilio = stage.slow_twilio(80)
    for processes in (1, 2):
        done = heats(sides(stage, twilio, processes, 8, PER_THREAD * 8 * processes))
        for engine in ENGINES:
            name = f"texts-dispatch-80ms-{processes}x8-{engine}"
            yield rated(name, BARE, done[engine], done["bare"], 0.90)


def fast(stage: Stage) -> Iterator[Line]:
    """B2 and B5: a provider that answers at once, so that only the work in between is seen."""
    twilio = stage.nginx()
    for processes in (1, 2):
        runs = sides(stage, twilio, processes, 4, ROUND)
        if processes == 1:
            runs["procrastinate"] = procrastinates(stage, twilio, 4, ROUND)
        done = heats(runs)
        for engine in ENGINES:
            name = f"texts-dispatch-fast-{processes}x4-{engine}"
            yield rated(name, BARE, done[engine], done["bare"], FAST[engine, processes])
        if "procrastinate" in done:
            rival = "procrastinate 3, the same call as its job"
            yield rated("texts-queue-1x4-postgresql", rival, done["postgresql"], done["procrastinate"], 1.0)


def sides(stage: Stage, twilio: str, processes: int, threads: int, texts: int) -> dict[str, Run]:
    """The bare loop, and ours on each engine, with so many processes and threads."""
    bare = Crew(stage, "bare", twilio, "-", processes, threads)
    found: dict[str, Run] = {"bare": partial(bare.run, texts)}
    for engine in ENGINES:
        database = stage.database(engine)
        crew = Crew(stage, "ours", twilio, database.url, processes, threads)
        found[engine] = partial(filled, stage, database, crew, texts)
    return found


def filled(stage: Stage, database: Database, crew: Crew, texts: int) -> float:
    """Put texts in, outside the measured time, and send them."""
    stage.fill(database, texts)
    return crew.run(texts)


def procrastinates(stage: Stage, twilio: str, threads: int, texts: int) -> Run:
    """The rival's queue, filled outside the measured time."""
    dsn = stage.postgres().dsn(stage.postgres().create_database("template0"))
    app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=dsn))
    app.open()
    stage.stack.callback(app.close)
    app.schema_manager.apply_schema()
    crew = Crew(stage, "procrastinate", twilio, dsn, 1, threads)

    def run() -> float:
        app.configure_task("send").batch_defer(*({"phone": phone} for phone in stage.phones(texts)))
        return crew.run(texts)

    return run
