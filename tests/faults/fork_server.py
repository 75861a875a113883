"""Fork server: a process with the application imported that forks children, so that they start fast."""

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import homevisits.tables  # noqa: F401 - the tables that messages refer to
from homevisits import worker
from homevisits.core.db import Database
from homevisits.messages import outbox
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.providers.base import Accepted
from tests.messages.conftest import NOW, Recorder, make_send_policy, make_settings, planned_message

ROOT = Path(__file__).resolve().parent.parent.parent


class ForkServer:
    """Client of the fork server: start, kill and await children."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._running: set[int] = set()

    def start(self, task: str, **arguments: object) -> int:
        """Start a child that runs `task`; return its process ID."""
        child = self._ask(do=task, **arguments)
        self._running.add(child)
        return child

    def close(self) -> None:
        """Kill the server and all children, including children left by a failed test."""
        for child in self._running:
            with suppress(ProcessLookupError):
                os.kill(child, 9)
        self._process.kill()

    def kill(self, child: int) -> None:
        """Kill a child with SIGKILL and reap it."""
        os.kill(child, 9)
        self.wait(child)

    def wait(self, child: int) -> int:
        """Wait for a child to end; return its exit status."""
        status = self._ask(do="wait", child=child)
        self._running.discard(child)
        return status

    def _ask(self, **request: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def start_fork_server(log: Path) -> Iterator[ForkServer]:
    """Start the fork server; its children write their output to `log`."""
    command = [sys.executable, "-m", "tests.faults.fork_server", str(log)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        server = ForkServer(process)
        try:
            yield server
        finally:
            server.close()


def run_worker(twilio: str, database: str) -> None:
    """Run the real worker with a fake Twilio."""
    worker.run(make_settings(twilio, database))


class LoggingProvider(Recorder):
    """A provider that accepts every message and writes its phone to a file."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.out = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 - ends with the process

    def send(self, to: str, body: str, token: str, *, sender: str = "", valid_for: int = 36_000) -> Accepted:
        """Write the phone to the file and accept the message."""
        self.out.write(f"{to}\n")
        return super().send(to, body, token, sender=sender, valid_for=valid_for)


def drain(database: str, path: str) -> None:
    """Send due messages until there are no more."""
    provider = LoggingProvider(path)
    opened_database = Database(database)
    started, quiet = time.monotonic(), 0

    def now() -> datetime:  # must advance, because the token bucket of a sender fills with time
        return NOW + timedelta(seconds=time.monotonic() - started)

    while quiet < 3:
        sent = dispatcher.dispatch_due(opened_database, (provider,), make_send_policy(threads=2), now, 100_000)
        quiet = 0 if sent else quiet + 1
        time.sleep(0.02)


def plan(database: str, count: int) -> None:
    """Plan reminders as the planner does."""
    with Database(database).transaction() as session:
        outbox.put_many(session, reminders(count), NOW)


def reminders(count: int) -> list[tuple[str, Any]]:
    """Create `count` reminders, each to a different phone."""
    params = {"school": "Lincoln", "people": "Grace and Luis", "day": "Tue, Oct 13", "time": "6:15 pm"}
    return [
        (
            f"thing:{n}",
            planned_message("reminder", to=f"+1555{n:07}", template="visit_reminder", params=params,
                    expires_at=NOW + timedelta(days=3)),
        )
        for n in range(count)
    ]  # fmt: skip


def real_now() -> datetime:
    """The current time of the system clock."""
    return datetime.now(UTC)


def main(log: str) -> None:
    """Handle requests from standard input until it ends."""
    tasks = {"work": run_worker, "drain": drain, "plan": plan}
    for line in sys.stdin:
        request = json.loads(line)
        do = request.pop("do")
        if do == "wait":
            print(os.waitstatus_to_exitcode(os.waitpid(request["child"], 0)[1]), flush=True)
            continue
        child = os.fork()
        if child == 0:
            log_file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            for stream in (1, 2):
                os.dup2(log_file, stream)
            try:
                tasks[do](**request)
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
