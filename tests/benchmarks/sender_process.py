"""Process that sends messages on demand: with our dispatcher, the bare SDK or procrastinate.

It reads a number of messages from standard input and prints how many it sent. Our dispatcher sends all due messages.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

from twilio.rest import Client

import homevisits.tables  # noqa: F401 - tables that messages refer to
from homevisits.core.db import Database
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.providers.twilio import Twilio, TwilioHttp
from tests.benchmarks.environment import SENDER, clock, send_policy, settings_for

BODY = "Lincoln: your child's teachers would like to meet you. Please call the school."
CALLBACK = "https://visits.example.org/twilio/status/" + "a" * 32 + "#rc=3&rp=all"
Send = Callable[[int], int]


def main(implementation: str, twilio: str, database: str, threads: int, epoch: float) -> None:
    """Send messages on demand until the input ends."""
    send = {"ours": make_dispatcher_sender, "bare": make_bare_sender, "procrastinate": make_procrastinate_sender}[
        implementation
    ](twilio, database, threads, epoch)
    print("ready", flush=True)
    for line in sys.stdin:
        print("sent", send(int(line)), flush=True)


def make_dispatcher_sender(twilio: str, database: str, threads: int, epoch: float) -> Send:
    """Return a function that sends with our dispatcher, as a worker does."""
    providers = (Twilio(settings_for(twilio, database)),)
    opened_database, now, policy = Database(database, pool_size=threads), clock(epoch), send_policy(threads)

    def send(_count: int) -> int:
        return dispatcher.dispatch_due(opened_database, providers, policy, now, 1_000_000, stop=threading.Event())[
            "accepted"
        ]

    return send


def make_sdk_call(twilio: str) -> Callable[[str], object]:
    """Return a function that sends with the bare SDK and our HTTP client."""
    client: Any = Client("AC" + "0" * 32, "token", http_client=TwilioHttp(20, twilio), environment={"": ""})
    messages = client.messages

    def send_message(phone: str) -> object:
        return messages.create(
            to=phone, from_=SENDER, body=BODY, status_callback=CALLBACK, validity_period=3600
        ).sid  # fmt: skip

    return send_message


def make_bare_sender(twilio: str, _database: str, threads: int, _epoch: float) -> Send:
    """Return a function that calls the SDK in a loop and stores nothing."""
    send_message = make_sdk_call(twilio)

    def send(count: int) -> int:
        remaining, lock, sent = [count], threading.Lock(), [0]

        def send_until_done() -> None:
            while True:
                with lock:
                    remaining[0] -= 1
                    if remaining[0] < 0:
                        return
                if send_message("+15005550006"):
                    sent[0] += 1

        senders = [threading.Thread(target=send_until_done) for _ in range(threads)]
        for thread in senders:
            thread.start()
        for thread in senders:
            thread.join()
        return sent[0]

    return send


def make_procrastinate_sender(twilio: str, database: str, threads: int, _epoch: float) -> Send:
    """Return a function that runs a procrastinate worker; its task is a single call of the SDK."""
    import procrastinate  # the rival

    send_message, sent = make_sdk_call(twilio), []
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=database, max_size=threads + 4))

    @app.task(name="send")
    def send_one(phone: str) -> None:
        sent.append(send_message(phone))

    async def work() -> None:
        async with app.open_async():
            await app.run_worker_async(
                wait=False, concurrency=threads, listen_notify=False, install_signal_handlers=False
            )

    def send(_count: int) -> int:
        sent.clear()
        asyncio.run(work())
        return len(sent)

    return send


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
