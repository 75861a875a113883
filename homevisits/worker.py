"""Background worker: runs the periodic jobs. What is due is read from the database."""

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

from homevisits import all_messages
from homevisits.attendance.actions import refresh_report as attendance
from homevisits.core import clock, leases, log_config
from homevisits.core.db import Database
from homevisits.core.settings import Settings
from homevisits.inbox import processing as inbox
from homevisits.invitations.send_checks import reason_not_to_send as check_invitation_message
from homevisits.messages import retention
from homevisits.messages.dispatch import dispatcher, results
from homevisits.messages.dispatch.eligibility import Check, SendPolicy
from homevisits.messages.dispatch.quiet_hours import Limits
from homevisits.messages.providers import registry
from homevisits.messages.providers.base import Provider
from homevisits.messages.reconciliation import daily, unconfirmed
from homevisits.messages.senders import sync
from homevisits.pay import actions as pay
from homevisits.people.models import Heartbeat
from homevisits.people.sign_in import saved_forms, sessions
from homevisits.people.sign_in.session_limits import session_limits
from homevisits.policies.rules import Policy
from homevisits.visits import actions as visits
from homevisits.visits.send_checks import reason_not_to_send as check_visit_message

log = structlog.get_logger("homevisits.worker")

HEARTBEAT_NAME = "worker"
LEASE_OWNER = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
LEASE_DURATION = timedelta(minutes=2)  # after this, another process may start the job again
MAX_CONCURRENT_JOBS = 16  # more than there are jobs, so that no job waits for another
MAX_MESSAGES_PER_RUN = 1000
SEND_CHECKS: Mapping[str, Check] = {"visit": check_visit_message, "invitation": check_invitation_message}


@dataclass(frozen=True)
class Job:
    """A job that runs every `seconds`. `run` returns the number of items it processed."""

    name: str
    seconds: float
    run: Callable[[], int]


def run(settings: Settings) -> None:
    """Run the jobs until SIGTERM or SIGINT, then finish the running jobs and stop."""
    log_config.configure_logging(settings.mode)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    all_messages.apply_settings(settings)
    database = Database(settings.database_url, pool_size=settings.text_threads + 5)
    write_heartbeat(database)
    _sync_senders(database, settings)
    scheduler = start_scheduler(build_jobs(settings, database, stop))
    log.info("worker_started", provider=settings.provider)
    try:
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)
        database.dispose()
        log.info("worker_stopped")


def start_scheduler(jobs: Iterable[Job]) -> BackgroundScheduler:
    """Run the jobs in threads of this process. A job that is still running is not started again."""
    scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(MAX_CONCURRENT_JOBS)})
    for job in jobs:
        scheduler.add_job(
            run_job, "interval", [job], id=job.name, seconds=job.seconds, max_instances=1, coalesce=True,
            misfire_grace_time=None,
        )  # fmt: skip
    scheduler.start()
    return scheduler


def build_jobs(settings: Settings, database: Database, stop: threading.Event | None = None) -> tuple[Job, ...]:
    """Return the jobs of the worker. All except the heartbeat and sending run under a lease."""
    providers = registry.configured_providers(settings)
    rules = build_send_policy(settings)
    policy = settings.policy

    def leased(name: str, seconds: float, run: Callable[[], int], **more: bool) -> Job:
        return Job(name, seconds, lambda: _run_with_lease(database, name, run, **more))

    return (
        Job("heartbeat", 10, lambda: write_heartbeat(database)),
        leased("senders", 60, lambda: _sync_senders(database, settings)),
        leased("visits", 5, lambda: apply_withdrawals(database, policy)),
        Job(
            "dispatch",
            1,
            lambda: dispatcher.dispatch_due(
                database, providers, rules, clock.now, MAX_MESSAGES_PER_RUN, stop=stop
            ).total(),
        ),
        leased("inbound", 5, lambda: inbox.process_waiting(database, policy, clock.now())),
        leased("leases", 30, lambda: _expire_leases(database)),
        leased("lookup", 10, lambda: unconfirmed.look_up_unclear(database, providers, clock.now)),
        leased("poll", 300, lambda: unconfirmed.poll_accepted(database, providers, clock.now)),
        leased("reconciliation", 600, lambda: _reconcile_yesterday(database, providers), daily=True),
        leased(
            "retention",
            600,
            lambda: retention.delete_old_texts(database, policy.text_keep_days, clock.now()),
            daily=True,
        ),
        leased("sign_in", 60, lambda: _delete_sign_in_data(database, settings)),
        leased("pay", 5, lambda: write_pay_lines(database)),
        leased("attendance", 60, lambda: refresh_attendance_report(database)),
    )


def build_send_policy(settings: Settings) -> SendPolicy:
    """Build the rules for sending from the settings. In production, the console provider sends nothing to families."""
    console = settings.provider == "console"
    return SendPolicy(
        limits=Limits.of(settings.policy),
        zone=settings.timezone,
        trial=settings.texting == "trial" and not (console and settings.mode != "production"),
        silent=console and not settings.second_provider and settings.mode == "production",
        checks=SEND_CHECKS,
        threads=settings.text_threads,
    )


def _run_with_lease(database: Database, name: str, run: Callable[[], int], *, daily: bool = False) -> int:
    """Run a job under its lease. Skip a daily job that has already succeeded today (UTC)."""
    with database.transaction() as session:
        if daily and leases.has_succeeded_on(session, name, clock.now().date()):
            return 0
        if not leases.take_lease(session, name, LEASE_OWNER, LEASE_DURATION, clock.now()):
            return 0
    count = run()
    with database.transaction() as session:
        leases.release_lease(session, name, LEASE_OWNER, clock.now())
    return count


def _sync_senders(database: Database, settings: Settings) -> int:
    """Update the sender table from the settings. Returns 0, so that it is not logged."""
    with database.transaction() as session:
        sync.sync_senders(session, settings)
    return 0


def _expire_leases(database: Database) -> int:
    with database.transaction() as session:
        return results.expire_leases(session, clock.now())


def _delete_sign_in_data(database: Database, settings: Settings) -> int:
    """Delete expired sessions and expired saved forms."""
    now = clock.now()
    with database.transaction() as session:
        deleted = sessions.delete_old_sessions(session, session_limits(settings), now)
        return deleted + saved_forms.delete_old_forms(session, now)


def _reconcile_yesterday(database: Database, providers: tuple[Provider, ...]) -> int:
    return daily.compare_day(database, providers, clock.now().date() - timedelta(days=1), clock.now).total()


def run_job(job: Job) -> None:
    """Run a job once. An exception is logged; the job runs again at its next interval."""
    try:
        count = job.run()
    except Exception:
        log.exception("job_failed", job=job.name)
    else:
        if count:
            log.info("job_finished", job=job.name, count=count)


def write_heartbeat(database: Database) -> int:
    """Write the heartbeat of the worker. Returns 0, so that it is not logged."""
    with database.transaction() as session:
        row = session.get(Heartbeat, HEARTBEAT_NAME)
        if row is None:
            session.add(Heartbeat(name=HEARTBEAT_NAME, at=clock.now(), detail=""))
        else:
            row.at = clock.now()
    return 0


def write_pay_lines(database: Database) -> int:
    """Write the missing pay lines of completed visits."""
    with database.transaction() as session:
        return pay.write_missing_lines(session, clock.now())


def apply_withdrawals(database: Database, policy: Policy) -> int:
    """Cancel visits if the family withdrew, the educator left, or no partner accepted in time."""
    with database.transaction() as session:
        return visits.apply_withdrawals(session, policy, clock.now())


def refresh_attendance_report(database: Database) -> int:
    """Refresh the attendance report if it is due."""
    with database.transaction() as session:
        return int(attendance.refresh_report_if_due(session, clock.now()))
