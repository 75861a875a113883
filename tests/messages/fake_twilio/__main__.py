"""Run the fake Twilio as a process that logs every accepted message.

Prints its port. Each line of --log is JSON: {"token", "to", "body_sha256", "sid", "at"}, written before the response.
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
    parser = argparse.ArgumentParser(prog="python -m tests.messages.fake_twilio", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--log", type=Path, help="append a line for every accepted message")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="duration of each create request")
    parser.add_argument("--callbacks", metavar="URL", help="send callbacks to this scheme and host")
    parser.add_argument("--order", default="in_order", choices=["in_order", "shuffled", "doubled", "lost"])
    parser.add_argument("--delay-ms", type=float, default=0.0, help="delay before each callback")
    parser.add_argument("--auth-token", default=None, help="token that requests must present and that signs callbacks")
    parser.add_argument("--next", action="append", default=[], help="outcomes of the next create requests, in order")
    arguments = parser.parse_args()
    server = FakeTwilio(arguments.port, arguments.auth_token)
    server.latency, server.stall_seconds = arguments.latency_ms / 1000, 30.0
    server.next.extend(arguments.next)
    if arguments.log is not None:
        server.on_accepted = make_recorder(arguments.log)
    if arguments.callbacks:
        server.callbacks.to, server.callbacks.order = arguments.callbacks, arguments.order
        server.callbacks.delay = arguments.delay_ms / 1000
        server.callbacks.start(4)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()


def make_recorder(path: Path) -> Callable[[dict[str, str]], None]:
    """Return a function that logs an accepted message. The fake calls it under its lock, so lines do not mix."""
    log = path.open("a", encoding="utf-8", buffering=1)

    def record(form: dict[str, str]) -> None:
        token = form.get("StatusCallback", "").partition("#")[0].rpartition("/")[2]
        body = hashlib.sha256(form.get("Body", "").encode()).hexdigest()
        entry = {"token": token, "to": form["To"], "body_sha256": body, "sid": form["Sid"], "at": time.time()}
        log.write(json.dumps(entry) + "\n")

    return record


if __name__ == "__main__":
    main()
