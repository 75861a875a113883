"""The worker: a process that only ticks. What is due when stands in rows; here is no job but the ticks."""

import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from homevisits.attendance import actions as attendance
from homevisits.core import clock, leases, log_config
from homevisits.core.db import Database
from homevisits.core.settings import Settings
from homevisits.inbox import processing as inbox
from homevisits.invitations.send_checks import text_wanted as invitation_wanted
from homevisits.messages import retention
from homevisits.messages.dispatch import delivery, results
from homevisits.messages.dispatch.eligibility import Check, SendPolicy
from homevisits.messages.dispatch.quiet_hours import Limits
from homevisits.messages.providers import registry
from homevisits.messages.providers.base import Provider
from homevisits.messages.reconciliation import daily as days
from homevisits.messages.reconciliation import unconfirmed
from homevisits.messages.senders import sync
from homevisits.messages.templates import catalog
from homevisits.pay import actions as pay
from homevisits.people.models import Heartbeat
from homevisits.people.sign_in import kept_forms, sessions
from homevisits.people.sign_in.session_limits import session_limits
from homevisits.policies.rules import Policy
from homevisits.visits import actions as visits
from homevisits.visits.send_checks import text_wanted as visit_wanted

log = structlog.get_logger("homevisits.worker")

NAME = "worker"
OWNER = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
"""This process, among all that tick."""
LEASE = timedelta(minutes=2)
"""How long a tick may take before another process may begin it anew."""
AT_ONCE = 16
"""Ticks of this process that may run at the same time: none waits for another."""
MOST = 1000
"""Texts in one tick."""
CHECKS: Mapping[str, Check] = {"visit": visit_wanted, "invitation": invitation_wanted}
"""Who says whether a text about something may still leave."""
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
    log_config.configure_logging(settings.mode)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    catalog.use(settings.texts_folder, settings.policy.text_wording, settings.public_url)
    database = Database(settings.database_url, pool_size=settings.text_threads + 5)
    beat(database)
    _senders(database, settings)
    scheduler = start(ticks(settings, database, stop))
    log.info("worker started", carrier=settings.provider)
    try:
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)
        database.dispose()
        log.info("worker stopped")


def start(wanted: Iterable[Tick]) -> BackgroundScheduler:
    """Begin ticking in threads of this process. A tick that is still running is not started a second time."""
    scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(AT_ONCE)})
    for tick in wanted:
        scheduler.add_job(
            once, "interval", [tick], id=tick.name, seconds=tick.seconds, max_instances=1, coalesce=True,
            misfire_grace_time=None,
        )  # fmt: skip
    scheduler.start()
    return scheduler


def ticks(settings: Settings, database: Database, stop: threading.Event | None = None) -> tuple[Tick, ...]:
    """What the worker looks after. All but the heartbeat and the texts take their lease first."""
    out = registry.configured_providers(settings)
    rules = rules_of(settings)
    policy = settings.policy

    def leased(name: str, seconds: float, run: Callable[[], int], **more: bool) -> Tick:
        return Tick(name, seconds, lambda: _leased(database, name, run, **more))

    return (
        Tick("heartbeat", 10, lambda: beat(database)),
        leased("senders", 60, lambda: _senders(database, settings)),
        leased("visits", 5, lambda: tidy(database, policy)),
        Tick("texts", 1, lambda: delivery.tick(database, out, rules, clock.now, MOST, stop=stop).total()),
        leased("inbound", 5, lambda: inbox.process_waiting(database, policy, clock.now())),
        leased("lapse", 30, lambda: _lapse(database)),
        leased("look", 10, lambda: unconfirmed.look(database, out, clock.now)),
        leased("poll", 300, lambda: unconfirmed.poll(database, out, clock.now)),
        leased("days", 600, lambda: _yesterday(database, out), daily=True),
        leased("retention", 600, lambda: retention.empty(database, policy.text_keep_days, clock.now()), daily=True),
        leased("sign_in", 60, lambda: _delete_sign_in_data(database, settings)),
        leased("pay", 5, lambda: settle(database)),
        leased("attendance", 60, lambda: refresh(database)),
    )


def rules_of(settings: Settings) -> SendPolicy:
    """What delivery goes by under these settings. The console only stands for a carrier where there are no families."""
    console = settings.provider == "console"
    return SendPolicy(
        limits=Limits.of(settings.policy),
        zone=settings.timezone,
        trial=settings.texting == "trial" and not (console and settings.mode != "production"),
        silent=console and not settings.second_provider and settings.mode == "production",
        checks=CHECKS,
        threads=settings.text_threads,
    )


def _leased(database: Database, name: str, run: Callable[[], int], *, daily: bool = False) -> int:
    """Run a tick under its lease; a daily one only where it has not gone well today (UTC)."""
    with database.transaction() as session:
        if daily and leases.has_succeeded_on(session, name, clock.now().date()):
            return 0
        if not leases.take_lease(session, name, OWNER, LEASE, clock.now()):
            return 0
    did = run()
    with database.transaction() as session:
        leases.release_lease(session, name, OWNER, clock.now())
    return did


def _senders(database: Database, settings: Settings) -> int:
    """The senders the settings name have their rows. Zero: it is not worth a line in the log."""
    with database.transaction() as session:
        sync.sync(session, settings)
    return 0


def _lapse(database: Database) -> int:
    with database.transaction() as session:
        return results.lapse(session, clock.now())


def _delete_sign_in_data(database: Database, settings: Settings) -> int:
    """Delete sessions that are over, and forms that were kept for an hour."""
    now = clock.now()
    with database.transaction() as session:
        over = sessions.delete_old_sessions(session, session_limits(settings), now)
        return over + kept_forms.delete_old_forms(session, now)


def _yesterday(database: Database, out: tuple[Provider, ...]) -> int:
    return days.by_day(database, out, clock.now().date() - timedelta(days=1), clock.now).total()


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
        return pay.write_missing_lines(session, clock.now())


def tidy(database: Database, policy: Policy) -> int:
    """Undo what withdrawals and time undo: a family's no, an educator who left, a visit nobody said yes to."""
    with database.transaction() as session:
        return visits.tidy(session, policy, clock.now())


def refresh(database: Database) -> int:
    """Work the association report out when it is old, so that its page need not."""
    with database.transaction() as session:
        return int(attendance.refresh_if_due(session, clock.now()))
