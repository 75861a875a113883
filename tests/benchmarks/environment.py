"""Environment of the message benchmarks: databases, Twilio substitutes, due messages."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from homevisits import migrate
from homevisits.core import settings as core_settings
from homevisits.core.db import Database
from homevisits.core.settings import Settings
from homevisits.messages import outbox
from homevisits.messages.dispatch.eligibility import SendPolicy
from homevisits.messages.dispatch.quiet_hours import Limits
from homevisits.messages.models import Sender
from homevisits.messages.templates.rendering import PlannedMessage
from tests import external_programs, servers
from tests.benchmarks import district

SENDER = "+15555550199"
ROOT = Path(__file__).resolve().parent.parent.parent
NGINX = """
worker_processes 1; pid nginx.pid; error_log error.log warn; daemon off;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000; default_type application/json;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      set $taken '{{"account_sid":"AC{zeros}","body":"x","date_created":"Mon, 05 Oct 2026 15:00:00 +0000",';
      set $taken '$taken"date_sent":null,"direction":"outbound-api","error_code":null,"error_message":null,';
      return 201 '$taken"num_segments":"1","sid":"SM$request_id","status":"queued","to":"+15005550006"}}';
    }}
  }}
}}
"""


def settings_for(twilio_url: str, database_url: str, **more: object) -> Settings:
    """Return settings that send messages to a substitute for Twilio."""
    return core_settings.load_settings(
        {}, mode="development", database_url=database_url, secret_key="b" * 40, public_url="https://visits.example.org",
        provider="twilio", texting="live", twilio_account_sid="AC" + "0" * 32, twilio_auth_token="token",
        twilio_from=SENDER, twilio_base_url=twilio_url, provider_timeout_seconds=20, **more,
    )  # fmt: skip


def clock(epoch: float) -> Callable[[], datetime]:
    """Return a clock that shows a Monday morning at `epoch` (monotonic seconds), within texting hours."""
    return lambda: district.NOW + timedelta(seconds=time.monotonic() - epoch)


def send_policy(threads: int) -> SendPolicy:
    """Return the sending policy of a district."""
    return SendPolicy(limits=Limits(), zone=district.ZONE, threads=threads)


@dataclass
class BenchEnvironment:
    """A folder and the servers that run in it, started on first use."""

    folder: Path
    stack: ExitStack
    epoch: float = field(default_factory=time.monotonic)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _postgres: servers.Postgres | None = None

    @property
    def now(self) -> Callable[[], datetime]:
        """The clock of every process of this environment."""
        return clock(self.epoch)

    def database(self, engine: str) -> Database:
        """Create a migrated database with a sender that has no effective rate limit."""
        if engine == "sqlite":
            url = f"sqlite:///{self.folder}/{next(self._numbers)}.sqlite"
        else:
            url = self.postgres().url(self.postgres().create_database("template0"))
        created = Database(url, pool_size=16)
        self.stack.callback(created.dispose)
        migrate.upgrade(created)
        with created.transaction() as session:
            session.add(
                Sender(provider="twilio", address=SENDER, segments_per_second=1_000_000, registration="registered")
            )
        return created

    def postgres(self) -> servers.Postgres:
        """A PostgreSQL server that waits for the disk, as in production, unlike the server of the tests."""
        if self._postgres is None:
            self._postgres = self.stack.enter_context(servers.run_postgres(self.folder))
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                self._postgres._connection().execute(f"ALTER SYSTEM RESET {setting}")
            self._postgres._connection().execute("SELECT pg_reload_conf()")
        return self._postgres

    def nginx(self) -> str:
        """Return the address of an nginx that accepts every message at once."""
        port, folder = external_programs.find_free_port(), Path(tempfile.mkdtemp(prefix="nginx-", dir=self.folder))
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(port=port, zeros="0" * 32), encoding="utf-8")
        command = [external_programs.find_program("nginx", "nginx-light"), "-p", str(folder), "-c", str(config)]
        self.stack.enter_context(external_programs.run_server(command, port, folder / "log"))
        return f"http://127.0.0.1:{port}"

    def slow_twilio(self, milliseconds: int) -> str:
        """Return the address of a fake Twilio in its own process that answers after `milliseconds`."""
        port = external_programs.find_free_port()
        command = [sys.executable, "-m", "tests.messages.fake_twilio", "--port", str(port)]
        command += ["--latency-ms", str(milliseconds)]
        self.stack.enter_context(external_programs.run_server(command, port, self.folder / "fake.log", cwd=ROOT))
        return f"http://127.0.0.1:{port}"

    def phones(self, number: int) -> list[str]:
        """Return phone numbers that were not used before."""
        return [f"+1{2_000_000_000 + next(self._numbers)}" for _ in range(number)]

    def plan_messages(self, number: int, **more: object) -> list[tuple[str, PlannedMessage]]:
        """Return due messages, each to another phone."""
        now = self.now()
        values = {"not_before": now, "expires_at": now + timedelta(hours=8), "params": {"school": "Lincoln"}, **more}
        return [
            (f"bench:{phone}", PlannedMessage("one", phone, "en", "invitation_call_me", **values))  # type: ignore[arg-type]
            for phone in self.phones(number)
        ]

    def fill_outbox(self, database: Database, number: int) -> None:
        """Insert due messages into the outbox."""
        with database.transaction() as session:
            outbox.put_many(session, self.plan_messages(number), self.now())


@contextmanager
def bench_environment() -> Iterator[BenchEnvironment]:
    """Yield an environment and stop its servers afterwards."""
    with tempfile.TemporaryDirectory(prefix="homevisits-bench-") as folder, ExitStack() as stack:
        yield BenchEnvironment(Path(folder), stack)


class SenderProcesses:
    """Sending processes with their threads. They run between rounds, so that their start is not measured."""

    def __init__(
        self,
        environment: BenchEnvironment,
        implementation: str,
        twilio: str,
        database: str,
        *,
        processes: int,
        threads: int,
    ) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.benchmarks.sender_process",
            implementation,
            twilio,
            database,
            str(threads),
        ]
        self._all = [
            subprocess.Popen(
                [*command, repr(environment.epoch)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
                env={**os.environ, "PYTHONWARNINGS": "ignore"},
            )
            for _ in range(processes)
        ]  # fmt: skip
        environment.stack.callback(self._stop)
        for process in self._all:
            self._read_answer(process, "ready")

    def run(self, texts: int) -> float:
        """Send `texts` messages in all processes together and return the rate per second."""
        started = time.monotonic()
        for process in self._all:
            assert process.stdin is not None
            process.stdin.write(f"{texts // len(self._all)}\n")
            process.stdin.flush()
        sent = sum(int(self._read_answer(process, "sent")) for process in self._all)
        elapsed = time.monotonic() - started
        if sent != texts:
            raise SystemExit(f"{sent} texts were sent, not {texts}: a race that is not run wins nothing")
        return texts / elapsed

    def _read_answer(self, process: subprocess.Popen[str], word: str) -> str:
        assert process.stdout is not None
        line = process.stdout.readline().split()
        if not line or line[0] != word:
            raise SystemExit(f"a sending process ended: {line}")
        return line[-1]

    def _stop(self) -> None:
        for process in self._all:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
