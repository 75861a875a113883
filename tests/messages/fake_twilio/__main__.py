"""The fake as a process of its own, whose record is the judge: one line for every message really taken.

Prints its port. A line of --log is JSON: {"token", "to", "body_sha256", "sid", "at"}; it is written before the answer.
"""

import argparse
import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.messages.fake_twilio import FakeTwilio


def main() -> None:
    """Serve until killed."""
    given = argparse.ArgumentParser(prog="python -m tests.messages.fake_twilio", description=__doc__)
    given.add_argument("--port", type=int, default=0, help="0: any free one")
    given.add_argument("--log", type=Path, help="append a line for every message taken")
    given.add_argument("--latency-ms", type=float, default=0.0, help="how long each create takes")
    given.add_argument("--callbacks", metavar="URL", help="tell statuses to this scheme and host")
    given.add_argument("--order", default="in_order", choices=["in_order", "shuffled", "doubled", "lost"])
    given.add_argument("--delay-ms", type=float, default=0.0, help="before each callback")
    given.add_argument("--auth-token", default=None, help="what must be presented, and what signs callbacks")
    given.add_argument("--next", action="append", default=[], help="what to do with the next creates, in order")
    asked = given.parse_args()
    server = FakeTwilio(asked.port, asked.auth_token)
    server.latency, server.stall_seconds = asked.latency_ms / 1000, 30.0
    server.next.extend(asked.next)
    if asked.log is not None:
        server.on_taken = recorder(asked.log)
    if asked.callbacks:
        server.callbacks.to, server.callbacks.order = asked.callbacks, asked.order
        server.callbacks.delay = asked.delay_ms / 1000
        server.callbacks.start(4)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()


def recorder(path: Path) -> Callable[[dict[str, str]], None]:
    """What writes one line for a message taken; the fake holds its lock meanwhile, so lines never mix."""
    log = path.open("a", encoding="utf-8", buffering=1)

    def note(form: dict[str, str]) -> None:
        token = form.get("StatusCallback", "").partition("#")[0].rpartition("/")[2]
        body = hashlib.sha256(form.get("Body", "").encode()).hexdigest()
        told = {"token": token, "to": form["To"], "body_sha256": body, "sid": form["Sid"], "at": time.time()}
        log.write(json.dumps(told) + "\n")

    return note


if __name__ == "__main__":
    main()
