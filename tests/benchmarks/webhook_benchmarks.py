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
from tests.benchmarks.environment import ROOT, SENDER, BenchEnvironment, rules, settings_for
from tests.benchmarks.measure import Line, Run, heats, part, rated, within
from tests.messages import fake_twilio

PUBLIC = "https://visits.example.org"
LEAST = {"sqlite": 0.20, "postgresql": 0.35}
LEAST_RATE = 250.0
"""Callbacks per second."""
CALLS, ROUNDS = 300, 5
FORM = "application/x-www-form-urlencoded"
Call = tuple[str, dict[str, str], dict[str, str]]
"""Path, form, headers."""
SAMPLES = 40


class Taking:
    """A provider that accepts every message at once."""

    name = "twilio"
    supports_lookup = False

    def send(self, to: str, body: str, token: str, *, sender: str, valid_for: int) -> Accepted:
        """Accept the message."""
        return Accepted(f"SM{token}", "queued", 1)


def webhook(environment: BenchEnvironment) -> Iterator[Line]:
    """B4: delivery callbacks, from signature check to commit, compared with a route that ignores its input.

    Both run in a gunicorn process with the same number of threads and are called over persistent connections.
    """
    sides: dict[str, Run] = {
        "bare": partial(calls, served(environment, "bare", "sqlite:///unused.sqlite"), bare_calls())
    }
    for engine in LEAST:
        database = environment.database(engine)
        environment.fill(database, (ROUNDS + 1) * CALLS)
        dispatcher.dispatch_due(database, (Taking(),), rules(1), environment.now, 10_000, stop=threading.Event())  # type: ignore[arg-type]
        sides[engine] = partial(calls, served(environment, "ours", database.url), told(database))
    done = heats(sides, ROUNDS)
    for engine, least in LEAST.items():
        name = f"texts-webhook-{engine}"
        yield rated(name, "a bare Flask route, same server", done[engine], done["bare"], least)
        yield rated(f"{name}-a-second", "callbacks a second, at least", done[engine], [LEAST_RATE] * ROUNDS, 1.0)


def served(environment: BenchEnvironment, side: str, database: str) -> int:
    """Start a web process and return its port."""
    port = external_programs.find_free_port()
    command = [sys.executable, "-m", "tests.benchmarks.web_process", side, str(port), database]
    environment.stack.enter_context(
        external_programs.run_server(command, port, environment.folder / "served.log", cwd=ROOT)
    )
    return port


def calls(port: int, waiting: Iterator[Call]) -> float:
    """Make the next calls in a few threads and return the rate per second."""
    lock, left = threading.Lock(), list(itertools.islice(waiting, CALLS))
    refused: list[int] = []

    def caller() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            with lock:
                if not left:
                    break
                path, form, headers = left.pop()
            connection.request("POST", path, urlencode(form), {**headers, "Content-Type": FORM})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                refused.append(answer.status)
        connection.close()

    callers = [threading.Thread(target=caller) for _ in range(web_process.THREADS)]
    begun = time.monotonic()
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    took = time.monotonic() - begun
    if refused:
        raise SystemExit(f"callbacks were answered {refused[:3]}")
    return CALLS / took


def told(database: Database) -> Iterator[Call]:
    """Yield signed Twilio callbacks that report each message as delivered."""
    with database.reading() as session:
        attempts = list(
            session.execute(
                select(DeliveryAttempt.attempt_id, DeliveryAttempt.provider_message_id, DeliveryAttempt.phone)
            )
        )
    return iter(
        [
            signed(f"/twilio/status/{token}", status(str(provider_message_id), phone))
            for token, provider_message_id, phone in attempts
        ]
    )


def bare_calls() -> Iterator[Call]:
    """Yield the same kind of call for the rival."""
    return itertools.repeat(signed("/twilio/status/" + "a" * 32, status("SM" + "a" * 32, "+15005550006")))


def status(provider_message_id: str, phone: str) -> dict[str, str]:
    """Return the form of Twilio's callback for a delivered message."""
    words = {
        "MessageSid": provider_message_id,
        "SmsSid": provider_message_id,
        "MessageStatus": "delivered",
        "SmsStatus": "delivered",
    }
    return {**words, "To": phone, "From": SENDER, "AccountSid": "AC" + "0" * 32, "ApiVersion": "2010-04-01"}


def signed(path: str, form: dict[str, str]) -> Call:
    """Return a signed call of Twilio."""
    return path, form, {"X-Twilio-Signature": RequestValidator("token").compute_signature(PUBLIC + path, form)}


def idle(environment: BenchEnvironment) -> Iterator[Line]:
    """B7: time of an idle worker from due to the provider call, and from STOP to the stored opt-out."""
    for engine in LEAST:
        database = environment.database(engine)
        with database.transaction() as session:
            session.execute(update(Sender).values(segments_per_second=1_000.0))
        with fake_twilio.running() as provider:
            arrived: dict[str, float] = {}
            provider.on_accepted = lambda form, seen=arrived: seen.setdefault(form["To"], time.monotonic())
            environment.stack.enter_context(worker(environment, provider.url, database.url))
            waits = [wait_for_call(environment, database, arrived) for _ in range(SAMPLES)]
        yield within(f"texts-due-to-call-{engine}", "p95 of an idle worker, at most", part(waits, 0.95), 1.5)
        yield within(
            f"texts-stop-to-kept-{engine}", "p99 of a STOP, at most", part(stops(environment, database), 0.99), 1.0
        )


def worker(environment: BenchEnvironment, twilio: str, database: str) -> Any:
    """Run `homevisits worker`."""
    given = settings_for(twilio, database)
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
    settings = {f"HOMEVISITS_{name.upper()}": str(getattr(given, name)) for name in names}
    command = [sys.executable, "-c", "from homevisits.cli.main import main; main()", "worker"]
    return external_programs.run_process(
        command, environment.folder / "worker.log", cwd=ROOT, env={**os.environ, **settings}
    )


def wait_for_call(environment: BenchEnvironment, database: Database, arrived: dict[str, float]) -> float:
    """Return the seconds until a message that is due now reaches the provider."""
    ((subject, text),) = environment.planned(1, category="reply")  # replies are sent at any hour
    now = datetime.now().astimezone()
    due = text.__class__(**{**vars(text), "not_before": now, "expires_at": now + timedelta(hours=1)})
    time.sleep(random.random())
    begun = time.monotonic()
    with database.transaction() as session:
        outbox.put_many(session, [(subject, due)], now)
    while text.to not in arrived:
        if time.monotonic() - begun > 60:
            raise SystemExit(f"the worker sent nothing: {(environment.folder / 'worker.log').read_text()[-1500:]}")
        time.sleep(0.005)
    return arrived[text.to] - begun


def stops(environment: BenchEnvironment, database: Database) -> list[float]:
    """Return the seconds from the arrival of each STOP until the phone is opted out."""
    client = create_app(settings_for("http://127.0.0.1:9", database.url), database).test_client()
    took = []
    for number, phone in zip(itertools.count(), environment.phones(100)):
        form = {"MessageSid": f"SM{number:032x}", "From": phone, "To": SENDER, "Body": "STOP", "NumMedia": "0"}
        path, form, headers = signed("/twilio/inbound", form)
        begun = time.monotonic()
        if client.post(path, data=form, headers=headers).status_code != 200:
            raise SystemExit("a text was refused")
        while may_text(database, phone):
            time.sleep(0.01)
        took.append(time.monotonic() - begun)
    return took


def may_text(database: Database, phone: str) -> bool:
    """Return whether messages may still be sent to `phone`."""
    with database.reading() as session:
        return opt_outs.may_receive(session, phone)
