"""`homevisits demo`: build the demo on first start, then run its web server and worker."""

import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime, time, timedelta
from pathlib import Path
from time import monotonic, sleep

from homevisits import migrate, server, worker
from homevisits.core import clock, local_time
from homevisits.core.db import Database
from homevisits.core.settings import InvalidSettings, Settings
from homevisits.demo.sample import build
from homevisits.demo.settings import DEFAULT, DemoFolder, load_demo_settings
from homevisits.people.installation import check_database_purpose

WEEKDAYS = range(5)
OPENS, START, CLOSES = time(9), time(10), time(17)
READY_SECONDS = 60
STOP_SECONDS = 25
Printer = Callable[[str], None]


def start(path: Path = DEFAULT, port: int = 8077, *, reset: bool = False, print_line: Printer = print) -> int:
    """Build what is missing, run web server and worker until Ctrl-C, and return the exit code."""
    try:
        folder = prepare(path, port, reset=reset, print_line=print_line)
    except migrate.UnknownRevision:
        print_line(f"The data in {path} was made by another version of Homevisits. Start over with: make demo RESET=1")
        return 1
    if taken(port):
        print_line(f"Port {port} is taken by another program. Choose another: make demo PORT={port + 1}")
        return 1
    children = [_start_process(name, folder, port) for name in ("web", "worker")]
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda which, _frame: stopping.append(which))
    try:
        if _ready(port, children, stopping):
            print_line(welcome(port))
        while not stopping and all(child.poll() is None for child in children):
            sleep(0.2)
    finally:
        failed = [child.args for child in children if child.poll() not in (None, 0)]
        _stop(children)
    if failed and not stopping:
        print_line("The demo stopped: one of its two processes ended unexpectedly. Its output is above.")
        return 1
    print_line("The demo has stopped. Its data is kept: start it again with the same command.")
    return 0


def prepare(path: Path, port: int, *, reset: bool = False, print_line: Printer = print) -> DemoFolder:
    """Return the demo folder with its secret and database; create what is missing.

    Raises `InvalidSettings` if the settings do not allow a demo, and `migrate.UnknownRevision` if another version
    created the data.
    """
    folder = DemoFolder(path.resolve())
    folder.path.mkdir(parents=True, exist_ok=True)
    settings = load_demo_settings(folder, port)
    if folder.database.exists():
        _check(folder, settings)
        if not reset:
            _migrate(settings)
            print_line("The demo's data is kept from last time. `make demo RESET=1` starts over.")
            advance_clock(folder, settings.timezone)
            return folder
        _remove_data(folder)
    print_line("Making a sample district: 4 schools, 1,000 students, and what they did so far. This takes a moment.")
    terminal = sys.stderr if sys.stderr.isatty() else None
    build.make(folder, port, advance_clock(folder, settings.timezone), print_line, terminal=terminal)
    return folder


def advance_clock(folder: DemoFolder, zone: str) -> datetime:
    """Advance the demo clock to school hours in which messages may be sent; return its time.

    At night, the demo starts on the morning of the next weekday, because all messages would wait until then.
    """
    clock.follow_offset_file(folder.clock)
    now = clock.now()
    begin = next_school_hour(now, zone)
    if begin > now:
        clock.advance_to(folder.clock, begin)
    return begin


def next_school_hour(now: datetime, zone: str) -> datetime:
    """Return `now` if it is within school hours on a weekday in `zone`, else 10:00 on the next weekday."""
    local = local_time.to_local(now, zone)
    if local.weekday() in WEEKDAYS and OPENS <= local.time() < CLOSES:
        return now
    day = local.date() if local.time() < START else local.date() + timedelta(days=1)
    while day.weekday() not in WEEKDAYS:
        day += timedelta(days=1)
    return local_time.to_utc(day, START, zone) or now


def _check(folder: DemoFolder, settings: Settings) -> None:
    """Check that the database in the folder belongs to a demo; others are neither started nor removed."""
    database = Database(settings.database_url)
    try:
        if migrate.current_revision(database) is None:
            raise InvalidSettings([f"{folder.database}: is not a database of the demo"])
        check_database_purpose(database, settings)
    finally:
        database.dispose()


def _migrate(settings: Settings) -> None:
    database = Database(settings.database_url)
    try:
        migrate.upgrade(database)
    finally:
        database.dispose()


def _remove_data(folder: DemoFolder) -> None:
    """Remove the files of the demo and leave all other files in the folder."""
    for name in ("homevisits.sqlite", "making.sqlite"):
        for ending in ("", "-wal", "-shm", "-journal"):
            (folder.path / f"{name}{ending}").unlink(missing_ok=True)
    for name in ("clock", "clock.next"):
        (folder.path / name).unlink(missing_ok=True)
    shutil.rmtree(folder.sample, ignore_errors=True)


def taken(port: int) -> bool:
    """Return whether the port is already in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _start_process(name: str, folder: DemoFolder, port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "homevisits.demo.run", name, str(folder.path), str(port)])  # noqa: S603 - this program


def _ready(port: int, children: list[subprocess.Popen[bytes]], stopping: list[int]) -> bool:
    """Wait until the web server responds."""
    until = monotonic() + READY_SECONDS
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # bypass any proxy for this machine
    while monotonic() < until and not stopping and all(child.poll() is None for child in children):
        try:
            with direct.open(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
                if answer.status == 200:
                    return True
        except (urllib.error.URLError, OSError):
            sleep(0.2)
    return False


def welcome(port: int) -> str:
    """Return the message printed at the start: URL and users to sign in as."""
    return "\n".join(
        [
            "",
            f"  Homevisits runs at  http://127.0.0.1:{port}/",
            "",
            "  Open it and choose who to be, with one click and no password:",
            "  a teacher, her partner, the site coordinator, the union coordinator, the district lead,",
            "  or hold a family's phone. A guide on the first page walks you through the story.",
            "",
            "  Nothing leaves this machine: texts appear on the demo's phone. Ctrl-C stops.",
            "",
        ]
    )


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def main(process: str, path: str, port: str) -> None:
    """Run one of the two processes of the demo."""
    folder = DemoFolder(Path(path))
    settings = load_demo_settings(folder, int(port))
    database = Database(settings.database_url)
    check_database_purpose(database, settings)
    database.dispose()
    clock.follow_offset_file(folder.clock)
    if process == "web":
        server.serve(settings)
    else:
        worker.run(settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
