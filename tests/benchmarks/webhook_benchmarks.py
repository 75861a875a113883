"""Benchmarks B4 and B7: the rate of delivery callbacks, and the latency of an idle worker."""

import http.client
import itertools
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select, update
from twilio.request_validator import RequestValidator

from homevisits.app import create_app
from homevisits.core.db import Database
from homevisits.messages import outbox
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.models import DeliveryAttempt, Sender
from homevisits.messages.providers.base import Accepted
from homevisits.messages.recipients import opt_outs
from tests import external_programs
from tests.benchmarks import web_process
from tests.benchmarks.environment import ROOT, SENDER, BenchEnvironment, send_policy, settings_for
from tests.benchmarks.measure import Result, Run, compare_rates, compare_with_maximum, measure_rates, quantile
from tests.messages import fake_twilio

PUBLIC = "https://visits.example.org"
MIN_RATIO = {"sqlite": 0.20, "postgresql": 0.35}
MIN_RATE = 250.0
"""Callbacks per second."""
CALLS, ROUNDS = 300, 5
FORM = "application/x-www-form-urlencoded"
Call = tuple[str, dict[str, str], dict[str, str]]
"""Path, form, headers."""
SAMPLES = 40


class AcceptingProvider:
    """A provider that accepts every message at once."""

    name = "twilio"
    supports_lookup = False

    def send(self, to: str, body: str, token: str, *, sender: str, valid_for: int) -> Accepted:
        """Accept the message."""
        return Accepted(f"SM{token}", "queued", 1)


def webhook(environment: BenchEnvironment) -> Iterator[Result]:
    """B4: delivery callbacks, from signature check to commit, compared with a route that ignores its input.

    Both run in a gunicorn process with the same number of threads and are called over persistent connections.
    """
    sides: dict[str, Run] = {
        "bare": partial(make_calls, start_web_process(environment, "bare", "sqlite:///unused.sqlite"), bare_calls())
    }
    for engine in MIN_RATIO:
        database = environment.database(engine)
        environment.fill_outbox(database, (ROUNDS + 1) * CALLS)
        dispatcher.dispatch_due(
            database,
            (AcceptingProvider(),),  # type: ignore[arg-type]
            send_policy(1),
            environment.now,
            10_000,
            stop=threading.Event(),
        )
        sides[engine] = partial(
            make_calls, start_web_process(environment, "ours", database.url), signed_callbacks(database)
        )
    rates = measure_rates(sides, ROUNDS)
    for engine, min_ratio in MIN_RATIO.items():
        name = f"texts-webhook-{engine}"
        yield compare_rates(name, "a bare Flask route, same server", rates[engine], rates["bare"], min_ratio)
        yield compare_rates(f"{name}-a-second", "callbacks a second, at least", rates[engine], [MIN_RATE] * ROUNDS, 1.0)


def start_web_process(environment: BenchEnvironment, side: str, database: str) -> int:
    """Start a web process and return its port."""
    port = external_programs.find_free_port()
    command = [sys.executable, "-m", "tests.benchmarks.web_process", side, str(port), database]
    environment.stack.enter_context(
        external_programs.run_server(command, port, environment.folder / "served.log", cwd=ROOT)
    )
    return port


def make_calls(port: int, waiting: Iterator[Call]) -> float:
    """Make the next calls in a few threads and return the rate per second."""
    lock, remaining = threading.Lock(), list(itertools.islice(waiting, CALLS))
    failed_statuses: list[int] = []

    def caller() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            with lock:
                if not remaining:
                    break
                path, form, headers = remaining.pop()
            connection.request("POST", path, urlencode(form), {**headers, "Content-Type": FORM})
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                failed_statuses.append(response.status)
        connection.close()

    threads = [threading.Thread(target=caller) for _ in range(web_process.THREADS)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - started
    if failed_statuses:
        raise SystemExit(f"callbacks were answered {failed_statuses[:3]}")
    return CALLS / elapsed


def signed_callbacks(database: Database) -> Iterator[Call]:
    """Yield signed Twilio callbacks that report each message as delivered."""
    with database.reading() as session:
        attempts = list(
            session.execute(
                select(DeliveryAttempt.attempt_id, DeliveryAttempt.provider_message_id, DeliveryAttempt.phone)
            )
        )
    return iter(
        [
            sign_call(f"/twilio/status/{token}", delivered_form(str(provider_message_id), phone))
            for token, provider_message_id, phone in attempts
        ]
    )


def bare_calls() -> Iterator[Call]:
    """Yield the same kind of call for the rival."""
    return itertools.repeat(sign_call("/twilio/status/" + "a" * 32, delivered_form("SM" + "a" * 32, "+15005550006")))


def delivered_form(provider_message_id: str, phone: str) -> dict[str, str]:
    """Return the form of Twilio's callback for a delivered message."""
    fields = {
        "MessageSid": provider_message_id,
        "SmsSid": provider_message_id,
        "MessageStatus": "delivered",
        "SmsStatus": "delivered",
    }
    return {**fields, "To": phone, "From": SENDER, "AccountSid": "AC" + "0" * 32, "ApiVersion": "2010-04-01"}


def sign_call(path: str, form: dict[str, str]) -> Call:
    """Return a signed call of Twilio."""
    return path, form, {"X-Twilio-Signature": RequestValidator("token").compute_signature(PUBLIC + path, form)}


def idle(environment: BenchEnvironment) -> Iterator[Result]:
    """B7: time of an idle worker from due to the provider call, and from STOP to the stored opt-out."""
    for engine in MIN_RATIO:
        database = environment.database(engine)
        with database.transaction() as session:
            session.execute(update(Sender).values(segments_per_second=1_000.0))
        with fake_twilio.running() as provider:
            arrived: dict[str, float] = {}
            provider.on_accepted = lambda form, arrived_at=arrived: arrived_at.setdefault(form["To"], time.monotonic())
            environment.stack.enter_context(run_worker(environment, provider.url, database.url))
            waits = [wait_for_call(environment, database, arrived) for _ in range(SAMPLES)]
        yield compare_with_maximum(
            f"texts-due-to-call-{engine}", "p95 of an idle worker, at most", quantile(waits, 0.95), 1.5
        )
        yield compare_with_maximum(
            f"texts-stop-to-kept-{engine}",
            "p99 of a STOP, at most",
            quantile(time_opt_outs(environment, database), 0.99),
            1.0,
        )


def run_worker(environment: BenchEnvironment, twilio: str, database: str) -> Any:
    """Run `homevisits worker`."""
    worker_settings = settings_for(twilio, database)
    names: tuple[str, ...] = (
        "mode",
        "database_url",
        "secret_key",
        "public_url",
        "provider",
        "texting",
        "provider_timeout_seconds",
    )
    names += ("twilio_account_sid", "twilio_auth_token", "twilio_from", "twilio_base_url")
    settings = {f"HOMEVISITS_{name.upper()}": str(getattr(worker_settings, name)) for name in names}
    command = [sys.executable, "-c", "from homevisits.cli.main import main; main()", "worker"]
    return external_programs.run_process(
        command, environment.folder / "worker.log", cwd=ROOT, env={**os.environ, **settings}
    )


def wait_for_call(environment: BenchEnvironment, database: Database, arrived: dict[str, float]) -> float:
    """Return the seconds until a message that is due now reaches the provider."""
    ((subject, message),) = environment.plan_messages(1, category="reply")  # replies are sent at any hour
    now = datetime.now().astimezone()
    due_message = message.__class__(**{**vars(message), "not_before": now, "expires_at": now + timedelta(hours=1)})
    time.sleep(random.random())
    started = time.monotonic()
    with database.transaction() as session:
        outbox.put_many(session, [(subject, due_message)], now)
    while message.to not in arrived:
        if time.monotonic() - started > 60:
            raise SystemExit(f"the worker sent nothing: {(environment.folder / 'worker.log').read_text()[-1500:]}")
        time.sleep(0.005)
    return arrived[message.to] - started


def time_opt_outs(environment: BenchEnvironment, database: Database) -> list[float]:
    """Return the seconds from the arrival of each STOP until the phone is opted out."""
    client = create_app(settings_for("http://127.0.0.1:9", database.url), database).test_client()
    durations = []
    for number, phone in zip(itertools.count(), environment.phones(100)):
        form = {"MessageSid": f"SM{number:032x}", "From": phone, "To": SENDER, "Body": "STOP", "NumMedia": "0"}
        path, form, headers = sign_call("/twilio/inbound", form)
        started = time.monotonic()
        if client.post(path, data=form, headers=headers).status_code != 200:
            raise SystemExit("a text was refused")
        while may_text(database, phone):
            time.sleep(0.01)
        durations.append(time.monotonic() - started)
    return durations


def may_text(database: Database, phone: str) -> bool:
    """Return whether messages may still be sent to `phone`."""
    with database.reading() as session:
        return opt_outs.may_receive(session, phone)
