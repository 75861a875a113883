"""The worker: a process that only ticks. What is due when stands in rows; here is no job but the ticks."""

import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from homevisits import clock, logs
from homevisits.attendance import actions as attendance
from homevisits.db import Database
from homevisits.messages import carriers, delivery
from homevisits.pay import actions as pay
from homevisits.people.models import Heartbeat
from homevisits.policies.rules import Policy
from homevisits.settings import Settings
from homevisits.visits import actions as visits

log = structlog.get_logger("homevisits.worker")

NAME = "worker"
LATE = timedelta(seconds=60)
"""A worker that has said nothing for so long is taken for dead."""


@dataclass(frozen=True)
class Tick:
    """Something to look after every so many seconds; `run` says how many things it did."""

    name: str
    seconds: float
    run: Callable[[], int]


def run(settings: Settings) -> None:
    """Tick until SIGTERM or SIGINT, then finish what is under way and stop."""
    logs.configure(settings.mode)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    database = Database(settings.database_url)
    beat(database)
    scheduler = start(ticks(settings, database))
    log.info("worker started", carrier=settings.carrier)
    try:
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)
        database.dispose()
        log.info("worker stopped")


def start(wanted: Iterable[Tick]) -> BackgroundScheduler:
    """Begin ticking in threads of this process. A tick that is still running is not started a second time."""
    scheduler = BackgroundScheduler(timezone=UTC)
    for tick in wanted:
        scheduler.add_job(
            once, "interval", [tick], id=tick.name, seconds=tick.seconds, max_instances=1, coalesce=True,
            misfire_grace_time=None,
        )  # fmt: skip
    scheduler.start()
    return scheduler


def ticks(settings: Settings, database: Database) -> tuple[Tick, ...]:
    """What the worker looks after."""
    carrier = carriers.chosen(settings)[0]
    return (
        Tick("heartbeat", 10, lambda: beat(database)),
        Tick("visits", 5, lambda: tidy(database, settings.policy)),
        Tick("texts", 2, lambda: delivery.tick(database, carrier, clock.now).total()),
        Tick("pay", 5, lambda: settle(database)),
        Tick("attendance", 60, lambda: refresh(database)),
    )


def once(tick: Tick) -> None:
    """Run a tick one time. What goes wrong is written down and tried again at the next tick; the worker lives on."""
    try:
        done = tick.run()
    except Exception:
        log.exception("tick failed", tick=tick.name)
    else:
        if done:
            log.info("tick", tick=tick.name, done=done)


def beat(database: Database) -> int:
    """Say that the worker is alive. Zero: it is not worth a line in the log."""
    with database.transaction() as session:
        row = session.get(Heartbeat, NAME)
        if row is None:
            session.add(Heartbeat(name=NAME, at=clock.now(), detail=""))
        else:
            row.at = clock.now()
    return 0


def settle(database: Database) -> int:
    """Write the pay lines of completed visits that have none yet."""
    with database.transaction() as session:
        return pay.settle(session, clock.now())


def tidy(database: Database, policy: Policy) -> int:
    """Undo what withdrawals and time undo: a family's no, an educator who left, a visit nobody said yes to."""
    with database.transaction() as session:
        return visits.tidy(session, policy, clock.now())


def refresh(database: Database) -> int:
    """Work the association report out when it is old, so that its page need not."""
    with database.transaction() as session:
        return int(attendance.refresh_if_due(session, clock.now()))
