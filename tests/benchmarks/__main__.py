"""Run the benchmarks, print a table and write build/bench.json. `make bench ONLY=booking` runs some of them."""

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

from flask.testing import FlaskClient
from icalendar import Calendar

from homevisits import migrate
from homevisits.app import create_app
from homevisits.core import clock, settings
from homevisits.core.db import Database
from tests import servers
from tests.benchmarks import district, message_benchmarks, rivals
from tests.benchmarks.measure import Action, Benchmark, Result, format_table, run_benchmark

FEW, MANY = 200, 10_000
"""Numbers of past visits: a few weeks of a school, and fifty times as many."""
ENGINES = ("sqlite", "postgresql")
FAMILY = district.CLASS
START = datetime(2026, 10, 14, 22, 30, tzinfo=UTC).isoformat()
OTHER_FAMILY = FAMILY - 1
OTHER_START = datetime(2026, 10, 15, 22, 30, tzinfo=UTC).isoformat()


@dataclass(frozen=True)
class BenchmarkSide:
    """A database with two applications: ours, where the teacher is signed in, and the rival."""

    database: Database
    ours: FlaskClient
    bare: FlaskClient
    token: str

    def book(self, family: int = FAMILY, start: str = START) -> None:
        """Book a visit with our application."""
        form = {"partner": district.PARTNER, "start": start, "place_type": "home", "csrf_token": self.token}
        expect(self.ours.post(f"/families/{family}/book", data=form), 303)

    def bare_book(self) -> None:
        """Insert the same rows with the rival."""
        form = {"partner": district.PARTNER, "start": START}
        expect(self.bare.post(f"/book/{FAMILY}", data=form), 303)

    def load_families(self) -> None:
        """Load our page My families."""
        expect(self.ours.get("/families"), 200)

    def load_bare_families(self) -> None:
        """Load the rival's list of the same families."""
        expect(self.bare.get("/families"), 200)

    def load_feed(self) -> bytes:
        """Load our calendar feed."""
        return expect(self.ours.get(f"/calendar/{district.TOKEN}.ics"), 200)

    def make_conditional_request(self) -> Action:
        """Return a request for our calendar feed that is answered with 304."""
        return conditional_request(self.ours, f"/calendar/{district.TOKEN}.ics")

    def make_bare_conditional_request(self) -> Action:
        """Return a request that the rival answers with 304 after a single query."""
        return conditional_request(self.bare, f"/unchanged/{district.TOKEN}")

    def undo(self) -> None:
        """Cancel the visits that were booked."""
        rivals.cancel_bookings(self.database)


def conditional_request(client: FlaskClient, path: str) -> Action:
    """Return a conditional request for `path` that is answered with 304."""
    headers = {"If-None-Match": client.get(path).headers["ETag"]}
    return lambda: expect(client.get(path, headers=headers), 304)


def expect(response: object, status: int) -> bytes:
    """Return the body of a response; fail if its status differs, because a fast error is no result."""
    actual = getattr(response, "status_code", None)
    body: bytes = getattr(response, "data", b"")
    if actual != status:
        raise SystemExit(f"answered {actual}, not {status}: {body[:300].decode('utf-8', 'replace')}")
    return body


def make_side(url: str, visits: int) -> BenchmarkSide:
    """Build a district with `visits` past visits."""
    database = Database(url)
    migrate.upgrade(database)
    district.build(database, visits)
    app_settings = settings.load_settings(
        {}, mode="development", database_url=url, secret_key="b" * 40, public_url="http://127.0.0.1:8000"
    )
    ours = create_app(app_settings, database).test_client()
    bare = rivals.create_bare_app(database).test_client()
    form = {
        "email": district.EMAIL,
        "password": district.PASSWORD,
        "csrf_token": read_csrf_token(ours.get("/sign-in").text),
    }
    expect(ours.post("/sign-in", data=form), 303)
    return BenchmarkSide(database, ours, bare, read_csrf_token(ours.get("/families").text))


def read_csrf_token(page: str) -> str:
    """Return the CSRF token of a page."""
    match = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    if match is None:
        raise SystemExit(f"no form on the page: {page[:500]}")
    return match[1]


def page_benchmarks(engine: str, few: BenchmarkSide, many: BenchmarkSide) -> Iterator[Benchmark]:
    """Yield the four page benchmarks, each also with fifty times as many visits."""
    calendar = Calendar.from_ical(few.load_feed())
    events = len(calendar.walk("VEVENT"))
    if events < district.RECENT:
        raise SystemExit(f"the feed has {events} visits, not {district.RECENT}")
    route, itself = "a bare route, same database", f"itself with {FEW:,} visits, not {MANY:,}"
    # Bookings come last, because the feed shows cancelled visits for a while.
    yield Benchmark(f"feed_{engine}", f"icalendar's to_ical, {events} events", few.load_feed, calendar.to_ical, 1.5)
    yield Benchmark(f"feed_50x_{engine}", itself, many.load_feed, few.load_feed, 1.3)
    yield Benchmark(
        f"not_modified_{engine}", route, few.make_conditional_request(), few.make_bare_conditional_request(), 1.5, 200
    )
    yield Benchmark(
        f"not_modified_50x_{engine}", itself, many.make_conditional_request(), few.make_conditional_request(), 1.3, 200
    )
    yield Benchmark(f"families_{engine}", route, few.load_families, few.load_bare_families, 4.0)
    yield Benchmark(f"families_50x_{engine}", itself, many.load_families, few.load_families, 1.3)
    yield Benchmark(f"booking_{engine}", route, few.book, few.bare_book, 6.0, between=few.undo)

    def undo_both() -> None:
        few.undo()
        many.undo()

    # Use another family and day, to be independent of the benchmark before.
    our_action, rival_action = (
        partial(many.book, OTHER_FAMILY, OTHER_START),
        partial(few.book, OTHER_FAMILY, OTHER_START),
    )
    yield Benchmark(f"booking_50x_{engine}", itself, our_action, rival_action, 1.3, between=undo_both)


def run_all(only: str) -> Iterator[Result | message_benchmarks.SkippedBenchmarks]:
    """Yield the result of each benchmark with a name that begins with `only`, and the benchmarks left out."""
    if not only.startswith("texts"):
        yield from run_page_benchmarks(only)
    for result in message_benchmarks.run_message_benchmarks(only):
        if isinstance(result, Result):
            print(f"  {result.name} ...", file=sys.stderr, flush=True)
        yield result


def run_page_benchmarks(only: str) -> Iterator[Result]:
    """Yield the results of the page benchmarks: booking, feed, families."""
    clock.set_source(partial(lambda at: at, district.NOW))
    with tempfile.TemporaryDirectory(prefix="homevisits-bench-") as folder, ExitStack() as stack:
        for engine in ENGINES:
            if engine == "sqlite":
                urls = [f"sqlite:///{folder}/{visits}.sqlite" for visits in (FEW, MANY)]
            else:
                server = stack.enter_context(servers.run_postgres(Path(folder)))
                urls = [server.url(server.create_database("template0")) for _ in (FEW, MANY)]
            sides = [make_side(url, visits) for url, visits in zip(urls, (FEW, MANY), strict=True)]
            for benchmark in page_benchmarks(engine, *sides):
                if benchmark.name.startswith(only):
                    print(f"  {benchmark.name} ...", file=sys.stderr, flush=True)
                    yield run_benchmark(benchmark)
            for bench_side in sides:
                bench_side.database.dispose()
    clock.set_source(None)


def main(only: str = "") -> int:
    """Run the benchmarks; return 1 if a target was missed."""
    print(
        f"Measuring on {date(2026, 10, 5):%A} of school, {FEW:,} and {MANY:,} visits ...", file=sys.stderr, flush=True
    )
    entries = list(run_all(only))
    results = [entry for entry in entries if isinstance(entry, Result)]
    skipped = [entry for entry in entries if isinstance(entry, message_benchmarks.SkippedBenchmarks)]
    if not entries:
        raise SystemExit(f"there is no contest whose name begins with {only!r}")
    target = Path("build") / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps([result.document() for result in results], indent=1) + "\n", encoding="utf-8")
    print(format_table(results))
    print(f"\nwritten to {target}")
    for entry in skipped:
        print(f"left out: {', '.join(entry.names)} ({entry.reason})")
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
