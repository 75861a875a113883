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
from tests.benchmarks.environment import SENDER, clock, rules, settings_for

BODY = "Lincoln: your child's teachers would like to meet you. Please call the school."
CALLBACK = "https://visits.example.org/twilio/status/" + "a" * 32 + "#rc=3&rp=all"
Send = Callable[[int], int]


def main(how: str, twilio: str, database: str, threads: int, epoch: float) -> None:
    """Send messages on demand until the input ends."""
    send = {"ours": ours, "bare": bare, "procrastinate": procrastinates}[how](twilio, database, threads, epoch)
    print("ready", flush=True)
    for line in sys.stdin:
        print("sent", send(int(line)), flush=True)


def ours(twilio: str, database: str, threads: int, epoch: float) -> Send:
    """Return a function that sends with our dispatcher, as a worker does."""
    providers = (Twilio(settings_for(twilio, database)),)
    opened, now, by = Database(database, pool_size=threads), clock(epoch), rules(threads)

    def send(_wanted: int) -> int:
        return dispatcher.dispatch_due(opened, providers, by, now, 1_000_000, stop=threading.Event())["accepted"]

    return send


def create(twilio: str) -> Callable[[str], object]:
    """Return a function that sends with the bare SDK and our HTTP client."""
    client: Any = Client("AC" + "0" * 32, "token", http_client=TwilioHttp(20, twilio), environment={"": ""})
    messages = client.messages

    def one(phone: str) -> object:
        return messages.create(
            to=phone, from_=SENDER, body=BODY, status_callback=CALLBACK, validity_period=3600
        ).sid  # fmt: skip

    return one


def bare(twilio: str, _database: str, threads: int, _epoch: float) -> Send:
    """Return a function that calls the SDK in a loop and stores nothing."""
    one = create(twilio)

    def send(wanted: int) -> int:
        left, lock, done = [wanted], threading.Lock(), [0]

        def loop() -> None:
            while True:
                with lock:
                    left[0] -= 1
                    if left[0] < 0:
                        return
                if one("+15005550006"):
                    done[0] += 1

        all_of_them = [threading.Thread(target=loop) for _ in range(threads)]
        for thread in all_of_them:
            thread.start()
        for thread in all_of_them:
            thread.join()
        return done[0]

    return send


def procrastinates(twilio: str, database: str, threads: int, _epoch: float) -> Send:
    """Return a function that runs a procrastinate worker; its task is a single call of the SDK."""
    import procrastinate  # the rival

    one, done = create(twilio), []
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=database, max_size=threads + 4))

    @app.task(name="send")
    def send_one(phone: str) -> None:
        done.append(one(phone))

    async def work() -> None:
        async with app.open_async():
            await app.run_worker_async(
                wait=False, concurrency=threads, listen_notify=False, install_signal_handlers=False
            )

    def send(_wanted: int) -> int:
        done.clear()
        asyncio.run(work())
        return len(done)

    return send


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
